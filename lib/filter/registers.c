/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two passes over a function's instructions, repeated until nothing changes: compilers and emitters
 * jump forward, so that the second time is the last.
 */
#include "registers.h"

#include <stdbool.h>

#include <glib.h>

#include "insn.h"

#define ARGUMENTS 0x003eu /* R1 .. R5 */

static uint16_t read_by_jump(const struct bpf_insn *insn)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return 0;
	case BPF_CALL:
		return ARGUMENTS;
	case BPF_EXIT:
		return SS_REGISTER(BPF_REG_0);
	default:
		return SS_REGISTER(insn->dst_reg) |
		       (BPF_SRC(insn->code) == BPF_X ? SS_REGISTER(insn->src_reg) : 0);
	}
}

static uint16_t read_by_alu(const struct bpf_insn *insn)
{
	unsigned op = BPF_OP(insn->code);
	bool by_register = BPF_SRC(insn->code) == BPF_X && op != BPF_END; /* there: to big-endian */

	return (op == BPF_MOV ? 0 : SS_REGISTER(insn->dst_reg)) |
	       (by_register ? SS_REGISTER(insn->src_reg) : 0);
}

uint16_t ss_registers_read(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		if (BPF_MODE(insn->code) == BPF_IMM)
			return 0;
		return SS_REGISTER(BPF_REG_6) |
		       (BPF_MODE(insn->code) == BPF_IND ? SS_REGISTER(insn->src_reg) : 0);
	case BPF_LDX:
		return SS_REGISTER(insn->src_reg);
	case BPF_ST:
		return SS_REGISTER(insn->dst_reg);
	case BPF_STX: /* an atomic one may compare with R0 */
		return SS_REGISTER(insn->dst_reg) | SS_REGISTER(insn->src_reg) |
		       (BPF_MODE(insn->code) == BPF_ATOMIC ? SS_REGISTER(BPF_REG_0) : 0);
	case BPF_JMP:
	case BPF_JMP32:
		return read_by_jump(insn);
	default:
		return read_by_alu(insn);
	}
}

uint16_t ss_registers_written(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return BPF_MODE(insn->code) == BPF_IMM ? SS_REGISTER(insn->dst_reg)
						       : SS_CALLER_SAVED;
	case BPF_LDX:
		return SS_REGISTER(insn->dst_reg);
	case BPF_ST:
		return 0;
	case BPF_STX:
		if (BPF_MODE(insn->code) != BPF_ATOMIC || !(insn->imm & BPF_FETCH))
			return 0;
		return SS_REGISTER(insn->imm == BPF_CMPXCHG ? BPF_REG_0 : insn->src_reg);
	case BPF_JMP:
	case BPF_JMP32:
		return BPF_OP(insn->code) == BPF_CALL ? SS_CALLER_SAVED : 0;
	default:
		return SS_REGISTER(insn->dst_reg);
	}
}

/* Whether the instruction behind it may be next. */
static bool goes_on(const struct bpf_insn *insn)
{
	return insn->code != (BPF_JMP | BPF_EXIT) && insn->code != (BPF_JMP | BPF_JA);
}

static size_t target_of(size_t at, const struct bpf_insn *insn)
{
	return (size_t)((int64_t)at + 1 + insn->off);
}

uint16_t ss_registers_live_behind(const struct bpf_insn *insns, size_t count, size_t at)
{
	/* Before each instruction; second halves of wide ones hand on what is behind them. */
	g_autofree uint16_t *live = g_new0(uint16_t, count + 1);
	g_autofree bool *second = g_new0(bool, count + 1);
	bool changed = true;

	for (size_t i = 0; i < count; i++)
		if (ss_insn_is_wide(&insns[i]))
			second[++i] = true;
	while (changed) {
		changed = false;
		for (size_t i = count; i-- > 0;) {
			const struct bpf_insn *insn = &insns[i];
			uint16_t set = 0;

			if (second[i]) {
				live[i] = live[i + 1];
				continue;
			}
			if (goes_on(insn))
				set |= live[i + 1];
			if (ss_insn_is_jump(insn))
				set |= live[target_of(i, insn)];
			set = (uint16_t)(set & ~ss_registers_written(insn));
			set |= ss_registers_read(insn);
			changed |= set != live[i];
			live[i] = set;
		}
	}
	return live[at + 1];
}

/* holders[i]: before insns[i]; holders[count]: before every return. */
static uint16_t *holders_of_argument(const struct bpf_insn *insns, size_t count)
{
	uint16_t *holders = g_new(uint16_t, count + 1);
	bool changed = true;

	for (size_t i = 0; i <= count; i++)
		holders[i] = SS_ALL_REGISTERS;
	holders[0] = SS_REGISTER(BPF_REG_1);
	while (changed) {
		changed = false;
		for (size_t i = 0; i < count; i++) {
			const struct bpf_insn *insn = &insns[i];
			size_t next = i + (ss_insn_is_wide(insn) ? 2 : 1);
			uint16_t set = (uint16_t)(holders[i] & ~ss_registers_written(insn));

			if (insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && !insn->off &&
			    holders[i] & SS_REGISTER(insn->src_reg))
				set |= SS_REGISTER(insn->dst_reg);
			if (insn->code == (BPF_JMP | BPF_EXIT))
				holders[count] &= set;
			else if (goes_on(insn) && next < count)
				holders[next] &= set;
			if (ss_insn_is_jump(insn)) {
				size_t target = target_of(i, insn);

				changed |= target <= i && holders[target] & ~set;
				holders[target] &= set;
			}
			i = next - 1;
		}
	}
	return holders;
}

uint16_t ss_registers_of_argument(const struct bpf_insn *insns, size_t count, size_t at)
{
	g_autofree uint16_t *holders = holders_of_argument(insns, count);

	return holders[at];
}

uint16_t ss_registers_of_argument_at_end(const struct bpf_insn *insns, size_t count)
{
	g_autofree uint16_t *holders = holders_of_argument(insns, count);

	return holders[count];
}
