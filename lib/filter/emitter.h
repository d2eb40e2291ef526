/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: a program that is being written (emit.h), for who writes more than a test. */
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

ss_label ss_label_new(struct ss_emitter *emitter);
bool ss_label_is_used(const struct ss_emitter *emitter, ss_label label);
/* The next instruction is there. */
void ss_label_bind(struct ss_emitter *emitter, ss_label label);
/* All jumps lead where their labels are now. */
void ss_label_resolve(struct ss_emitter *emitter);
void ss_emit_jump_to(struct ss_emitter *emitter, struct bpf_insn insn, ss_label label);
/* Unless the first bytes of the frame, at R7, are linear. R1, R3 are lost. */
void ss_emit_unless_linear(struct ss_emitter *emitter, uint32_t size, ss_label label);
/* Bytes before the IP header, without tags. */
int ss_emit_link_size(const struct ss_emitter *emitter);
/* The end of a test: R0 = 1 for who comes here or to yes, 0 for who comes to no. */
void ss_emit_answer(struct ss_emitter *emitter, ss_label yes, ss_label no);

#endif
