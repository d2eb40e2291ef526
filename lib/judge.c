/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge's tshark prints the numbers of the frames that match, one a line, flushed. A verdict
 * belongs to every frame that was offered and has not left, in their order.
 *
 * Bounded: what tshark does not take stays in the ring; when that is half full, or tshark is gone,
 * frames are written undecided, counted, and said once.
 */
#include "judge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <glib.h>

#include "clock.h"
#include "filter/plain.h"
#include "format/pcapng.h"
#include "log.h"
#include "output/blocks.h"
#include "tshark.h"

#define ENDED  "tshark, which decides the rest of the filter, has ended"
#define MARKER "stratoshark: all before this is decided"
/* So many frames, then tshark forgets all (-M) and counts from 1: its memory grows with them. What
 * spans that moment, as a response in several packets, is decided from its rest. */
#define SESSION_FRAMES "500000"
#define ANSWER_MAX     4096 /* bytes of its answer about a frame */
#define SESSION_LENGTH 500000u
#define ARGUMENTS_MAX  24
#define PIPE_BYTES     (1 << 20)
#define BACKLOG_MAX    (2u << 20) /* bytes for tshark that its pipe did not take; more waits */
#define AGAIN_NS       20000000ull
#define PATIENCE_MS    10000 /* at the end, for the next verdict */

enum decision { WAITING, MATCHES, MATCHES_NOT, IS_CONTEXT };

struct verdict {
	uint64_t number; /* of the frame, as tshark counts; 0: it does not get it */
	uint32_t size;   /* of the block; of several that tshark does not get */
	enum decision decision;
};

struct ss_judge {
	struct ss_judge_context context;
	struct ss_tshark tshark;
	bool started, gone, released, said;
	GByteArray *backlog; /* for tshark */
	GString *line;       /* from tshark: one that is not complete */
	GQueue verdicts;     /* struct verdict *, of the frames at the front of what is offered */
	size_t known;        /* bytes of these */
	uint64_t number;     /* frames that tshark got, markers among them */
	uint64_t forgotten, last; /* frames of sessions before; the last number it printed */
	uint64_t undecided;
	uint32_t interfaces; /* that it knows */
	uint64_t session;    /* in which it was introduced to who is who */
};

static void say(struct ss_judge *judge, const char *why)
{
	if (!judge->said)
		ss_log(SS_LOG_WARNING,
		       "%s: frames are written that the kernel's part of the filter accepted, "
		       "without the rest of it; their number is told at the end",
		       why);
	judge->said = true;
}

static void decide(struct verdict *verdict, enum decision decision)
{
	if (verdict->decision == WAITING)
		verdict->decision = decision;
}

/* tshark named a frame: what comes before and was not named does not match. */
static void take_number(struct ss_judge *judge, uint64_t number, enum decision decision)
{
	for (GList *link = judge->verdicts.head; link; link = link->next) {
		struct verdict *verdict = link->data;

		if (verdict->number > number)
			break;
		if (verdict->number)
			decide(verdict, verdict->number == number ? decision : MATCHES_NOT);
	}
}

/* No verdict will come any more. */
static void lose_tshark(struct ss_judge *judge, const char *why)
{
	if (judge->gone)
		return;
	judge->gone = true;
	ss_loop_remove(judge->context.loop, judge->tshark.from);
	ss_loop_remove(judge->context.loop, judge->tshark.to);
	g_byte_array_set_size(judge->backlog, 0);
	say(judge, why);
}

/* "NUMBER", or with values behind it, each after a tab. */
static enum decision decision_of(const struct ss_judge *judge, const char *values)
{
	return judge->context.fields && values[strspn(values, "\t")] ? IS_CONTEXT : MATCHES;
}

/*
 * "NUMBER", with the values of fields behind tabs. At least each marker is printed: numbers that
 * do not rise belong to a new session. What else it may say is no verdict.
 */
static void take_line(struct ss_judge *judge, const char *line)
{
	char *end;
	uint64_t number = g_ascii_strtoull(line, &end, 10);

	if (number <= judge->last)
		judge->forgotten += SESSION_LENGTH;
	if (!g_ascii_isdigit(line[0]) || (*end && *end != '\t') || number == 0 ||
	    number > judge->number || judge->forgotten + number > judge->number) {
		lose_tshark(judge,
			    "tshark, which decides the rest of the filter, answers nonsense");
		return;
	}
	judge->last = number;
	take_number(judge, judge->forgotten + number, decision_of(judge, end));
}

static void read_numbers(struct ss_judge *judge)
{
	char buffer[16384];
	ssize_t length;

	while ((length = read(judge->tshark.from, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < length && !judge->gone; i++) {
			if (buffer[i] != '\n' && judge->line->len < ANSWER_MAX) {
				g_string_append_c(judge->line, buffer[i]);
				continue;
			}
			take_line(judge, judge->line->str);
			g_string_truncate(judge->line, 0);
		}
	}
	if (!judge->gone && (length == 0 || (errno != EAGAIN && errno != EINTR)))
		lose_tshark(judge, ENDED);
}

static void readable(uint32_t events, void *user_data)
{
	struct ss_judge *judge = user_data;

	(void)events;
	read_numbers(judge);
	judge->context.retry(judge->context.user_data);
}

static void flush(struct ss_judge *judge);

static void writable(uint32_t events, void *user_data)
{
	struct ss_judge *judge = user_data;

	(void)events;
	flush(judge);
	judge->context.retry(judge->context.user_data);
}

/* What the pipe takes now; the rest when it takes more. */
static void flush(struct ss_judge *judge)
{
	size_t done = 0;

	while (!judge->gone && done < judge->backlog->len) {
		ssize_t length = write(judge->tshark.to, judge->backlog->data + done,
				       judge->backlog->len - done);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno != EAGAIN)
			lose_tshark(judge, ENDED);
		if (length < 0)
			break;
		done += (size_t)length;
	}
	if (judge->gone)
		return;
	if (done)
		g_byte_array_remove_range(judge->backlog, 0, (guint)done);
	ss_loop_add(judge->context.loop, judge->tshark.to, judge->backlog->len ? EPOLLOUT : 0,
		    writable, judge);
}

static int start(struct ss_judge *judge, struct ss_error *error)
{
	g_autofree char *filter =
		g_strdup_printf("(%s) || frame.comment == \"" MARKER "\"", judge->context.filter);
	const char *arguments[ARGUMENTS_MAX] = {
		"-r", "-",    "-n", "-l",     "-M", SESSION_FRAMES,
		"-Y", filter, "-T", "fields", "-e", "frame.number",
	};
	size_t count = 12;
	int r;

	for (const char *const *field = judge->context.fields;
	     field && *field && count + 2 < ARGUMENTS_MAX; field++) {
		arguments[count++] = "-e";
		arguments[count++] = *field;
	}
	r = ss_tshark_start(arguments, true, "the rest of this filter is decided", &judge->tshark,
			    error);
	if (r < 0)
		return r;
	fcntl(judge->tshark.to, F_SETPIPE_SZ, PIPE_BYTES);
	fcntl(judge->tshark.to, F_SETFL, O_NONBLOCK);
	fcntl(judge->tshark.from, F_SETFL, O_NONBLOCK);
	ss_loop_add(judge->context.loop, judge->tshark.from, EPOLLIN, readable, judge);
	ss_block_section(judge->backlog);
	judge->started = true;
	return 0;
}

int ss_judge_new(const struct ss_judge_context *context, struct ss_judge **ret_judge,
		 struct ss_error *error)
{
	struct ss_judge *judge = g_new0(struct ss_judge, 1);
	int r = 0;

	judge->context = *context;
	judge->backlog = g_byte_array_new();
	judge->line = g_string_new(NULL);
	g_queue_init(&judge->verdicts);
	if (context->all)
		r = start(judge, error);
	if (r < 0) {
		ss_judge_free(judge);
		return r;
	}
	*ret_judge = judge;
	return 0;
}

void ss_judge_free(struct ss_judge *judge)
{
	if (!judge)
		return;
	if (judge->started) {
		if (!judge->gone) {
			ss_loop_remove(judge->context.loop, judge->tshark.from);
			ss_loop_remove(judge->context.loop, judge->tshark.to);
		}
		close(judge->tshark.to);
		close(judge->tshark.from);
		kill(judge->tshark.pid, SIGKILL); /* nobody listens to it any more */
		ss_tshark_wait(judge->tshark.pid);
	}
	g_queue_clear_full(&judge->verdicts, g_free);
	g_byte_array_unref(judge->backlog);
	g_string_free(judge->line, TRUE);
	g_free(judge);
}

/* The interfaces up to one, in the order of their ids. */
static void tell_interfaces(struct ss_judge *judge, uint32_t id)
{
	for (; judge->interfaces <= id; judge->interfaces++)
		ss_block_interface(judge->backlog, ss_stream_interface_at(judge->context.stream,
									  judge->interfaces));
}

/* Events count as frames, too: one may be the last of a session. */
static void introduce(struct ss_judge *judge, const uint8_t *block, uint32_t size)
{
	uint64_t session;

	do {
		session = judge->number / SESSION_LENGTH;
		judge->context.introduce(block, size, session != judge->session,
					 judge->context.user_data);
		judge->session = session;
	} while (judge->number / SESSION_LENGTH != session);
}

static void tell_frame(struct ss_judge *judge, const uint8_t *block, uint32_t size)
{
	if (judge->context.introduce)
		introduce(judge, block, size);
	tell_interfaces(judge, ss_block_word(block + 8));
	g_byte_array_append(judge->backlog, block, size);
	judge->number++;
}

/* On the interface of the last frame, at its time, so that times between frames stay the same. */
static void tell_marker(struct ss_judge *judge, const uint8_t *last)
{
	static const uint8_t nothing[16];
	const struct ss_block_frame frame = {
		.interface_id = ss_block_word(last + 8),
		.length = sizeof(nothing),
		.time_ns = (uint64_t)ss_block_word(last + 12) << 32 | ss_block_word(last + 16),
		.data = nothing,
		.comment = MARKER,
	};

	ss_block_frame(judge->backlog, &frame);
	judge->number++;
}

static bool is_open(const struct ss_judge *judge, const uint8_t *block, uint32_t size)
{
	return judge->context.is_open &&
	       judge->context.is_open(block, size, judge->context.user_data);
}

static bool is_plain(const struct ss_judge *judge, const uint8_t *block, uint32_t size)
{
	uint32_t id = ss_block_word(block + 8), captured = ss_block_word(block + 20);

	if (captured > size - SS_EPB_HEADER_SIZE)
		return false;
	if (is_open(judge, block, size))
		return false;
	if (judge->context.only_open)
		return true;
	return ss_frame_is_plain(block + SS_EPB_HEADER_SIZE, captured, ss_block_word(block + 24),
				 ss_stream_interface_at(judge->context.stream, id)->link_type);
}

/* Those that tshark is not told of are one, as long as they come together. */
static void add_verdict(struct ss_judge *judge, const struct verdict *verdict)
{
	struct verdict *last = g_queue_peek_tail(&judge->verdicts);

	if (last && !last->number && !verdict->number)
		last->size += verdict->size;
	else
		g_queue_push_tail(&judge->verdicts, g_memdup2(verdict, sizeof(*verdict)));
	judge->known += verdict->size;
}

/* A verdict for the block, or a place to wait for one. False: it has to wait even for that. */
static bool consider(struct ss_judge *judge, const uint8_t *block, uint32_t size)
{
	struct verdict verdict = {.size = size};
	struct ss_error error = {0};

	if (ss_block_type(block) != SS_PCAPNG_EPB ||
	    (!judge->context.all && is_plain(judge, block, size))) {
		verdict.decision = MATCHES;
	} else if (judge->released || judge->gone) {
		verdict.decision = MATCHES;
		judge->undecided++;
	} else if (judge->backlog->len > BACKLOG_MAX) {
		return false;
	} else if (!judge->started && start(judge, &error) < 0) {
		judge->gone = true;
		say(judge, error.message);
		return consider(judge, block, size);
	} else {
		tell_frame(judge, block, size);
		verdict.number = judge->number;
	}
	add_verdict(judge, &verdict);
	return true;
}

/* The block is at the front of what is offered. The mark: it may be wanted as context (held.h). */
static void leave_out(struct ss_judge *judge, uint8_t *block, uint32_t size)
{
	struct ss_interface_counters *counters =
		ss_stream_counters(judge->context.stream, ss_block_word(block + 8));

	if (!judge->context.uncounted) {
		counters->unmatched++;
		counters->unmatched_bytes += ss_block_word(block + 24);
	}
	ss_block_set_context(block, size, true);
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
}

/* Takes the decided ones from the front; returns how many bytes these are. */
static size_t take_decided(struct ss_judge *judge, uint8_t *blocks)
{
	struct verdict *verdict;
	size_t at = 0;

	while ((verdict = g_queue_peek_head(&judge->verdicts)) && verdict->decision != WAITING) {
		if (verdict->decision == MATCHES_NOT)
			leave_out(judge, blocks + at, verdict->size);
		if (verdict->decision == IS_CONTEXT)
			ss_block_set_context(blocks + at, verdict->size, true);
		at += verdict->size;
		g_free(g_queue_pop_head(&judge->verdicts));
	}
	judge->known -= at;
	return at;
}

/* tshark is too slow, or gone. */
static void give_up_waiting(struct ss_judge *judge)
{
	for (GList *link = judge->verdicts.head; link; link = link->next) {
		struct verdict *verdict = link->data;

		judge->undecided += verdict->decision == WAITING;
		decide(verdict, MATCHES);
	}
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_judge *judge = user_data;
	const uint8_t *bytes = blocks, *last = NULL;
	struct ss_blocks walk = ss_blocks(blocks, length, judge->known);
	uint64_t before = judge->number;

	(void)now_ns;
	if (judge->released || judge->gone)
		give_up_waiting(judge);
	while (ss_blocks_next(&walk)) {
		if (walk.size < SS_EPB_HEADER_SIZE ||
		    !consider(judge, bytes + walk.at, (uint32_t)walk.size))
			break;
		if (judge->number != before)
			last = bytes + walk.at;
	}
	judge->released = false;
	if (last && judge->number != before) {
		tell_marker(judge, last);
		flush(judge);
	}
	*ret_again_ns = AGAIN_NS;
	return take_decided(judge, blocks);
}

static void release(void *user_data)
{
	struct ss_judge *judge = user_data;

	if (!g_queue_is_empty(&judge->verdicts) && !judge->gone)
		say(judge, "tshark, which decides the rest of the filter, is too slow");
	judge->released = true;
}

struct ss_stage ss_judge_stage(struct ss_judge *judge)
{
	return (struct ss_stage){
		.admit = admit,
		.release = release,
		.leaves_out = true,
		.user_data = judge,
	};
}

void ss_judge_secrets(struct ss_judge *judge, const char *lines)
{
	if (judge->started && !judge->gone)
		ss_block_secrets(judge->backlog, lines);
}

void ss_judge_event(struct ss_judge *judge, uint64_t time_ns, const struct ss_event *event)
{
	uint32_t id = ss_stream_events(judge->context.stream);
	g_autofree char *json = ss_event_json(time_ns, event);

	if (!judge->started || judge->gone || id == UINT32_MAX)
		return;
	tell_interfaces(judge, id);
	ss_block_event(judge->backlog, id, time_ns, event->message, json);
	judge->number++;
}

void ss_judge_finish(struct ss_judge *judge)
{
	uint64_t deadline_ns = ss_clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * 1000000ull;
	uint64_t number = 0;

	for (;;) {
		const struct verdict *first;
		struct pollfd ready[2];

		judge->context.retry(judge->context.user_data);
		first = g_queue_peek_head(&judge->verdicts);
		/* A decided one: nobody takes frames any more, as after --count. */
		if (!first || first->decision != WAITING || judge->gone)
			return;
		if (first->number != number)
			deadline_ns = ss_clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * 1000000ull;
		number = first->number;
		if (ss_clock_ns(CLOCK_MONOTONIC) > deadline_ns)
			return;
		ready[0] = (struct pollfd){.fd = judge->tshark.from, .events = POLLIN};
		ready[1] = (struct pollfd){.fd = judge->backlog->len ? judge->tshark.to : -1,
					   .events = POLLOUT};
		poll(ready, G_N_ELEMENTS(ready), 20);
		read_numbers(judge);
		flush(judge);
	}
}

uint64_t ss_judge_undecided(const struct ss_judge *judge)
{
	return judge->undecided;
}
