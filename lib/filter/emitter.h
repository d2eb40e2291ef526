/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: what emit.c and walk.c share. */
#ifndef SS_FILTER_EMITTER_H
#define SS_FILTER_EMITTER_H

#include <glib.h>

#include "emit.h"

/* Places to jump to, all of them forward. */
typedef guint ss_label;

struct ss_jump {
	size_t insn;
	ss_label label;
};

#define SS_UNBOUND G_MAXSIZE

struct ss_emitter {
	struct ss_emit_options options;
	struct ss_tracking tracking;
	GArray *insns;       /* struct bpf_insn */
	GArray *labels;      /* size_t: where each is, or SS_UNBOUND */
	GArray *jumps;       /* struct ss_jump */
	GPtrArray *messages; /* struct ss_test: of a filter with several tests on messages */
	ss_label accept, reject;
	unsigned layers;  /* of the frames that the code is for */
	bool plain;       /* the walk understood them */
	int16_t near;     /* not 0: they are linear, R7 points at them, and this is the place on the
			   * stack where the network header's copy would be */
	bool heads;       /* else R7 says whether the payload's head is there */
	bool whole_flows; /* a test depends on other frames of the connection ... */
	bool any_frame;   /* ... and not only on those of its message */
	bool everything;  /* a test depends on all frames */
	bool reversed;
};

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

ss_label ss_label_new(struct ss_emitter *emitter);
bool ss_label_is_used(const struct ss_emitter *emitter, ss_label label);
/* The next instruction is there. */
void ss_label_bind(struct ss_emitter *emitter, ss_label label);
void ss_emit_jump_to(struct ss_emitter *emitter, struct bpf_insn insn, ss_label label);
/* Unless the first bytes of the frame, at R7, are linear. R1, R3 are lost. */
void ss_emit_unless_linear(struct ss_emitter *emitter, uint32_t size, ss_label label);
/* Bytes before the IP header, without tags. */
int ss_emit_link_size(const struct ss_emitter *emitter);
/* The end of a test: R0 = 1 for who comes here or to yes, 0 for who comes to no. */
void ss_emit_answer(struct ss_emitter *emitter, ss_label yes, ss_label no);

/* Emits the walk: it leads to the label of the frame's kind. */
void ss_walk_emit(struct ss_emitter *emitter, const struct ss_walk *walk);

#endif
