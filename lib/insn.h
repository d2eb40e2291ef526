/* SPDX-License-Identifier: GPL-2.0-or-later */
/* eBPF instructions by name. W: 32 bits, upper half zeroed. */
#ifndef SS_INSN_H
#define SS_INSN_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

static inline struct bpf_insn ss_insn(unsigned code, unsigned dst, unsigned src, int16_t off,
				      uint32_t imm)
{
	struct bpf_insn insn = {
		.code = (uint8_t)code,
		.dst_reg = dst & 0xf,
		.src_reg = src & 0xf,
		.off = off,
		.imm = (int32_t)imm,
	};

	return insn;
}

/* With another distance than to the next instruction, in off. */
static inline bool ss_insn_is_jump(const struct bpf_insn *insn)
{
	unsigned class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);

	return (class == BPF_JMP || class == BPF_JMP32) && op != BPF_CALL && op != BPF_EXIT;
}

/* A constant of 64 bits: two places; the second half has no code. */
static inline bool ss_insn_is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

/* Of another function of the program. */
static inline bool ss_insn_is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL;
}

/* op: BPF_MOV, BPF_ADD, ...; size: BPF_B, BPF_H, BPF_W, BPF_DW. */
#define SS_MOV(dst, src)                ss_insn(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define SS_ADD_IMM(dst, imm)            ss_insn(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define SS_ALUW(op, dst, src)           ss_insn(BPF_ALU | (op) | BPF_X, dst, src, 0, 0)
#define SS_ALUW_IMM(op, dst, imm)       ss_insn(BPF_ALU | (op) | BPF_K, dst, 0, 0, imm)
#define SS_TO_BE(dst, bits)             ss_insn(BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, bits)
#define SS_LDX(size, dst, src, off)     ss_insn(BPF_LDX | BPF_MEM | (size), dst, src, off, 0)
#define SS_STX(size, dst, src, off)     ss_insn(BPF_STX | BPF_MEM | (size), dst, src, off, 0)
#define SS_ST_IMM(size, dst, off, imm)  ss_insn(BPF_ST | BPF_MEM | (size), dst, 0, off, imm)
#define SS_LD_ABS(size, imm)            ss_insn(BPF_LD | BPF_ABS | (size), 0, 0, 0, imm)
#define SS_LD_IND(size, src, imm)       ss_insn(BPF_LD | BPF_IND | (size), 0, src, 0, imm)
#define SS_JUMP(off)                    ss_insn(BPF_JMP | BPF_JA, 0, 0, off, 0)
#define SS_JUMPW(op, dst, src, off)     ss_insn(BPF_JMP32 | (op) | BPF_X, dst, src, off, 0)
#define SS_JUMPW_IMM(op, dst, imm, off) ss_insn(BPF_JMP32 | (op) | BPF_K, dst, 0, off, imm)
#define SS_CALL(helper)                 ss_insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define SS_CALL_SUB(distance)           ss_insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, distance)
#define SS_EXIT()                       ss_insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#endif
