/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter body in the place of its call: where returns are mispredicted (Safe RET), a call is what
 * a small filter costs.
 */
#ifndef SS_FILTER_INLINE_H
#define SS_FILTER_INLINE_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_insn;

/*
 * program: the main function alone, with one call of another. Neither it nor body jumps out of
 * itself. False: a call it has to be, because the body returns by itself (LD_ABS), the stack is too
 * small for both, jumps would be too far, or one of them does what is not understood here. Else the
 * new program, without a call; free *ret with g_free().
 */
bool ss_filter_inline(const struct bpf_insn *program, size_t count, const struct bpf_insn *body,
		      size_t body_count, struct bpf_insn **ret, size_t *ret_count);

#endif
