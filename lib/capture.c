/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wiring of a live capture. The order matters: source and pump first, then hooks, so that the
 * first frame finds a reader; at the end hooks first, then the rest of the ring, then the counters.
 */
#include "capture.h"

#include <errno.h>

#include <glib.h>

#include "follow.h"
#include "log.h"
#include "privilege.h"
#include "pump.h"
#include "sieve.h"
#include "stages.h"

#define DRAIN_SECONDS 3 /* for a slow reader, after the end */

struct ss_capture {
	const struct ss_options *options;
	struct ss_sieve *sieve;
	struct ss_bpf_source *source;
	struct ss_target_context context;
	struct ss_follow *follow;
	struct ss_pump *pump;
	struct ss_stages *stages;
	ss_capture_ended ended;
	void *user_data;
};

static void end(int status, void *user_data)
{
	struct ss_capture *capture = user_data;

	capture->ended(status, capture->user_data);
}

static uint32_t verdicts(const struct ss_interface *interface, enum ss_direction direction,
			 void *user_data)
{
	struct ss_capture *capture = user_data;

	return ss_sieve_verdicts(capture->sieve, interface, direction);
}

static void interface_added(uint32_t id, uint16_t link_type, const struct ss_pod *pod,
			    const char *device, void *user_data)
{
	struct ss_capture *capture = user_data;

	ss_stages_interface(capture->stages, id, link_type, pod, device);
}

int ss_capture_new(const struct ss_options *options, struct ss_capture **ret_capture,
		   struct ss_error *error)
{
	struct ss_capture *capture;
	int r;

	if (!ss_options_name_pods(options) && !options->interfaces->len)
		return ss_fail(
			error, -EINVAL,
			"say what to capture: --pod NAME, --namespace NS, --selector LABELS, "
			"--all-pods or --interface DEVICE ('" PROGRAM_NAME
			" pods' lists the pods of this node)");
	capture = g_new0(struct ss_capture, 1);
	capture->options = options;
	r = ss_sieve_new(options, &capture->sieve, error);
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
	ss_stages_free(capture->stages);
	ss_bpf_source_free(capture->source);
	ss_sieve_free(capture->sieve);
	g_free(capture);
}

static int open_source(struct ss_capture *capture, struct ss_error *error)
{
	const struct ss_options *options = capture->options;
	const struct ss_bpf_source_options source = {
		.snap_len = options->snap_len,
		.ring_size = options->no_packets ? SS_RING_SIZE_MIN : options->buffer_bytes,
		.metadata = ss_sieve_needs_metadata(capture->sieve),
		.owners = ss_options_want_owners(options),
		.filter_owners = ss_sieve_asks_owner(capture->sieve),
		.ethernet_only = ss_sieve_is_ethernet_only(capture->sieve),
		.splice = ss_sieve_splice,
		.guest = options->bpf_program,
		.user_data = capture->sieve,
	};
	int r;

	ss_privilege_raise();
	r = ss_bpf_source_new(&source, &capture->source, error);
	if (r == 0)
		r = ss_sieve_load(capture->sieve, capture->source, error);
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
	struct ss_stages_context stages = {
		.options = options,
		.loop = loop,
		.stream = stream,
		.sieve = capture->sieve,
		.node = g_get_host_name(),
		.failed = end,
		.user_data = capture,
		.error = error,
	};
	struct ss_follow_callbacks callbacks;
	int r;

	capture->ended = ended;
	capture->user_data = user_data;
	r = open_source(capture, error);
	if (r < 0)
		return r;
	capture->context = (struct ss_target_context){
		.source = capture->source,
		.stream = stream,
		.filter = ss_filter_text(ss_sieve_filter(capture->sieve)),
		.ethernet_only = ss_sieve_is_ethernet_only(capture->sieve),
		.node = stages.node,
		.snap_len = options->snap_len,
		.mode = options->attach,
		.no_packets = options->no_packets,
		.verdicts = verdicts,
		.interface_added = interface_added,
		.user_data = capture,
	};
	capture->pump =
		ss_pump_new(loop, capture->source, stream, options->count, end, capture, error);
	stages.source = capture->source;
	stages.pump = capture->pump;
	r = ss_stages_new(&stages, &capture->stages);
	if (r < 0)
		return r;
	capture->context.early = ss_stages_early(capture->stages);
	ss_stages_callbacks(capture->stages, &callbacks);
	capture->follow = ss_follow_new(loop, options, &capture->context, &callbacks, error);
	r = ss_follow_start(capture->follow);
	if (r < 0)
		return r;
	if (!ss_follow_is_watching(capture->follow))
		ss_privilege_drop(); /* nothing will be attached any more */
	ss_stages_start(capture->stages);
	say_started(capture);
	ss_pump_start(capture->pump);
	return 0;
}

void ss_capture_stop(struct ss_capture *capture)
{
	if (capture->follow)
		ss_follow_stop(capture->follow);
	if (capture->stages)
		ss_stages_stop(capture->stages);
	if (capture->pump)
		ss_pump_drain(capture->pump, DRAIN_SECONDS);
	if (capture->stages)
		ss_stages_flush(capture->stages);
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

const char *ss_capture_display_filter(const struct ss_capture *capture)
{
	return ss_sieve_display_filter(capture->sieve);
}

uint64_t ss_capture_undecided(const struct ss_capture *capture)
{
	return capture->stages ? ss_stages_undecided(capture->stages) : 0;
}

uint64_t ss_capture_late(const struct ss_capture *capture)
{
	return capture->stages ? ss_stages_late(capture->stages) : 0;
}

uint64_t ss_capture_forgotten(const struct ss_capture *capture)
{
	uint64_t forgotten;

	ss_privilege_raise();
	forgotten = ss_filter_forgotten(ss_sieve_filter(capture->sieve));
	ss_privilege_lower();
	return forgotten;
}

char *ss_capture_tls_summary(const struct ss_capture *capture)
{
	return capture->stages ? ss_stages_tls_summary(capture->stages) : NULL;
}

char *ss_capture_exchange_summary(const struct ss_capture *capture)
{
	return capture->stages ? ss_stages_exchange_summary(capture->stages) : NULL;
}

uint64_t ss_capture_frames(const struct ss_capture *capture)
{
	uint64_t made = capture->stages ? ss_stages_made(capture->stages) : 0;

	return made + (capture->pump ? ss_pump_frames(capture->pump) : 0);
}
