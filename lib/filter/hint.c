/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What could surprise: whoever comes to a place that another key has says that there are many, and
 * nobody takes that back, because nobody knows of whom. A place is changed only from what it is
 * known to be (compare and exchange): of two that come at once the second finds the first.
 */
#include "hint.h"

#include <errno.h>

#include <bpf/bpf.h>

#define SIZE  0x40000u /* bytes */
#define SHIFT 17       /* of a key: its lowest bits are the worst mixed, the highest lack a port */
#define MANY  1

#define ALU_IMM(op, dst, imm) ss_insn(BPF_ALU64 | (op) | BPF_K, dst, 0, 0, imm)

int ss_hint_new(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ss_message_hint", sizeof(uint32_t), SIZE, 1,
				NULL);

	return fd < 0 ? -errno : fd;
}

/* dst = the place of the key in a register. R3 is lost. */
static void emit_place(struct ss_emitter *emitter, unsigned dst, unsigned key)
{
	ss_emit(emitter, SS_MOV(BPF_REG_3, key));
	ss_emit(emitter, ALU_IMM(BPF_RSH, BPF_REG_3, SHIFT));
	ss_emit(emitter, ALU_IMM(BPF_AND, BPF_REG_3, SIZE - sizeof(uint64_t)));
	ss_emit(emitter, ss_insn(BPF_LD | BPF_IMM | BPF_DW, dst, BPF_PSEUDO_MAP_VALUE, 0,
				 (uint32_t)ss_emit_tracking(emitter)->hint_fd));
	ss_emit(emitter, ss_insn(0, 0, 0, 0, 0));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, dst, BPF_REG_3, 0, 0));
}

/* If R0 is in the place at R1, R2 comes there. R0 = what was. */
static void emit_exchange(struct ss_emitter *emitter)
{
	ss_emit(emitter,
		ss_insn(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_1, BPF_REG_2, 0, BPF_CMPXCHG));
}

void ss_hint_ask(struct ss_emitter *emitter, ss_label none)
{
	size_t there;

	emit_place(emitter, BPF_REG_4, BPF_REG_1);
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_3, BPF_REG_4, 0));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_3, 0, 0, 0), none);
	there = ss_emit_jump(emitter,
			     ss_insn(BPF_JMP | BPF_JEQ | BPF_X, BPF_REG_3, BPF_REG_1, 0, 0));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, 0, MANY), none);
	ss_emit_land(emitter, there);
}

void ss_hint_add(struct ss_emitter *emitter, int16_t key)
{
	size_t first, again;

	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_2, BPF_REG_10, key));
	emit_place(emitter, BPF_REG_1, BPF_REG_2);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0));
	emit_exchange(emitter);
	first = ss_emit_jump(emitter, ss_insn(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0));
	again = ss_emit_jump(emitter,
			     ss_insn(BPF_JMP | BPF_JEQ | BPF_X, BPF_REG_0, BPF_REG_2, 0, 0));
	ss_emit(emitter, SS_ST_IMM(BPF_DW, BPF_REG_1, 0, MANY));
	ss_emit_land(emitter, first);
	ss_emit_land(emitter, again);
}

void ss_hint_remove(struct ss_emitter *emitter, int16_t key)
{
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_0, BPF_REG_10, key));
	emit_place(emitter, BPF_REG_1, BPF_REG_0);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_2, 0));
	emit_exchange(emitter);
}
