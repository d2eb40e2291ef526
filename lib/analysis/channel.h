/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS over TCP: a length of two bytes before each message (RFC 1035 section 4.2.2), several in a
 * segment, or one in several segments. Messages leave with the frames that carry them.
 */
#ifndef SS_ANALYSIS_CHANNEL_H
#define SS_ANALYSIS_CHANNEL_H

#include "analysis/exchange.h"

struct ss_channels;

/* bytes: the message, or as much of it as was captured and kept; all borrowed for the call. */
typedef void (*ss_channels_message)(const struct ss_exchange_flow *flow, struct ss_cursor bytes,
				    uint64_t time_ns, GPtrArray *frames, void *user_data);

/* A message that is not whole after timeout_ns is given up: its frames are wanted. */
struct ss_channels *ss_channels_new(uint64_t timeout_ns, ss_channels_message message,
				    void *user_data);
void ss_channels_free(struct ss_channels *channels);

/* segment: of TCP, no error and no later fragment. Times as in exchange.h. */
void ss_channels_segment(struct ss_channels *channels, const struct ss_exchange_flow *flow,
			 const struct ss_transport *segment, uint64_t now_ns,
			 struct ss_exchange_frame *frame);
void ss_channels_expire(struct ss_channels *channels, uint64_t now_ns);
/* No frame is waited for any more; all that waited are wanted. */
void ss_channels_release(struct ss_channels *channels);

#endif
