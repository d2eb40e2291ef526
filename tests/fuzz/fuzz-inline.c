/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any instructions as a filter (as a user's program has them, before the kernel says what it thinks
 * of them), put into a program: refused, or with every jump inside, no return but the program's
 * own, and its stack below the program's.
 */
#include <stdint.h>
#include <string.h>

#include <glib.h>

#ifdef SS_WITH_BPF

#include "filter/filter.h"
#include "insn.h"

#define DEPTH 16 /* bytes of the program's stack */
#define STUB  10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What R10 may point to in the place of the call: the rest is the caller's. */
static void check_filter(const struct bpf_insn *insns, size_t from, size_t to, int highest)
{
	for (size_t i = from; i < to; i++) {
		const struct bpf_insn *insn = &insns[i];

		g_assert(insn->code != (BPF_JMP | BPF_EXIT));
		g_assert(!ss_insn_is_call(insn));
		if (ss_insn_is_jump(insn)) {
			int64_t target = (int64_t)i + 1 + insn->off;

			g_assert(target >= (int64_t)from && target <= (int64_t)to);
		}
		if (BPF_CLASS(insn->code) == BPF_LDX && insn->src_reg == BPF_REG_10)
			g_assert(insn->off < highest);
		if (BPF_CLASS(insn->code) == BPF_ST && insn->dst_reg == BPF_REG_10)
			g_assert(insn->off < highest);
		if (ss_insn_is_wide(insn))
			i++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bpf_insn program[STUB + 2] = {
		SS_MOV(BPF_REG_7, BPF_REG_1),
		SS_ST_IMM(BPF_DW, BPF_REG_10, -DEPTH, 1),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, 0, 2),
		SS_MOV(BPF_REG_9, BPF_REG_2),
		SS_CALL_SUB(STUB - 5),
		SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, -DEPTH),
		SS_LDX(BPF_W, BPF_REG_1, BPF_REG_7, 0),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_9, 0, -5),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1),
		SS_EXIT(),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1),
		SS_EXIT(),
	};
	size_t count = size / sizeof(struct bpf_insn), spliced_count;
	g_autofree struct bpf_insn *body = g_new(struct bpf_insn, count + 1), *spliced = NULL;

	memcpy(body, data, count * sizeof(*body));
	body[count] = SS_EXIT();
	if (ss_filter_splice(program, STUB + 2, body, count + 1, false, &spliced, &spliced_count,
			     NULL) < 0 ||
	    ss_insn_is_call(&spliced[4]))
		return 0;
	g_assert(spliced_count >= STUB + count);
	g_assert(memcmp(&spliced[spliced_count - 2], &program[STUB - 2], 2 * sizeof(*spliced)) ==
		 0);
	check_filter(spliced, 4, spliced_count - 5, -DEPTH);
	return 0;
}

#else /* the capture filter is not built: nothing to fuzz */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data G_GNUC_UNUSED, size_t size G_GNUC_UNUSED)
{
	return 0;
}

#endif
