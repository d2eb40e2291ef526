/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: the walk (emit.h), from the link header to the transport header. */
#ifndef SS_FILTER_WALK_H
#define SS_FILTER_WALK_H

#include "emitter.h"

/* Kinds of frames that the walk tells apart; each has a body. */
enum ss_frame_kind {
	SS_FRAME_UNPLAIN,
	SS_FRAME_LINK, /* nothing above Ethernet that we know */
	SS_FRAME_ARP,
	SS_FRAME_IPV4_TCP,
	SS_FRAME_IPV4_UDP,
	SS_FRAME_IPV4_ICMP,
	SS_FRAME_IPV4_OTHER,
	SS_FRAME_IPV6_TCP,
	SS_FRAME_IPV6_UDP,
	SS_FRAME_IPV6_ICMPV6,
	SS_FRAME_IPV6_OTHER,
	/* Headers usual and linear. */
	SS_FRAME_NEAR_IPV4_TCP,
	SS_FRAME_NEAR_IPV4_UDP,
	SS_FRAME_NEAR_IPV6_TCP,
	SS_FRAME_NEAR_IPV6_UDP,
	SS_FRAME_KINDS
};

struct ss_walk {
	bool needed;         /* some test is about more than the frame as a whole */
	unsigned needs;      /* of enum ss_need */
	bool tags;           /* R7 */
	bool heads;          /* some test begins with the head of a payload */
	bool transports;     /* some test is about what is above IP */
	bool near, near_all; /* reads headers where they are: of TCP in IPv4; and of others */
	bool inner_tags;     /* frames with a tag in their bytes are plain */
	ss_label to[SS_FRAME_KINDS];
};

/* Emits the walk: it leads to the label of the frame's kind. */
void ss_walk_emit(struct ss_emitter *emitter, const struct ss_walk *walk);

#endif
