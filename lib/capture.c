/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wiring of a live capture. The order matters: source and pump first, then hooks, so that the
 * first frame finds a reader; at the end hooks first, then the rest of the ring, then the counters.
 */
#include "capture.h"

#include <errno.h>

#include <glib.h>

#include "filter/filter.h"
#include "follow.h"
#include "format/pcapng.h"
#include "log.h"
#include "privilege.h"
#include "pump.h"

#define DRAIN_SECONDS 3 /* for a slow reader, after the end */

struct ss_capture {
	const struct ss_options *options;
	struct ss_filter *filter;
	struct ss_bpf_source *source;
	struct ss_target_context context;
	struct ss_follow *follow;
	struct ss_pump *pump;
	struct ss_stream *stream;
	ss_capture_ended ended;
	void *user_data;
	struct ss_error *error;
};

static int splice(enum ss_program program, const struct bpf_insn *insns, size_t count,
		  struct bpf_insn **ret_insns, size_t *ret_count, void *user_data,
		  struct ss_error *error)
{
	struct ss_capture *capture = user_data;
	bool ethernet = program == SS_PROGRAM_TC_ETHERNET;
	bool tc = ethernet || program == SS_PROGRAM_TC_RAW;
	g_autofree struct bpf_insn *body = NULL;
	size_t body_count;
	int r;

	if (ss_filter_is_empty(capture->filter))
		return ss_filter_splice(insns, count, NULL, 0, ret_insns, ret_count, error);
	r = ss_filter_emit(capture->filter, ethernet ? SS_LINKTYPE_ETHERNET : SS_LINKTYPE_RAW,
			   tc ? SS_FILTER_LD_ABS : SS_FILTER_LOAD_BYTES, &body, &body_count, error);
	if (r < 0)
		return r;
	return ss_filter_splice(insns, count, body, body_count, ret_insns, ret_count, error);
}

static bool is_ethernet_only(const struct ss_filter *filter)
{
	g_autofree struct bpf_insn *body = NULL;
	size_t count;

	return ss_filter_emit(filter, SS_LINKTYPE_RAW, SS_FILTER_LOAD_BYTES, &body, &count, NULL) ==
	       -EOPNOTSUPP;
}

static void end(int status, void *user_data)
{
	struct ss_capture *capture = user_data;

	capture->ended(status, capture->user_data);
}

static void write_event(const struct ss_event *event, void *user_data)
{
	struct ss_capture *capture = user_data;
	uint64_t time_ns = ss_bpf_source_barrier(capture->source);
	int r;

	ss_log(SS_LOG_NOTE, "%s", event->message);
	ss_pump_run(capture->pump);
	r = ss_stream_event(capture->stream, time_ns, event, capture->error);
	if (r < 0)
		end(r, capture);
}

int ss_capture_new(const struct ss_options *options, struct ss_capture **ret_capture,
		   struct ss_error *error)
{
	struct ss_capture *capture;
	int r;

	if (!options->pods->len && !options->namespaces->len && !options->interfaces->len)
		return ss_fail(error, -EINVAL,
			       "say what to capture: --pod NAME, --namespace NS or --interface "
			       "DEVICE ('" PROGRAM_NAME " pods' lists the pods of this node)");
	capture = g_new0(struct ss_capture, 1);
	capture->options = options;
	r = ss_filter_new(options->filter, &capture->filter, error);
	if (r < 0) {
		ss_capture_free(capture);
		return r;
	}
	*ret_capture = capture;
	return 0;
}

void ss_capture_free(struct ss_capture *capture)
{
	if (!capture)
		return;
	ss_follow_free(capture->follow);
	ss_pump_free(capture->pump);
	ss_bpf_source_free(capture->source);
	ss_filter_free(capture->filter);
	g_free(capture);
}

static int open_source(struct ss_capture *capture)
{
	const struct ss_options *options = capture->options;
	const struct ss_bpf_source_options source = {
		.snap_len = options->snap_len,
		.ring_size = options->buffer_bytes,
		.metadata = options->pods->len || options->namespaces->len,
		.splice = splice,
		.user_data = capture,
	};
	int r;

	ss_privilege_raise();
	r = ss_bpf_source_new(&source, &capture->source, capture->error);
	ss_privilege_lower();
	return r;
}

static void say_started(const struct ss_capture *capture)
{
	g_autofree char *what = ss_follow_summary(capture->follow);

	if (what)
		ss_log(SS_LOG_NOTE, "capturing %s (Ctrl-C ends)", what);
	else
		ss_log(SS_LOG_NOTE, "waiting for a pod (Ctrl-C ends)");
}

int ss_capture_start(struct ss_capture *capture, struct ss_loop *loop, struct ss_stream *stream,
		     ss_capture_ended ended, void *user_data, struct ss_error *error)
{
	const struct ss_options *options = capture->options;
	const struct ss_follow_callbacks callbacks = {write_event, end, capture};
	int r;

	capture->stream = stream;
	capture->ended = ended;
	capture->user_data = user_data;
	capture->error = error;
	r = open_source(capture);
	if (r < 0)
		return r;
	capture->context = (struct ss_target_context){
		.source = capture->source,
		.stream = stream,
		.filter = ss_filter_text(capture->filter),
		.ethernet_only = is_ethernet_only(capture->filter),
		.node = g_get_host_name(),
		.snap_len = options->snap_len,
		.mode = options->attach,
	};
	capture->pump =
		ss_pump_new(loop, capture->source, stream, options->count, end, capture, error);
	capture->follow = ss_follow_new(loop, options, &capture->context, &callbacks, error);
	r = ss_follow_start(capture->follow);
	if (r < 0)
		return r;
	if (!ss_follow_is_watching(capture->follow))
		ss_privilege_drop(); /* nothing will be attached any more */
	say_started(capture);
	ss_pump_start(capture->pump);
	return 0;
}

void ss_capture_stop(struct ss_capture *capture)
{
	if (capture->follow)
		ss_follow_stop(capture->follow);
	if (capture->pump)
		ss_pump_drain(capture->pump, DRAIN_SECONDS);
}

void ss_capture_tick(struct ss_capture *capture)
{
	if (capture->source)
		ss_bpf_source_set_clock(capture->source);
}

void ss_capture_count(struct ss_capture *capture, uint64_t drops[SS_DROP_CAUSES])
{
	if (capture->follow)
		ss_follow_count(capture->follow, drops);
}

uint64_t ss_capture_frames(const struct ss_capture *capture)
{
	return capture->pump ? ss_pump_frames(capture->pump) : 0;
}
