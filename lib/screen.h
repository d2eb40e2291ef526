/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a recording is wanted: --filter and --dns-failure-only on a replay, with the result that
 * they have while capturing. A pcap-filter is decided here, a display filter by tshark, which reads
 * the recording before (survey.h). Time is that of the frames.
 */
#ifndef SS_SCREEN_H
#define SS_SCREEN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "error.h"
#include "options.h"
#include "stream.h"

struct ss_screen;

/* Where what is wanted goes: whole blocks, in order. Negative: nothing more is taken. */
typedef int (*ss_screen_write)(struct iovec frames, void *user_data);

/* *ret_screen is NULL if all is wanted. */
int ss_screen_new(const struct ss_options *options, struct ss_stream *stream, ss_screen_write write,
		  void *user_data, struct ss_screen **ret_screen, struct ss_error *error);
void ss_screen_free(struct ss_screen *screen);

/* Before the interface's first frame. id: in the recording and the blocks. */
void ss_screen_interface(struct ss_screen *screen, uint32_t id,
			 const struct ss_interface *interface);
/* Blocks as the recording has them; they are changed. */
int ss_screen_frames(struct ss_screen *screen, struct iovec frames);
/* An event of the recording, which is always wanted. Borrowed for the call. */
int ss_screen_event(struct ss_screen *screen, uint32_t id, uint64_t time_ns, const char *info,
		    const char *json);
/* The recording has ended: what waits is decided. */
int ss_screen_finish(struct ss_screen *screen);
/* Takes frames that are not wanted from counters that the recording has. */
void ss_screen_count(const struct ss_screen *screen, uint32_t id,
		     struct ss_interface_counters *counters);
/* As ss_failures_summary(); NULL: nothing to say. */
char *ss_screen_summary(const struct ss_screen *screen);

#endif
