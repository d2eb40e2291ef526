/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libpcap writes a loop for "protochain", and for nothing else. The kernel has no loops for those
 * without CAP_PERFMON; and libpcap's takes forever with an authentication header that leads to
 * itself. So both, the kernel and ss_filter_matches(), get a program that only jumps forward.
 *
 * What could surprise: offsets of conditional jumps have 8 bits, and copies are longer than that.
 * So each becomes three instructions, with jumps that have 32.
 */
#include "unroll.h"

#include <linux/filter.h>

#include <glib.h>

/* The instructions [start, end) that are copied. */
struct loop {
	size_t start, end;
};

struct layout {
	const struct ss_cbpf_insn *program;
	size_t count;
	GArray *loops;  /* struct loop, disjoint, in order */
	size_t *places; /* where each instruction is, in its first copy */
	size_t total;
};

static bool is_back(const struct ss_cbpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JA) && insn->k > INT32_MAX;
}

static bool is_conditional(const struct ss_cbpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_JA;
}

bool ss_cbpf_has_loop(const struct ss_cbpf_insn *program, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_back(&program[i]))
			return true;
	return false;
}

/* Loops that share instructions are one. */
static void add_loop(GArray *loops, struct loop loop)
{
	while (loops->len > 0) {
		const struct loop *last = &g_array_index(loops, struct loop, loops->len - 1);

		if (last->end <= loop.start)
			break;
		loop.start = MIN(loop.start, last->start);
		g_array_set_size(loops, loops->len - 1);
	}
	g_array_append_val(loops, loop);
}

static void find_loops(struct layout *layout)
{
	for (size_t i = 0; i < layout->count; i++) {
		size_t back = (size_t)(UINT32_MAX - layout->program[i].k); /* -k - 1 */

		if (is_back(&layout->program[i]))
			add_loop(layout->loops, (struct loop){back > i ? 0 : i - back, i + 1});
	}
}

static const struct loop *loop_of(const struct layout *layout, size_t index)
{
	for (guint i = 0; i < layout->loops->len; i++) {
		const struct loop *loop = &g_array_index(layout->loops, struct loop, i);

		if (index >= loop->start && index < loop->end)
			return loop;
	}
	return NULL;
}

/* A copy ends with a rejection, for the jumps back of the last one. */
static size_t copy_size(const struct layout *layout, const struct loop *loop)
{
	size_t size = 1;

	for (size_t i = loop->start; i < loop->end; i++)
		size += is_conditional(&layout->program[i]) ? 3 : 1;
	return size;
}

static void lay_out(struct layout *layout)
{
	size_t at = 0;

	for (size_t i = 0; i < layout->count; i++) {
		const struct loop *loop = loop_of(layout, i);

		layout->places[i] = at;
		at += is_conditional(&layout->program[i]) ? 3 : 1;
		if (loop && i + 1 == loop->end)
			at = layout->places[loop->start] +
			     SS_UNROLL_TURNS * copy_size(layout, loop);
	}
	layout->total = at;
}

/* Where the instruction is for one in the loop's copy. A target outside the program stays so. */
static size_t place_of(const struct layout *layout, size_t target, const struct loop *loop,
		       size_t copy)
{
	if (target >= layout->count)
		return layout->total;
	if (loop && loop_of(layout, target) == loop)
		return layout->places[target] + copy * copy_size(layout, loop);
	return layout->places[target];
}

static void append_jump(GArray *insns, size_t target)
{
	struct ss_cbpf_insn jump = {.code = BPF_JMP | BPF_JA,
				    .k = (uint32_t)(target - insns->len - 1)};

	g_array_append_val(insns, jump);
}

static void append_insn(GArray *insns, const struct layout *layout, size_t index,
			const struct loop *loop, size_t copy)
{
	struct ss_cbpf_insn insn = layout->program[index];
	size_t next = index + 1, target;

	if (is_back(&insn)) {
		target = next + insn.k - (UINT64_C(1) << 32);
		if (copy + 1 < SS_UNROLL_TURNS)
			append_jump(insns, place_of(layout, target, loop, copy + 1));
		else
			append_jump(insns,
				    place_of(layout, loop->start, loop, SS_UNROLL_TURNS) - 1);
	} else if (is_conditional(&insn)) {
		size_t if_true = place_of(layout, next + insn.jump_true, loop, copy);
		size_t if_false = place_of(layout, next + insn.jump_false, loop, copy);

		insn.jump_true = 0;
		insn.jump_false = 1;
		g_array_append_val(insns, insn);
		append_jump(insns, if_true);
		append_jump(insns, if_false);
	} else if (insn.code == (BPF_JMP | BPF_JA)) {
		append_jump(insns, place_of(layout, next + insn.k, loop, copy));
	} else {
		g_array_append_val(insns, insn);
	}
}

static void append_copies(GArray *insns, const struct layout *layout, const struct loop *loop)
{
	static const struct ss_cbpf_insn reject = {.code = BPF_RET | BPF_K};

	for (size_t copy = 0; copy < SS_UNROLL_TURNS; copy++) {
		for (size_t i = loop->start; i < loop->end; i++)
			append_insn(insns, layout, i, loop, copy);
		g_array_append_val(insns, reject);
	}
}

struct ss_cbpf_insn *ss_cbpf_unroll(const struct ss_cbpf_insn *program, size_t count,
				    size_t *ret_count)
{
	g_autoptr(GArray) loops = g_array_new(FALSE, FALSE, sizeof(struct loop));
	g_autofree size_t *places = g_new0(size_t, count);
	GArray *insns = g_array_new(FALSE, FALSE, sizeof(struct ss_cbpf_insn));
	struct layout layout = {
		.program = program, .count = count, .loops = loops, .places = places};

	find_loops(&layout);
	lay_out(&layout);
	for (size_t i = 0; i < count; i++) {
		const struct loop *loop = loop_of(&layout, i);

		if (!loop) {
			append_insn(insns, &layout, i, NULL, 0);
		} else {
			append_copies(insns, &layout, loop);
			i = loop->end - 1;
		}
	}
	*ret_count = insns->len;
	return (struct ss_cbpf_insn *)(void *)g_array_free(insns, FALSE);
}
