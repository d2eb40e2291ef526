/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wiring: options -> filter, pods, targets -> source -> stream, on one loop.
 *
 * Pacing. Idle: no timer runs; the first frame rings the doorbell. Then busy: the ring is emptied
 * every TICK_NS, or earlier when it has grown by the watermark; after a tick without frames, idle
 * again. A pipe that is full stops the emptying until it is writable; the ring takes the waiting,
 * and counts what it can't.
 */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

#include "k8s/select.h"
#include "k8s/watch.h"
#include "live.h"
#include "log.h"
#include "loop.h"
#include "output/block.h"
#include "privilege.h"
#include "source/replay.h"
#include "stream.h"
#ifdef SS_WITH_BPF
#include "filter/filter.h"
#include "format/pcapng.h"
#include "source/bpf.h"
#include "target.h"
#endif

#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define TICK_NS	      (20 * NSEC_PER_MSEC) /* live latency is at most this and a write */
#define PORTION	      (1u << 20)		   /* bytes; more than any block */
#define DRAIN_SECONDS 3			   /* for a slow reader, after the end */

struct session {
	const struct ss_options *options;
	ss_session_progress progress;
	void *user_data;
	struct ss_error *error;
	int status;
	bool stopping;

	struct ss_loop *loop;
	struct ss_timer *second, *progress_timer, *interval_timer, *end_timer, *tick, *pods_timer;
	int signals;
	pid_t parent, viewer;
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	uint64_t frames;   /* counted by walking, only with --count */

	struct ss_stream *stream;
	uint64_t replay_drops[SS_DROP_CAUSES];
#ifdef SS_WITH_BPF
	struct ss_filter *filter;
	struct ss_bpf_source *source;
	struct ss_target_context context;
	GPtrArray *targets; /* struct ss_target * */
	struct ss_selection selection;
	struct ss_node *node;
	struct ss_pod_watch *watch;
	bool first_pods; /* the watch is telling what lives already */
	bool busy;
	uint64_t watermark;
#endif
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* The end, for a reason: 0 and -EPIPE are ordinary ones. The first reason stays. */
static void stop(struct session *session, int status)
{
	if (!session->stopping)
		session->status = status == -EPIPE ? 0 : status;
	session->stopping = true;
	ss_loop_quit(session->loop);
}

static void stop_after(uint32_t events, void *user_data)
{
	(void)events;
	stop(user_data, 0);
}

/* ---- frames ---- */

#ifdef SS_WITH_BPF
static void count_targets(struct session *session, uint64_t drops[SS_DROP_CAUSES])
{
	for (int cause = 0; cause < SS_DROP_CAUSES; cause++)
		drops[cause] += session->context.retired_drops[cause];
	for (guint i = 0; i < session->targets->len; i++)
		ss_target_count(session->targets->pdata[i], drops);
}

/* Cuts the slices after the last frame that --count allows. */
static unsigned limit(struct session *session, struct iovec *slices, unsigned count)
{
	uint64_t left = session->options->count - session->frames;
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
static unsigned portion(struct iovec *slices, unsigned count)
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

/* Moves what is committed to the output. Returns whether there was anything. */
static bool pump(struct session *session)
{
	struct iovec slices[2];
	bool any = false;
	unsigned count;
	size_t taken;
	int r;

	while (!ss_output_blocked(ss_stream_output(session->stream)) &&
	       (count = ss_bpf_source_peek(session->source, slices)) > 0) {
		if (session->options->count)
			count = limit(session, slices, count);
		count = portion(slices, count);
		r = ss_stream_frames(session->stream, slices, count, &taken, session->error);
		if (session->options->count)
			session->frames += count_blocks(slices, count, taken);
		ss_bpf_source_consume(session->source, taken);
		if (r < 0) {
			stop(session, r);
			return true;
		}
		if (session->options->count && session->frames >= session->options->count) {
			stop(session, 0);
			return true;
		}
		any = true;
		if (!taken)
			break;
	}
	return any;
}

static void output_ready(uint32_t events, void *user_data);

/* Chooses what wakes us next: a writable pipe, the tick and the watermark, or the doorbell. */
static void rest(struct session *session)
{
	struct ss_output *output = ss_stream_output(session->stream);
	int fd = ss_output_fd(output);

	if (session->stopping)
		return;
	if (fd >= 0)
		ss_loop_add(session->loop, fd, ss_output_blocked(output) ? EPOLLOUT : 0,
			    output_ready, session);
	if (ss_output_blocked(output)) {
		ss_timer_once(session->tick, 0);
		ss_bpf_source_arm(session->source, 0);
		session->busy = false;
	} else if (session->busy) {
		ss_timer_once(session->tick, TICK_NS);
		ss_bpf_source_arm(session->source, session->watermark);
	} else {
		ss_timer_once(session->tick, 0);
		if (ss_bpf_source_arm(session->source, 1)) {
			session->busy = true;
			ss_timer_once(session->tick, 1);
		}
	}
}

static void tick(uint32_t events, void *user_data)
{
	struct session *session = user_data;

	(void)events;
	session->busy = pump(session);
	/* A live viewer that was full gets its backlog when it can take it. */
	if (ss_output_live_fd(ss_stream_output(session->stream)) >= 0)
		ss_output_flush(ss_stream_output(session->stream), NULL);
	rest(session);
}

static void doorbell(uint32_t events, void *user_data)
{
	struct session *session = user_data;

	(void)events;
	ss_bpf_source_acknowledge(session->source);
	pump(session);
	session->busy = true;
	rest(session);
}

static void output_ready(uint32_t events, void *user_data)
{
	struct session *session = user_data;
	int r;

	if (events & (EPOLLERR | EPOLLHUP)) {
		stop(session, 0); /* the reader has gone */
		return;
	}
	r = ss_output_flush(ss_stream_output(session->stream), session->error);
	if (r < 0) {
		stop(session, r);
		return;
	}
	tick(0, session);
}

/* ---- what is captured ---- */

/* An event between the frames before it and those after it. */
static void tell(struct session *session, const struct ss_event *event)
{
	uint64_t time_ns = ss_bpf_source_barrier(session->source);
	int r;

	ss_log(SS_LOG_NOTE, "%s", event->message);
	pump(session);
	r = ss_stream_event(session->stream, time_ns, event, session->error);
	if (r < 0)
		stop(session, r);
}

static void tell_pod(struct session *session, const char *what, const struct ss_pod *pod,
		     const char *words)
{
	g_autofree char *message =
		g_strdup_printf("pod %s/%s %s", pod->namespace, pod->name, words);

	tell(session, &(struct ss_event){.event = what,
					 .namespace = pod->namespace,
					 .pod = pod->name,
					 .uid = pod->uid,
					 .message = message});
}

static void devices_changed(uint32_t events, void *user_data)
{
	struct session *session = user_data;

	(void)events;
	/* Which target it is costs more to know than to ask each. */
	for (guint i = session->targets->len; i > 0 && !session->stopping; i--) {
		struct ss_target *target = session->targets->pdata[i - 1];
		struct ss_error error = {0};
		struct pollfd ready = {.fd = ss_target_fd(target), .events = POLLIN};
		int r;

		if (ready.fd < 0 || poll(&ready, 1, 0) != 1)
			continue;
		r = ss_target_refresh(target, &error);
		if (r < 0 && !ss_target_pod(target))
			ss_log(SS_LOG_WARNING, "%s", error.message);
		if (r == 0 && !ss_target_pod(target)) {
			g_autofree char *message =
				g_strdup_printf("device %s is gone", ss_target_name(target));

			tell(session, &(struct ss_event){.event = "interface-gone",
							 .interface = ss_target_name(target),
							 .message = message});
		}
	}
}

static void add_target(struct session *session, struct ss_target *target)
{
	int fd = ss_target_fd(target);

	g_ptr_array_add(session->targets, target);
	if (fd >= 0)
		ss_loop_add(session->loop, fd, EPOLLIN, devices_changed, session);
	ss_log(SS_LOG_DEBUG, "%s: hooked by %s", ss_target_name(target), ss_target_how(target));
}

static void remove_target(struct session *session, guint position)
{
	struct ss_target *target = session->targets->pdata[position];
	int fd = ss_target_fd(target);

	if (fd >= 0)
		ss_loop_remove(session->loop, fd);
	g_ptr_array_remove_index(session->targets, position);
	ss_target_free(target);
}

static struct ss_target *find_target(struct session *session, const struct ss_pod *pod,
				     guint *ret_position)
{
	for (guint i = 0; i < session->targets->len; i++) {
		const struct ss_pod *other = ss_target_pod(session->targets->pdata[i]);

		if (other && strcmp(other->uid, pod->uid) == 0 &&
		    strcmp(other->name, pod->name) == 0) {
			*ret_position = i;
			return session->targets->pdata[i];
		}
	}
	return NULL;
}

static void pod_added(struct session *session, const struct ss_pod *pod)
{
	struct ss_error error = {0};
	struct ss_target *target;
	int r = ss_target_new_pod(&session->context, pod, &target, &error);

	if (r == -EPIPE || (r < 0 && session->first_pods)) {
		ss_fail(session->error, r, "%s", error.message);
		stop(session, r);
		return;
	}
	if (r < 0) { /* one of many, and later: the others go on */
		ss_log(SS_LOG_WARNING, "%s", error.message);
		return;
	}
	add_target(session, target);
	if (!session->first_pods)
		tell_pod(session, "pod-started", pod, "started");
}

static void pod_changed(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct session *session = user_data;
	struct ss_target *target;
	guint position;

	if (session->stopping || !ss_selection_match(&session->selection, pod))
		return;
	target = find_target(session, pod, &position);
	if (change == SS_POD_REMOVED) {
		if (!target)
			return;
		remove_target(session, position);
		tell_pod(session, "pod-gone", pod, "is gone");
	} else if (!target) {
		pod_added(session, pod);
	} else {
		int r = ss_target_update(target, pod, session->error);

		if (r < 0)
			stop(session, r);
	}
}

static void watch_pods(uint32_t events, void *user_data)
{
	struct session *session = user_data;
	struct ss_error error = {0};
	int next_ms;

	(void)events;
	if (ss_pod_watch_dispatch(session->watch, &error) < 0)
		ss_log(SS_LOG_WARNING, "%s", error.message);
	next_ms = ss_pod_watch_next_ms(session->watch);
	ss_timer_once(session->pods_timer, (uint64_t)(unsigned)MAX(next_ms, 1) * NSEC_PER_MSEC);
}

/* Says what is wrong with the selection before anything is attached. */
static int check_selection(struct session *session)
{
	const struct ss_options *options = session->options;
	g_autoptr(GPtrArray) pods = NULL;
	g_autoptr(GPtrArray) chosen = NULL;
	int r = 0;

	ss_selection_init(&session->selection);
	for (guint i = 0; i < options->namespaces->len && r == 0; i++)
		r = ss_selection_add_namespace(&session->selection, options->namespaces->pdata[i],
					       session->error);
	for (guint i = 0; i < options->pods->len && r == 0; i++)
		r = ss_selection_add_name(&session->selection, options->pods->pdata[i],
					  session->error);
	if (r < 0)
		return r;
	r = ss_node_scan(session->node, &pods, options->wait ? NULL : session->error);
	if (r == 0)
		r = ss_selection_resolve(&session->selection, pods, &chosen,
					 options->wait ? NULL : session->error);
	if (options->wait && r != -ENOTUNIQ)
		return 0;
	if (r < 0)
		return r;
	for (guint i = 0; i < chosen->len; i++) {
		const struct ss_pod *pod = chosen->pdata[i];

		if (!pod->pid && options->pods->len && !options->wait)
			return ss_fail(session->error, -ENOENT,
				       "pod %s/%s has no running process: it has ended or has not "
				       "started; --wait waits for it",
				       pod->namespace, pod->name);
	}
	return 0;
}

static int start_pods(struct session *session)
{
	int fd, r;

	session->node = ss_node_new(NULL);
	r = check_selection(session);
	if (r < 0)
		return r;
	session->watch = ss_pod_watch_new(session->node, pod_changed, session);
	session->first_pods = true;
	watch_pods(0, session);
	session->first_pods = false;
	if (session->stopping)
		return session->status;
	fd = ss_pod_watch_fd(session->watch);
	if (fd >= 0)
		ss_loop_add(session->loop, fd, EPOLLIN, watch_pods, session);
	return 0;
}

static int start_devices(struct session *session)
{
	for (guint i = 0; i < session->options->interfaces->len; i++) {
		struct ss_target *target;
		int r = ss_target_new_device(&session->context,
					     session->options->interfaces->pdata[i], &target,
					     session->error);

		if (r < 0)
			return r;
		add_target(session, target);
	}
	return 0;
}

/* ---- the source ---- */

static int splice(enum ss_program program, const struct bpf_insn *insns, size_t count,
		  struct bpf_insn **ret_insns, size_t *ret_count, void *user_data,
		  struct ss_error *error)
{
	struct session *session = user_data;
	bool ethernet = program == SS_PROGRAM_TC_ETHERNET;
	bool tc = ethernet || program == SS_PROGRAM_TC_RAW;
	g_autofree struct bpf_insn *body = NULL;
	size_t body_count;
	int r;

	r = ss_filter_emit(session->filter, ethernet ? SS_LINKTYPE_ETHERNET : SS_LINKTYPE_RAW,
			   tc ? SS_FILTER_LD_ABS : SS_FILTER_LOAD_BYTES, &body, &body_count, error);
	if (r < 0)
		return r;
	return ss_filter_splice(insns, count, body, body_count, ret_insns, ret_count, error);
}

static void say_started(struct session *session)
{
	const struct ss_target *first;

	if (session->targets->len == 0) {
		ss_log(SS_LOG_NOTE, "waiting for a pod (Ctrl-C ends)");
		return;
	}
	first = session->targets->pdata[0];
	if (session->targets->len == 1)
		ss_log(SS_LOG_NOTE, "capturing %s, hooked by %s (Ctrl-C ends)",
		       ss_target_name(first), ss_target_how(first));
	else
		ss_log(SS_LOG_NOTE, "capturing %s and %u more (Ctrl-C ends)",
		       ss_target_name(first), session->targets->len - 1);
}

static bool is_ethernet_only(const struct ss_filter *filter)
{
	g_autofree struct bpf_insn *body = NULL;
	size_t count;

	return ss_filter_emit(filter, SS_LINKTYPE_RAW, SS_FILTER_LOAD_BYTES, &body, &count,
			      NULL) == -EOPNOTSUPP;
}

static int start_source(struct session *session)
{
	const struct ss_options *options = session->options;
	struct ss_bpf_source_options source = {
		.snap_len = options->snap_len,
		.ring_size = options->buffer_bytes,
		.metadata = options->pods->len || options->namespaces->len,
		.splice = splice,
		.user_data = session,
	};
	int r;

	ss_privilege_raise();
	r = ss_bpf_source_new(&source, &session->source, session->error);
	ss_privilege_lower();
	if (r < 0)
		return r;
	session->context = (struct ss_target_context){
		.source = session->source,
		.stream = session->stream,
		.filter = ss_filter_text(session->filter),
		.ethernet_only = is_ethernet_only(session->filter),
		.node = g_get_host_name(),
		.snap_len = options->snap_len,
		.mode = options->attach,
	};
	session->watermark = ss_bpf_source_ring_size(session->source) / 8;
	session->tick = ss_timer_new(session->loop, tick, session);
	session->pods_timer = ss_timer_new(session->loop, watch_pods, session);
	ss_loop_add(session->loop, ss_bpf_source_fd(session->source), EPOLLIN, doorbell, session);
	r = start_devices(session);
	if (r == 0 && (options->pods->len || options->namespaces->len))
		r = start_pods(session);
	if (r == 0 && !session->watch && session->targets->len &&
	    !g_ptr_array_find_with_equal_func(options->interfaces, "any", g_str_equal, NULL))
		ss_privilege_drop(); /* nothing will be attached any more */
	if (r == 0) {
		say_started(session);
		rest(session);
	}
	return r;
}

/* Detaches, then writes what is still in the ring, as long as somebody reads it. */
static void stop_source(struct session *session)
{
	uint64_t deadline = monotonic_ns() + DRAIN_SECONDS * NSEC_PER_SEC;
	struct ss_output *output = ss_stream_output(session->stream);
	bool counted = session->options->count && session->frames >= session->options->count;

	while (session->targets && session->targets->len)
		remove_target(session, session->targets->len - 1);
	if (!session->source)
		return;
	while (session->status == 0 && !counted && monotonic_ns() < deadline) {
		if (ss_output_blocked(output)) {
			struct pollfd ready = {.fd = ss_output_fd(output), .events = POLLOUT};

			if (poll(&ready, 1, 100) > 0 && ss_output_flush(output, NULL) < 0)
				break;
		} else if (!pump(session)) {
			break;
		}
	}
}

static void free_source(struct session *session)
{
	ss_timer_free(session->tick);
	ss_timer_free(session->pods_timer);
	ss_pod_watch_free(session->watch);
	ss_node_free(session->node);
	if (session->selection.names)
		ss_selection_deinit(&session->selection);
	ss_bpf_source_free(session->source);
	ss_filter_free(session->filter);
	if (session->targets)
		g_ptr_array_unref(session->targets);
}

static int check_source(struct session *session)
{
	const struct ss_options *options = session->options;

	if (!options->pods->len && !options->namespaces->len && !options->interfaces->len)
		return ss_fail(session->error, -EINVAL,
			       "say what to capture: --pod NAME, --namespace NS or --interface "
			       "DEVICE ('" PROGRAM_NAME " pods' lists the pods of this node)");
	session->targets = g_ptr_array_new();
	return ss_filter_new(options->filter, &session->filter, session->error);
}

static void account(struct session *session, uint64_t drops[SS_DROP_CAUSES])
{
	if (session->source)
		count_targets(session, drops);
}
#else
static int no_capture(struct session *session)
{
	return ss_fail(session->error, -ENOTSUP, "this build has no capture part, only --replay: "
						 "build with -DWITH_BPF=ON");
}
#define check_source(session)	     no_capture(session)
#define start_source(session)	     no_capture(session)
#define stop_source(session)	     ((void)(session))
#define free_source(session)	     ((void)(session))
#define account(session, drops)	     ((void)(session), (void)(drops))
#endif

/* ---- replay ---- */

static int replay_frames(struct session *session, struct iovec frames)
{
	struct ss_output *output = ss_stream_output(session->stream);

	if (session->options->count) {
		uint64_t blocks = session->options->count - session->frames;

		frames.iov_len = ss_block_walk(frames.iov_base, frames.iov_len, SIZE_MAX, &blocks);
		session->frames += blocks;
	}
	while (frames.iov_len) {
		size_t taken;
		int r;

		if (ss_output_blocked(output)) {
			struct pollfd ready = {.fd = ss_output_fd(output), .events = POLLOUT};

			poll(&ready, 1, -1);
			r = ss_output_flush(output, session->error);
			if (r < 0)
				return r;
			continue;
		}
		r = ss_stream_frames(session->stream, &frames, 1, &taken, session->error);
		if (r < 0)
			return r;
		frames.iov_base = (char *)frames.iov_base + taken;
		frames.iov_len -= taken;
	}
	return 0;
}

static int replay_item(struct session *session, const struct ss_replay_item *item)
{
	struct ss_interface *interface;
	uint32_t id;

	switch (item->type) {
	case SS_RECORDING_INTERFACE:
		interface = ss_interface_new(item->interface->name, item->interface->link_type);
		interface->snap_len = item->interface->snap_len;
		interface->has_mac = item->interface->has_mac;
		memcpy(interface->mac, item->interface->mac, sizeof(interface->mac));
		g_free(interface->description);
		interface->description = g_strdup(item->interface->description);
		interface->filter = g_strdup(item->interface->filter);
		return ss_stream_interface(session->stream, interface, &id, session->error);
	case SS_RECORDING_NAME:
		return ss_stream_name(session->stream, item->address, item->name, session->error);
	case SS_RECORDING_EVENT:
		return ss_stream_record(session->stream, item->id, item->time_ns, item->info,
					item->json, session->error);
	case SS_RECORDING_COUNTERS:
		*ss_stream_counters(session->stream, item->id) = item->counters;
		return 0;
	case SS_RECORDING_FRAMES:
		return replay_frames(session, item->frames);
	case SS_RECORDING_END:
		break;
	}
	return 0;
}

static int replay_all(struct session *session)
{
	struct ss_replay_item item;
	struct ss_replay *replay;
	int r;

	r = ss_replay_new(session->options->replay, &replay, session->error);
	if (r < 0)
		return r;
	while ((r = ss_replay_next(replay, &item, session->error)) > 0) {
		r = replay_item(session, &item);
		if (r < 0)
			break;
		/* What follows the last frame that is wanted are only counters. */
		if (session->options->count && session->frames >= session->options->count &&
		    item.type == SS_RECORDING_FRAMES)
			break;
	}
	ss_replay_free(replay);
	return r == -EPIPE ? 0 : r;
}

/* ---- the frame around ---- */

static void sum_up(struct session *session, struct ss_session_result *result)
{
	struct ss_output *output = ss_stream_output(session->stream);

	*result = (struct ss_session_result){0};
	account(session, result->drops);
	for (uint32_t id = 0; id < ss_stream_interfaces(session->stream); id++) {
		const struct ss_interface_counters *counters =
			ss_stream_counters(session->stream, id);

		result->seen += counters->seen;
		result->frames += counters->accepted - MIN(counters->accepted, counters->dropped);
		result->bytes += counters->bytes;
		result->dropped += counters->dropped;
	}
	if (session->options->count) /* in a replay the counters come after the frames */
		result->frames = session->frames;
	result->written_bytes = ss_output_bytes(output);
	result->files = ss_output_files(output);
	result->live_skipped = ss_output_live_skipped(output);
	result->seconds = (double)(monotonic_ns() - session->start_ns) / (double)NSEC_PER_SEC;
}

static void report(struct session *session, int interval)
{
	struct ss_session_result result;

	sum_up(session, &result);
	if (session->progress)
		session->progress(&result, interval, session->user_data);
}

static void progress_tick(uint32_t events, void *user_data)
{
	(void)events;
	report(user_data, 0);
}

static void interval_tick(uint32_t events, void *user_data)
{
	(void)events;
	report(user_data, 1);
}

static void each_second(uint32_t events, void *user_data)
{
	struct session *session = user_data;

	(void)events;
#ifdef SS_WITH_BPF
	if (session->source)
		ss_bpf_source_set_clock(session->source);
#endif
	if (session->options->record)
		ss_stream_record_counters(session->stream);
	if (session->options->exit_with_parent && getppid() != session->parent)
		stop(session, 0);
}

static void signalled(uint32_t events, void *user_data)
{
	struct session *session = user_data;
	struct signalfd_siginfo info;

	(void)events;
	while (read(session->signals, &info, sizeof(info)) == sizeof(info))
		stop(session, 0);
}

static void reader_changed(uint32_t events, void *user_data)
{
	if (events & (EPOLLERR | EPOLLHUP))
		stop(user_data, 0);
}

static void refresh_counters(void *user_data)
{
	uint64_t drops[SS_DROP_CAUSES] = {0};

	account(user_data, drops);
}

static int open_stream(struct session *session)
{
	const struct ss_options *options = session->options;
	struct ss_output_options output_options = {
		.path = options->output,
		.live_fd = -1,
		.ring_bytes = options->ring_bytes,
		.ring_ns = options->ring_ns,
		.ring_files = options->ring_files,
		.discard = options->discard,
	};
	struct ss_recorder *recorder = NULL;
	struct ss_output *output;
	int r;

	if (options->live) {
		r = ss_live_start(NULL, &session->viewer, &output_options.live_fd, session->error);
		if (r < 0)
			return r;
	}
	r = ss_output_new(&output_options, ss_stream_output_counters, &session->stream, &output,
			  session->error);
	if (r == 0 && options->record) {
		r = ss_recorder_new(options->record, &recorder, session->error);
		if (r < 0)
			ss_output_close(output, NULL);
	}
	if (r < 0)
		return r;
	session->stream = ss_stream_new(output, recorder);
	ss_stream_set_refresh(session->stream, refresh_counters, session);
	if (ss_output_fd(output) >= 0)
		ss_loop_add(session->loop, ss_output_fd(output), 0, reader_changed, session);
	return 0;
}

static void open_loop(struct session *session)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* ulimit -f: an error of write, like a full disk */
	session->loop = ss_loop_new();
	session->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	ss_loop_add(session->loop, session->signals, EPOLLIN, signalled, session);
	session->second = ss_timer_new(session->loop, each_second, session);
	session->progress_timer = ss_timer_new(session->loop, progress_tick, session);
	session->interval_timer = ss_timer_new(session->loop, interval_tick, session);
	session->end_timer = ss_timer_new(session->loop, stop_after, session);
	ss_timer_every(session->second, NSEC_PER_SEC);
	ss_timer_every(session->progress_timer, NSEC_PER_SEC / 2);
	ss_timer_every(session->interval_timer, session->options->stats_interval_ns);
	ss_timer_once(session->end_timer, session->options->duration_ns);
}

static void close_loop(struct session *session)
{
	ss_timer_free(session->second);
	ss_timer_free(session->progress_timer);
	ss_timer_free(session->interval_timer);
	ss_timer_free(session->end_timer);
	ss_loop_remove(session->loop, session->signals);
	close(session->signals);
	ss_loop_free(session->loop);
}

static int run(struct session *session)
{
	int r;

	if (session->options->replay)
		return replay_all(session);
	r = start_source(session);
	if (r == 0 && !session->stopping) {
		ss_loop_run(session->loop);
		r = session->status;
	}
	stop_source(session);
	return r;
}

int ss_session_run(const struct ss_options *options, ss_session_progress progress, void *user_data,
		   struct ss_session_result *ret_result, struct ss_error *error)
{
	struct session session = {
		.options = options,
		.progress = progress,
		.user_data = user_data,
		.error = error,
		.parent = getppid(),
		.start_ns = monotonic_ns(),
		.signals = -1,
	};
	int r, closed;

	*ret_result = (struct ss_session_result){0};
	r = options->replay ? 0 : check_source(&session);
	if (r < 0) {
		free_source(&session);
		return r;
	}
	open_loop(&session);
	r = open_stream(&session);
	ss_privilege_init();
	if (r == 0)
		r = run(&session);
	if (session.stream) {
		if (ss_output_fd(ss_stream_output(session.stream)) >= 0)
			ss_loop_remove(session.loop,
				       ss_output_fd(ss_stream_output(session.stream)));
		sum_up(&session, ret_result);
		closed = ss_stream_close(session.stream, error);
		session.stream = NULL;
		if (r == 0 && closed != -EPIPE)
			r = closed;
	}
	free_source(&session);
	close_loop(&session);
	if (session.viewer)
		ss_live_wait(session.viewer);
	return r;
}
