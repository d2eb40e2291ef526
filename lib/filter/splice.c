/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts a filter in the place of the call of the filter stub at the end of a frame program; else in
 * the place of the stub itself. Then nothing before that moves, so that every call and jump of the
 * main function stays right.
 */
#include "filter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "inline.h"
#include "insn.h"

#define PROGRAM_MAX 1000000 /* the verifier's limit */

static bool ends_function(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_EXIT) || insn->code == (BPF_JMP | BPF_JA);
}

/* True if no jump leads from [start, end) elsewhere, and nothing runs over its end. */
static bool is_closed(const struct bpf_insn *program, size_t start, size_t end)
{
	if (start >= end || !ends_function(&program[end - 1]))
		return false;
	for (size_t i = start; i < end; i++) {
		int64_t target = (int64_t)i + 1 + program[i].off;

		if (ss_insn_is_jump(&program[i]) &&
		    (target < (int64_t)start || target >= (int64_t)end))
			return false;
		if (ss_insn_is_wide(&program[i]))
			i++; /* the second half has no code */
	}
	return true;
}

/* Where the only subprogram begins; 0: there is none, there are several, or it is misplaced. */
static size_t find_stub(const struct bpf_insn *program, size_t count)
{
	size_t stub = 0;

	for (size_t i = 0; i < count; i++) {
		const struct bpf_insn *insn = &program[i];
		int64_t target = (int64_t)i + 1 + insn->imm;

		if (ss_insn_is_wide(insn)) {
			if (insn->src_reg == BPF_PSEUDO_FUNC)
				return 0; /* a callback: another subprogram */
			i++;
			continue;
		}
		if (!ss_insn_is_call(insn))
			continue;
		if (target <= (int64_t)i || target >= (int64_t)count)
			return 0;
		if (stub && (size_t)target != stub)
			return 0;
		stub = (size_t)target;
	}
	if (!stub || !is_closed(program, 0, stub) || !is_closed(program, stub, count))
		return 0;
	return stub;
}

/* Calls of the stub answer "accept": a call and its return cost more than the rest of it. */
static void remove_stub(const struct bpf_insn *program, size_t stub, struct bpf_insn **ret,
			size_t *ret_count)
{
	struct bpf_insn *insns = g_memdup2(program, stub * sizeof(*insns));

	for (size_t i = 0; i < stub; i++) {
		if (ss_insn_is_wide(&insns[i]))
			i++;
		else if (ss_insn_is_call(&insns[i]))
			insns[i] = SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1);
	}
	*ret = insns;
	*ret_count = stub;
}

int ss_filter_splice(const struct bpf_insn *program, size_t count, const struct bpf_insn *body,
		     size_t body_count, bool called, struct bpf_insn **ret, size_t *ret_count,
		     struct ss_error *error)
{
	size_t stub = find_stub(program, count), padding;
	const struct bpf_insn nop = SS_JUMP(0);
	GArray *spliced;

	if (!stub)
		return ss_fail(error, -EINVAL,
			       "the frame program has no filter stub as its last and only "
			       "subprogram; rebuild it from bpf/");
	if (!body) {
		remove_stub(program, stub, ret, ret_count);
		return 0;
	}
	if (body_count > SS_FILTER_BODY_MAX)
		return ss_fail(error, -E2BIG,
			       "the capture filter needs %zu instructions, at most %d are "
			       "supported; simplify the expression",
			       body_count, SS_FILTER_BODY_MAX);
	if (!is_closed(body, 0, body_count))
		return ss_fail(error, -EINVAL,
			       "the capture filter's instructions lead outside it; "
			       "simplify the expression");
	if (!called && ss_filter_inline(program, stub, body, body_count, ret, ret_count))
		return 0;
	/*
	 * Line information of the stub must stay inside the program. The kernel removes jumps to
	 * the next instruction, so that they cost nothing.
	 */
	padding = count - stub > body_count ? count - stub - body_count : 0;
	if (stub + padding + body_count > PROGRAM_MAX)
		return ss_fail(error, -E2BIG,
			       "the frame program is too long for the kernel with "
			       "this capture filter; simplify the expression");
	spliced = g_array_sized_new(FALSE, FALSE, sizeof(struct bpf_insn),
				    (guint)(stub + padding + body_count));
	g_array_append_vals(spliced, program, (guint)stub);
	for (size_t i = 0; i < padding; i++)
		g_array_append_val(spliced, nop);
	g_array_append_vals(spliced, body, (guint)body_count);
	*ret_count = spliced->len;
	*ret = (struct bpf_insn *)(void *)g_array_free(spliced, FALSE);
	return 0;
}
