/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A body's returns become jumps to its end, where a rejection returns and all else goes on. */
#include "filter/chain.h"

#include <errno.h>
#include <stdint.h>

#include <glib.h>

#include "filter/filter.h"
#include "insn.h"

static void append(GArray *insns, const struct ss_filter_body *body, bool last)
{
	const struct bpf_insn go_on[] = {
		SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 1),
		SS_EXIT(),
		SS_MOV(BPF_REG_1, BPF_REG_6),
	};
	guint start = insns->len;

	g_array_append_vals(insns, body->insns, (guint)body->count);
	if (last)
		return;
	for (size_t i = 0; i < body->count; i++) {
		struct bpf_insn *insn = &g_array_index(insns, struct bpf_insn, start + i);

		if (insn->code == (BPF_JMP | BPF_EXIT))
			*insn = SS_JUMP((int16_t)(body->count - i - 1));
	}
	g_array_append_vals(insns, go_on, G_N_ELEMENTS(go_on));
}

int ss_filter_chain(const struct ss_filter_body *bodies, size_t count, struct bpf_insn **ret_insns,
		    size_t *ret_count, struct ss_error *error)
{
	GArray *insns;
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += bodies[i].count + 3;
	if (total > SS_FILTER_BODY_MAX)
		return ss_fail(error, -E2BIG,
			       "the filters together need %zu instructions, at most %d are "
			       "supported; simplify them",
			       total, SS_FILTER_BODY_MAX);
	insns = g_array_new(FALSE, FALSE, sizeof(struct bpf_insn));
	for (size_t i = 0; i < count; i++)
		append(insns, &bodies[i], i + 1 == count);
	*ret_count = insns->len;
	*ret_insns = (struct bpf_insn *)(void *)g_array_free(insns, FALSE);
	return 0;
}
