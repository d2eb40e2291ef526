/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: a display filter's tree as the body of a program. */
#ifndef SS_FILTER_BODY_H
#define SS_FILTER_BODY_H

#include "emit.h"

/* Instructions. Bigger ones take the verifier seconds, for each device of each pod. */
#define SS_DISPLAY_BODY_MAX 12000

/* What emitting it leaves to tshark. */
enum ss_filter_rest ss_body_rest(const struct ss_expression *expression);
/* Whether the body will ask for R2, if options say that there is something in it. */
bool ss_body_asks_owner(const struct ss_expression *expression);
/* The body for the stub of the frame programs (filter.h). -E2BIG: too big. */
int ss_body_emit(const struct ss_expression *expression, const struct ss_emit_options *options,
		 struct ss_tracking tracking, struct bpf_insn **ret_insns, size_t *ret_count,
		 struct ss_error *error);

#endif
