/* SPDX-License-Identifier: GPL-2.0-or-later */
/* capture.h in a build without BPF (-DWITH_BPF=OFF): there is nothing to start. */
#include "capture.h"

#include <errno.h>

int ss_capture_new(const struct ss_options *options, struct ss_capture **ret_capture,
		   struct ss_error *error)
{
	(void)options;
	(void)ret_capture;
	return ss_fail(error, -ENOTSUP,
		       "this build has no capture part, only --replay: build with "
		       "-DWITH_BPF=ON");
}

int ss_capture_start(struct ss_capture *capture, struct ss_loop *loop, struct ss_stream *stream,
		     ss_capture_ended ended, void *user_data, struct ss_error *error)
{
	(void)capture;
	(void)loop;
	(void)stream;
	(void)ended;
	(void)user_data;
	(void)error;
	return -ENOTSUP;
}

void ss_capture_free(struct ss_capture *capture)
{
	(void)capture;
}

void ss_capture_stop(struct ss_capture *capture)
{
	(void)capture;
}

void ss_capture_tick(struct ss_capture *capture)
{
	(void)capture;
}

void ss_capture_count(struct ss_capture *capture, uint64_t drops[SS_DROP_CAUSES])
{
	(void)capture;
	(void)drops;
}

uint64_t ss_capture_frames(const struct ss_capture *capture)
{
	(void)capture;
	return 0;
}

const char *ss_capture_display_filter(const struct ss_capture *capture)
{
	(void)capture;
	return NULL;
}

uint64_t ss_capture_late(const struct ss_capture *capture)
{
	(void)capture;
	return 0;
}

uint64_t ss_capture_forgotten(const struct ss_capture *capture)
{
	(void)capture;
	return 0;
}

uint64_t ss_capture_undecided(const struct ss_capture *capture)
{
	(void)capture;
	return 0;
}

char *ss_capture_tls_summary(const struct ss_capture *capture)
{
	(void)capture;
	return NULL;
}

char *ss_capture_exchange_summary(const struct ss_capture *capture)
{
	(void)capture;
	return NULL;
}
