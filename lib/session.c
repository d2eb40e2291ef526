/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is common to a live capture and a replay: the stream and where it goes, the loop with its
 * signals, limits and progress, and the sums at the end.
 */
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <glib.h>

#include "capture.h"
#include "clock.h"
#include "live.h"
#include "loop.h"
#include "playback.h"
#include "privilege.h"
#include "stream.h"

#define NSEC_PER_SEC 1000000000ull
#define DESCRIPTORS  16384u /* more than all slots need (format/ring.h) */

struct session {
	const struct ss_options *options;
	ss_session_progress progress;
	void *user_data;
	struct ss_error *error;
	int status;
	bool stopping;

	struct ss_loop *loop;
	struct ss_timer *second, *progress_timer, *interval_timer, *end_timer;
	int signals;
	pid_t parent, viewer;
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	struct ss_playback_result replayed;

	struct ss_stream *stream;
	struct ss_capture *capture; /* NULL: a replay */
};

/* The end, for a reason: 0 and -EPIPE are ordinary ones. The first reason stays. */
static void stop(int status, void *user_data)
{
	struct session *session = user_data;

	if (!session->stopping)
		session->status = status == -EPIPE ? 0 : status;
	session->stopping = true;
	ss_loop_quit(session->loop);
}

static void stop_after(uint32_t events, void *user_data)
{
	(void)events;
	stop(0, user_data);
}

/* Counters of the interfaces in the stream up to date; adds drops by cause. */
static void count(struct session *session, uint64_t drops[SS_DROP_CAUSES])
{
	if (session->capture)
		ss_capture_count(session->capture, drops);
}

static void sum_up(struct session *session, struct ss_session_result *result)
{
	struct ss_output *output = ss_stream_output(session->stream);

	*result = (struct ss_session_result){0};
	count(session, result->drops);
	for (uint32_t id = 0; id < ss_stream_interfaces(session->stream); id++) {
		const struct ss_interface_counters *counters =
			ss_stream_counters(session->stream, id);

		result->seen += counters->seen;
		result->frames += ss_interface_delivered(counters);
		result->bytes += counters->bytes - counters->unmatched_bytes;
		result->unmatched += counters->unmatched;
		result->dropped += counters->dropped;
		result->left_out += counters->left_out;
	}
	if (session->capture)
		result->late = ss_capture_late(session->capture);
	if (session->options->count) /* ended by it: what is accepted beyond is not in the file */
		result->frames = session->capture ? ss_capture_frames(session->capture)
						  : session->replayed.frames;
	result->written_bytes = ss_output_bytes(output);
	result->files = ss_output_files(output);
	result->live_skipped = ss_output_live_skipped(output);
	result->seconds =
		(double)(ss_clock_ns(CLOCK_MONOTONIC) - session->start_ns) / (double)NSEC_PER_SEC;
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
	if (session->capture)
		ss_capture_tick(session->capture);
	if (session->options->record)
		ss_stream_record_counters(session->stream);
	if (session->options->exit_with_parent && getppid() != session->parent)
		stop(0, session);
}

static void signalled(uint32_t events, void *user_data)
{
	struct session *session = user_data;
	struct signalfd_siginfo info;

	(void)events;
	while (read(session->signals, &info, sizeof(info)) == sizeof(info))
		stop(0, session);
}

static void refresh_counters(void *user_data)
{
	uint64_t drops[SS_DROP_CAUSES] = {0};

	count(user_data, drops);
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
		const char *filter =
			session->capture ? ss_capture_display_filter(session->capture) : NULL;

		r = ss_live_start(filter, &session->viewer, &output_options.live_fd,
				  session->error);
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
	return 0;
}

/* A pod takes eight or so; shells begin with 1024 in all. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = MIN(limit.rlim_max, DESCRIPTORS);
	setrlimit(RLIMIT_NOFILE, &limit); /* if not, there is room for fewer pods */
}

static void open_loop(struct session *session)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	if (!session->options->replay) /* which has no loop, and can be done again */
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
	const struct ss_options *options = session->options;
	int r;

	if (options->replay)
		return ss_playback_run(options, session->stream, &session->replayed,
				       session->error);
	r = ss_capture_start(session->capture, session->loop, session->stream, stop, session,
			     session->error);
	if (r == 0 && !session->stopping)
		ss_loop_run(session->loop);
	ss_capture_stop(session->capture);
	return r < 0 ? r : session->status;
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
		.start_ns = ss_clock_ns(CLOCK_MONOTONIC),
		.signals = -1,
	};
	int r = 0, closed;

	*ret_result = (struct ss_session_result){0};
	if (!options->replay)
		r = ss_capture_new(options, &session.capture, error);
	if (r < 0)
		return r;
	raise_descriptor_limit();
	open_loop(&session);
	r = open_stream(&session);
	ss_privilege_init();
	if (r == 0)
		r = run(&session);
	if (session.stream)
		sum_up(&session, ret_result);
	if (session.stream && session.capture) {
		ret_result->undecided = ss_capture_undecided(session.capture);
		ret_result->forgotten = ss_capture_forgotten(session.capture);
		g_autofree char *tls = ss_capture_tls_summary(session.capture);
		g_autofree char *exchanges = ss_capture_exchange_summary(session.capture);

		g_strlcpy(ret_result->tls, tls ? tls : "", sizeof(ret_result->tls));
		g_strlcpy(ret_result->exchanges, exchanges ? exchanges : "",
			  sizeof(ret_result->exchanges));
	}
	if (session.replayed.exchanges)
		g_strlcpy(ret_result->exchanges, session.replayed.exchanges,
			  sizeof(ret_result->exchanges));
	g_free(session.replayed.exchanges);
	ss_capture_free(session.capture);
	session.capture = NULL;
	closed = ss_stream_close(session.stream, error);
	if (r == 0 && closed != -EPIPE)
		r = closed;
	close_loop(&session);
	if (session.viewer)
		ss_live_wait(session.viewer);
	return r == -EPIPE ? 0 : r;
}
