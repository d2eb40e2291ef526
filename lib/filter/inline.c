/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the call did is done here: the body's returns jump behind it, its stack lies below the
 * caller's, and registers that the caller needs again are kept.
 *
 * Registers. A body may use R6 .. R9 in any order, so that it gets those that the caller does not
 * need. It has the skb in one of them, as the caller has: the same one, which then is not written
 * but with what it holds. Only what is left is saved on the stack: without CAP_PERFMON each such
 * store costs a barrier.
 *
 * The stack. The caller addresses an object by its lowest byte, as compilers do: by R10, or by a
 * copy with a constant added at once. A body does, too, or it is called.
 */
#include "inline.h"

#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "insn.h"
#include "registers.h"

#define STACK_SIZE 512
#define KEPT_COUNT 4 /* registers that a function keeps for its caller: R6 .. R9 */

struct site {
	const struct bpf_insn *program;
	size_t count;
	size_t at;     /* the call */
	size_t growth; /* instructions that are put there, less the call */
};

struct body {
	struct bpf_insn *insns; /* rewritten */
	size_t count;
	int depth;                         /* bytes of stack above the body's */
	uint8_t registers[BPF_REG_10 + 1]; /* for which of the caller's each stands */
	uint16_t own, callers;             /* of R6 .. R9: not chosen yet */
	struct bpf_insn save[KEPT_COUNT], restore[KEPT_COUNT];
	size_t saves;
};

/* --- What is understood --- */

/* Jumps by off, helpers, and calls of functions. */
static bool is_known_jump(const struct bpf_insn *insn)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return BPF_CLASS(insn->code) == BPF_JMP; /* else by imm */
	case BPF_CALL:
		return insn->src_reg == 0 || ss_insn_is_call(insn);
	case BPF_EXIT:
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
	case BPF_JNE:
	case BPF_JSGT:
	case BPF_JSGE:
	case BPF_JLT:
	case BPF_JLE:
	case BPF_JSLT:
	case BPF_JSLE:
		return true;
	default:
		return false;
	}
}

static bool is_known(const struct bpf_insn *insn)
{
	if (insn->dst_reg > BPF_REG_10 || insn->src_reg > BPF_REG_10)
		return false;
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return ss_insn_is_wide(insn) && insn->src_reg != BPF_PSEUDO_FUNC;
	case BPF_JMP:
	case BPF_JMP32:
		return is_known_jump(insn);
	default:
		return true;
	}
}

/* Does it access the stack at R10 + off? */
static bool is_stack_access(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LDX:
		return insn->src_reg == BPF_REG_10;
	case BPF_ST:
		return insn->dst_reg == BPF_REG_10;
	case BPF_STX:
		return insn->dst_reg == BPF_REG_10 && insn->src_reg != BPF_REG_10;
	default:
		return false;
	}
}

/* Does it begin an address on the stack: a copy of R10, with a constant added at once? */
static bool is_stack_address(const struct bpf_insn *insn, const struct bpf_insn *next,
			     bool next_is_target)
{
	return insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && !insn->off &&
	       insn->src_reg == BPF_REG_10 && next->code == (BPF_ALU64 | BPF_ADD | BPF_K) &&
	       next->dst_reg == insn->dst_reg && next->imm < 0 && !next_is_target;
}

/* Bytes of stack below R10, a multiple of 8; < 0: not to be understood. */
static int stack_depth(const struct bpf_insn *insns, size_t count)
{
	g_autofree bool *is_target = g_new0(bool, count);
	int lowest = 0;

	for (size_t i = 0; i < count; i += ss_insn_is_wide(&insns[i]) ? 2 : 1)
		if (ss_insn_is_jump(&insns[i]))
			is_target[(int64_t)i + 1 + insns[i].off] = true;
	for (size_t i = 0; i < count; i += ss_insn_is_wide(&insns[i]) ? 2 : 1) {
		const struct bpf_insn *insn = &insns[i];

		if (!is_known(insn))
			return -1;
		if (is_stack_access(insn) && insn->off < 0) {
			lowest = MIN(lowest, insn->off);
		} else if (i + 1 < count && is_stack_address(insn, insn + 1, is_target[i + 1])) {
			lowest = MIN(lowest, insn[1].imm);
			i++;
		} else if ((ss_registers_read(insn) | ss_registers_written(insn)) &
			   SS_REGISTER(BPF_REG_10)) {
			return -1;
		}
		if (lowest < -STACK_SIZE)
			return -1;
	}
	return (-lowest + 7) & ~7;
}

/* Calls of another function, and the last of them. */
static size_t count_calls(const struct bpf_insn *insns, size_t count, size_t *ret_last)
{
	size_t calls = 0;

	for (size_t i = 0; i < count; i += ss_insn_is_wide(&insns[i]) ? 2 : 1) {
		if (!ss_insn_is_call(&insns[i]))
			continue;
		calls++;
		*ret_last = i;
	}
	return calls;
}

/* --- Registers --- */

static uint16_t written_by(const struct bpf_insn *insns, size_t count)
{
	uint16_t written = 0;

	for (size_t i = 0; i < count; i += ss_insn_is_wide(&insns[i]) ? 2 : 1)
		written |= ss_registers_written(&insns[i]);
	return written;
}

/* Gives registers of the caller to registers of the body, as long as there are both. */
static void pair(struct body *body, uint16_t own, uint16_t callers)
{
	own &= body->own;
	callers &= body->callers;
	for (; own && callers; own &= body->own, callers &= body->callers) {
		int from = g_bit_nth_lsf(own, -1), to = g_bit_nth_lsf(callers, -1);

		body->registers[from] = (uint8_t)to;
		body->own = (uint16_t)(body->own & ~SS_REGISTER(from));
		body->callers = (uint16_t)(body->callers & ~SS_REGISTER(to));
	}
}

/* What the caller needs of the others is saved, below its own stack. */
static void choose_registers(struct body *body, const struct site *site)
{
	uint16_t live = ss_registers_live_behind(site->program, site->count, site->at);
	uint16_t skb = ss_registers_of_argument(site->program, site->count, site->at);
	uint16_t keep_skb = ss_registers_of_argument_at_end(body->insns, body->count);
	uint16_t written = written_by(body->insns, body->count);

	for (unsigned i = 0; i <= BPF_REG_10; i++)
		body->registers[i] = (uint8_t)i;
	if (skb & SS_REGISTER(BPF_REG_1))
		pair(body, written & keep_skb, live & skb);
	pair(body, (uint16_t)~written, live);
	for (unsigned reg = BPF_REG_6; reg <= BPF_REG_9; reg++) {
		if (!(body->callers & live & SS_REGISTER(reg)))
			continue;
		body->depth += 8;
		body->save[body->saves] = SS_STX(BPF_DW, BPF_REG_10, reg, (int16_t)-body->depth);
		body->restore[body->saves++] =
			SS_LDX(BPF_DW, reg, BPF_REG_10, (int16_t)-body->depth);
	}
	pair(body, SS_CALLEE_SAVED, SS_CALLEE_SAVED);
}

/* --- The body --- */

/* The source of a constant or of a call says what kind it is. */
static void rename_registers(const struct body *body, struct bpf_insn *insn)
{
	unsigned class = BPF_CLASS(insn->code);

	insn->dst_reg = body->registers[insn->dst_reg] & 0xfu;
	if (class == BPF_LDX || class == BPF_STX ||
	    (class != BPF_LD && class != BPF_ST && BPF_SRC(insn->code) == BPF_X))
		insn->src_reg = body->registers[insn->src_reg] & 0xfu;
}

static void lower_stack(const struct body *body, struct bpf_insn *insn)
{
	if (is_stack_access(insn))
		insn->off = (int16_t)(insn->off - body->depth);
	else if (is_stack_address(insn, insn + 1, false)) /* is not the last one */
		insn[1].imm -= body->depth;
}

static void rewrite(struct body *body)
{
	for (size_t i = 0; i < body->count; i++) {
		struct bpf_insn *insn = &body->insns[i];

		lower_stack(body, insn);
		if (insn->code == (BPF_JMP | BPF_EXIT))
			*insn = SS_JUMP((int16_t)(body->count - i - 1));
		else
			rename_registers(body, insn);
		if (ss_insn_is_wide(insn))
			i++;
	}
}

/* --- The program --- */

static int64_t place_of(const struct site *site, int64_t index)
{
	return index > (int64_t)site->at ? index + (int64_t)site->growth : index;
}

/* False: a jump is too far. */
static bool stretch(const struct site *site, struct bpf_insn *insns)
{
	for (size_t i = 0; i < site->count; i += ss_insn_is_wide(&site->program[i]) ? 2 : 1) {
		const struct bpf_insn *insn = &site->program[i];
		int64_t from = (int64_t)i, to = from + 1 + insn->off, distance;

		if (!ss_insn_is_jump(insn))
			continue;
		distance = place_of(site, to) - place_of(site, from) - 1;
		if (distance < INT16_MIN || distance > INT16_MAX)
			return false;
		insns[place_of(site, from)].off = (int16_t)distance;
	}
	return true;
}

static struct bpf_insn *append(struct bpf_insn *to, const struct bpf_insn *insns, size_t count)
{
	memcpy(to, insns, count * sizeof(*insns));
	return to + count;
}

bool ss_filter_inline(const struct bpf_insn *program, size_t count, const struct bpf_insn *insns,
		      size_t insns_count, struct bpf_insn **ret, size_t *ret_count)
{
	g_autofree struct bpf_insn *copy = g_memdup2(insns, insns_count * sizeof(*insns));
	g_autofree struct bpf_insn *spliced = NULL;
	struct site site = {.program = program, .count = count};
	struct body body = {
		.insns = copy,
		.count = insns_count,
		.depth = stack_depth(program, count),
		.own = SS_CALLEE_SAVED,
		.callers = SS_CALLEE_SAVED,
	};
	int own = stack_depth(insns, insns_count);
	struct bpf_insn *end;
	size_t none;

	if (count_calls(program, count, &site.at) != 1 ||
	    count_calls(insns, insns_count, &none) != 0 || body.depth < 0 || own < 0)
		return false;
	choose_registers(&body, &site);
	if (body.depth + own > STACK_SIZE)
		return false;
	rewrite(&body);
	site.growth = body.count + 2 * body.saves - 1;
	spliced = g_new(struct bpf_insn, count + site.growth);
	end = append(spliced, program, site.at);
	end = append(end, body.save, body.saves);
	end = append(end, body.insns, body.count);
	end = append(end, body.restore, body.saves);
	append(end, program + site.at + 1, count - site.at - 1);
	if (!stretch(&site, spliced))
		return false;
	*ret_count = count + site.growth;
	*ret = g_steal_pointer(&spliced);
	return true;
}
