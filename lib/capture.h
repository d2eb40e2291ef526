/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A live capture: filter, source, what is followed, and the pump, put together. */
#ifndef SS_CAPTURE_H
#define SS_CAPTURE_H

#include <stdint.h>

#include "error.h"
#include "format/ring.h"
#include "loop.h"
#include "options.h"
#include "stream.h"

struct ss_capture;

/* Called once, when it can't or need not go on: 0, or an error whose sentence stands in error. */
typedef void (*ss_capture_ended)(int status, void *user_data);

/* Checks what needs no privilege: that something was asked for, and the filter. */
int ss_capture_new(const struct ss_options *options, struct ss_capture **ret_capture,
		   struct ss_error *error);
void ss_capture_free(struct ss_capture *capture);

/* Attaches, and captures on the loop into the stream, all of which it borrows. */
int ss_capture_start(struct ss_capture *capture, struct ss_loop *loop, struct ss_stream *stream,
		     ss_capture_ended ended, void *user_data, struct ss_error *error);
/* Detaches, then writes what is still in the ring, as long as somebody reads it. */
void ss_capture_stop(struct ss_capture *capture);

/* Once a second: follows the wall clock. */
void ss_capture_tick(struct ss_capture *capture);
/* Counters of all interfaces in the stream up to date; adds drops by cause. */
void ss_capture_count(struct ss_capture *capture, uint64_t drops[SS_DROP_CAUSES]);
/* What of the filter is left to the tshark that shows the packets, because nothing else gets them;
 * NULL: nothing. */
const char *ss_capture_display_filter(const struct ss_capture *capture);
/* Messages that the kernel's part of the filter forgot. */
uint64_t ss_capture_forgotten(const struct ss_capture *capture);
/* Frames of new pods that could not wait until it was known that these are meant; among the drops
 * of their interfaces. */
uint64_t ss_capture_late(const struct ss_capture *capture);
/* Frames that were written although it is not known whether they match the filter. */
uint64_t ss_capture_undecided(const struct ss_capture *capture);
/* What became of the TLS connections, a line; NULL if there is nothing to say. g_free(). */
char *ss_capture_tls_summary(const struct ss_capture *capture);
/* How the exchanges of DNS or HTTP went that were chosen, likewise. */
char *ss_capture_exchange_summary(const struct ss_capture *capture);
/* Frames written; known only with a limit (--count), else 0. */
uint64_t ss_capture_frames(const struct ss_capture *capture);

#endif
