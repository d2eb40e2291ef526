/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pacing of pump.h: a tick, a watermark and a doorbell; never more than one of them waits.
 *
 * The gate gets contiguous blocks. Where it holds frames at the end of a lap of the ring, they and
 * the first ones of the next lap are copied to a seam, which serves until the lap's end is written;
 * then what the gate changed in the rest is copied back.
 */
#include "pump.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <glib.h>

#include "clock.h"
#include "output/blocks.h"

#define NSEC_PER_SEC 1000000000ull
#define TICK_NS      20000000ull  /* live latency is at most this and a write */
#define FILE_TICK_NS 250000000ull /* nobody waits for a file to grow, and wake-ups cost */
#define PORTION      (1u << 20)   /* bytes; more than any block */

struct ss_pump {
	struct ss_loop *loop;
	struct ss_timer *tick;
	struct ss_bpf_source *source;
	struct ss_stream *stream;
	struct ss_output *output;
	ss_pump_ended ended;
	void *user_data;
	struct ss_error *error;
	struct ss_stage gate;
	size_t admitted;    /* bytes at the front that the gate let through and nobody took yet */
	uint64_t now_ns;    /* CLOCK_MONOTONIC, when the ring was read last */
	uint64_t again_ns;  /* the gate holds what is there for so long; 0: nothing is held */
	GByteArray *seam;   /* what is offered instead of the ring, if not empty ... */
	size_t seam_of_lap; /* ... and how much of it is the end of a lap */
	uint64_t limit, frames, watermark;
	bool busy, done, waits_for_pipe;
};

static void end(struct ss_pump *pump, int status)
{
	if (pump->done)
		return;
	pump->done = true;
	pump->ended(status, pump->user_data);
}

/* Cuts the slices after the last frame that the limit allows. */
static unsigned cut_at_limit(const struct ss_pump *pump, struct iovec *slices, unsigned count)
{
	uint64_t left = pump->limit - pump->frames;
	unsigned kept = 0;

	for (; kept < count && left; kept++) {
		uint64_t blocks = left;

		slices[kept].iov_len = ss_block_walk(slices[kept].iov_base, slices[kept].iov_len,
						     SIZE_MAX, &blocks);
		left -= blocks;
	}
	return kept;
}

/*
 * The first PORTION bytes of much: written and given back before the next, so that the kernel has
 * room again soon, and written while they are still in the cache.
 */
static unsigned cut_portion(struct iovec *slices, unsigned count)
{
	uint64_t blocks = UINT64_MAX;

	if (slices[0].iov_len < PORTION)
		return count;
	slices[0].iov_len = ss_block_walk(slices[0].iov_base, slices[0].iov_len, PORTION, &blocks);
	return 1;
}

static uint64_t count_blocks(const struct iovec *slices, unsigned count, size_t length)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < count && length; i++) {
		uint64_t blocks = UINT64_MAX;
		size_t part = MIN(length, slices[i].iov_len);

		ss_block_walk(slices[i].iov_base, part, SIZE_MAX, &blocks);
		total += blocks;
		length -= part;
	}
	return total;
}

static void ask_gate(struct ss_pump *pump, const struct iovec *front)
{
	pump->again_ns = 0;
	pump->admitted = pump->gate.admit(front->iov_base, front->iov_len, pump->now_ns,
					  &pump->again_ns, pump->gate.user_data);
}

/* The seam, with what came since; empty when there is none. */
static struct iovec extend_seam(struct ss_pump *pump, const struct iovec *slices, unsigned count)
{
	GByteArray *seam = pump->seam;

	if (seam->len && count > 1) {
		size_t known = seam->len - pump->seam_of_lap;

		g_byte_array_append(seam, (const guint8 *)slices[1].iov_base + known,
				    (guint)(slices[1].iov_len - known));
	}
	return (struct iovec){seam->data, seam->len};
}

/* Cuts the slices to what may be written now. Returns how many are left. */
static unsigned pass_gate(struct ss_pump *pump, struct iovec *slices, unsigned count)
{
	struct iovec front = pump->seam->len ? extend_seam(pump, slices, count) : slices[0];

	if (!pump->admitted)
		ask_gate(pump, &front);
	if (!pump->admitted && count > 1 && !pump->seam->len) {
		g_byte_array_append(pump->seam, front.iov_base, (guint)front.iov_len);
		pump->seam_of_lap = front.iov_len;
		front = extend_seam(pump, slices, count);
		ask_gate(pump, &front);
	}
	if (!pump->admitted && front.iov_len > ss_bpf_source_ring_size(pump->source) / 2) {
		pump->gate.release(pump->gate.user_data);
		ask_gate(pump, &front);
	}
	slices[0] = (struct iovec){front.iov_base, pump->admitted};
	return pump->admitted > 0;
}

/* Gives back to the kernel what has been written. */
static void consume(struct ss_pump *pump, size_t taken)
{
	GByteArray *seam = pump->seam;
	struct iovec slices[2];

	ss_bpf_source_consume(pump->source, taken);
	pump->admitted -= MIN(taken, pump->admitted);
	if (!taken || !seam->len)
		return;
	g_byte_array_remove_range(seam, 0, (guint)taken);
	pump->seam_of_lap -= MIN(taken, pump->seam_of_lap);
	if (pump->seam_of_lap)
		return;
	if (seam->len && ss_bpf_source_peek(pump->source, slices))
		memcpy(slices[0].iov_base, seam->data, seam->len);
	g_byte_array_set_size(seam, 0);
}

/* Length of the leading blocks that are to be left out, or else of those that are not. */
static size_t alike(const struct iovec *slice, bool *ret_left_out)
{
	const uint8_t *bytes = slice->iov_base;
	struct ss_blocks walk = ss_blocks(bytes, slice->iov_len, 0);

	while (ss_blocks_next(&walk)) {
		bool left_out = ss_block_type(bytes + walk.at) == SS_BLOCK_LEFT_OUT;

		if (walk.at == 0)
			*ret_left_out = left_out;
		else if (left_out != *ret_left_out)
			break;
	}
	return walk.at;
}

/* Gives what is left out at the front back to the kernel, and cuts the slice before the next. */
static unsigned leave_out(struct ss_pump *pump, struct iovec *slice)
{
	bool left_out = false;
	size_t length = alike(slice, &left_out);

	if (!left_out) {
		slice->iov_len = length;
		return 1;
	}
	consume(pump, length);
	return 0;
}

/* One portion. Returns whether it is worth to go on at once. */
static bool move_some(struct ss_pump *pump)
{
	struct iovec slices[2];
	unsigned count;
	size_t taken;
	int r;

	if (pump->done || ss_output_blocked(pump->output))
		return false;
	/* Before the ring is read, or what came while we did not run would count as too late. */
	pump->now_ns = ss_clock_ns(CLOCK_MONOTONIC);
	count = ss_bpf_source_peek(pump->source, slices);
	if (count == 0 && pump->gate.drained)
		pump->gate.drained(pump->gate.user_data);
	if (count == 0)
		return false;
	pump->busy = true;
	if (pump->gate.admit)
		count = pass_gate(pump, slices, count);
	if (count == 0)
		return false;
	if (pump->gate.leaves_out && !leave_out(pump, slices))
		return true;
	if (pump->limit)
		count = cut_at_limit(pump, slices, count);
	count = cut_portion(slices, count);
	r = ss_stream_frames(pump->stream, slices, count, &taken, pump->error);
	if (pump->limit)
		pump->frames += count_blocks(slices, count, taken);
	consume(pump, taken);
	if (r < 0 || (pump->limit && pump->frames >= pump->limit))
		end(pump, r);
	return taken > 0;
}

void ss_pump_retry(struct ss_pump *pump)
{
	pump->again_ns = 0;
	while (move_some(pump))
		;
}

void ss_pump_run(struct ss_pump *pump)
{
	ss_pump_retry(pump);
	while (pump->again_ns) {
		pump->gate.release(pump->gate.user_data);
		ss_pump_retry(pump);
	}
}

static void pipe_ready(uint32_t events, void *user_data);

static void watch_pipe(struct ss_pump *pump, bool wait)
{
	int fd = ss_output_fd(pump->output);

	if (fd >= 0 && wait != pump->waits_for_pipe)
		ss_loop_add(pump->loop, fd, wait ? EPOLLOUT : 0, pipe_ready, pump);
	pump->waits_for_pipe = wait;
}

/* Until the ring is looked at again. What the gate holds goes on when it may only where somebody
 * waits for it. */
static uint64_t delay_ns(const struct ss_pump *pump)
{
	if (ss_output_fd(pump->output) < 0 && ss_output_live_fd(pump->output) < 0)
		return FILE_TICK_NS;
	return pump->again_ns ? MIN(pump->again_ns, TICK_NS) : TICK_NS;
}

/* Chooses what wakes us next. */
static void rest(struct ss_pump *pump)
{
	bool blocked = ss_output_blocked(pump->output);

	if (pump->done)
		return;
	watch_pipe(pump, blocked);
	if (blocked) {
		ss_timer_once(pump->tick, 0);
		ss_bpf_source_arm(pump->source, 0);
	} else if (pump->busy) {
		ss_timer_once(pump->tick, delay_ns(pump));
		ss_bpf_source_arm(pump->source, pump->watermark);
	} else if (ss_bpf_source_arm(pump->source, 1)) {
		ss_timer_once(pump->tick, 1); /* a frame came just before */
	}
}

static void tick(uint32_t events, void *user_data)
{
	struct ss_pump *pump = user_data;

	(void)events;
	pump->busy = false;
	ss_pump_retry(pump);
	/* A live viewer that was full gets its backlog when it can take it. */
	if (ss_output_live_fd(pump->output) >= 0)
		ss_output_flush(pump->output, NULL);
	rest(pump);
}

static void doorbell(uint32_t events, void *user_data)
{
	struct ss_pump *pump = user_data;

	(void)events;
	ss_bpf_source_acknowledge(pump->source);
	ss_pump_retry(pump);
	pump->busy = true;
	rest(pump);
}

static void pipe_ready(uint32_t events, void *user_data)
{
	struct ss_pump *pump = user_data;
	int r;

	if (events & (EPOLLERR | EPOLLHUP)) {
		end(pump, 0); /* the reader has gone */
		return;
	}
	r = ss_output_flush(pump->output, pump->error);
	if (r < 0)
		end(pump, r);
	else
		tick(0, pump);
}

struct ss_pump *ss_pump_new(struct ss_loop *loop, struct ss_bpf_source *source,
			    struct ss_stream *stream, uint64_t limit, ss_pump_ended ended,
			    void *user_data, struct ss_error *error)
{
	struct ss_pump *pump = g_new0(struct ss_pump, 1);

	pump->loop = loop;
	pump->source = source;
	pump->stream = stream;
	pump->output = ss_stream_output(stream);
	pump->limit = limit;
	pump->ended = ended;
	pump->user_data = user_data;
	pump->error = error;
	pump->watermark = ss_bpf_source_ring_size(source) / 8;
	pump->seam = g_byte_array_new();
	pump->tick = ss_timer_new(loop, tick, pump);
	if (ss_output_fd(pump->output) >= 0)
		ss_loop_add(loop, ss_output_fd(pump->output), 0, pipe_ready, pump);
	return pump;
}

void ss_pump_free(struct ss_pump *pump)
{
	if (!pump)
		return;
	ss_timer_free(pump->tick);
	ss_loop_remove(pump->loop, ss_bpf_source_fd(pump->source));
	if (ss_output_fd(pump->output) >= 0)
		ss_loop_remove(pump->loop, ss_output_fd(pump->output));
	g_byte_array_unref(pump->seam);
	g_free(pump);
}

void ss_pump_set_gate(struct ss_pump *pump, const struct ss_stage *gate)
{
	pump->gate = *gate;
}

void ss_pump_start(struct ss_pump *pump)
{
	ss_loop_add(pump->loop, ss_bpf_source_fd(pump->source), EPOLLIN, doorbell, pump);
	tick(0, pump);
}

void ss_pump_drain(struct ss_pump *pump, unsigned seconds)
{
	time_t deadline = time(NULL) + seconds;

	ss_pump_run(pump);
	while (!pump->done && ss_output_blocked(pump->output) && time(NULL) < deadline) {
		struct pollfd ready = {.fd = ss_output_fd(pump->output), .events = POLLOUT};

		if (poll(&ready, 1, 100) > 0 && ss_output_flush(pump->output, NULL) < 0)
			return;
		ss_pump_run(pump);
	}
}

uint64_t ss_pump_frames(const struct ss_pump *pump)
{
	return pump->frames;
}
