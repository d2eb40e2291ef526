/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What instructions of one function do with registers. Sets are bits by number of the register. */
#ifndef SS_FILTER_REGISTERS_H
#define SS_FILTER_REGISTERS_H

#include <stddef.h>
#include <stdint.h>

struct bpf_insn;

#define SS_REGISTER(number) ((uint16_t)(1u << (number)))
#define SS_CALLER_SAVED     0x003fu /* R0 .. R5: lost at each call */
#define SS_CALLEE_SAVED     0x03c0u /* R6 .. R9: kept by it */
#define SS_ALL_REGISTERS    0x07ffu

uint16_t ss_registers_read(const struct bpf_insn *insn);
uint16_t ss_registers_written(const struct bpf_insn *insn);

/*
 * No jump of insns leads out of [0, count). Registers whose value is read behind insns[at], on some
 * way, before it is written.
 */
uint16_t ss_registers_live_behind(const struct bpf_insn *insns, size_t count, size_t at);
/* The same. Registers that surely hold, before insns[at], what R1 held at the beginning; no way
 * leads there: all. */
uint16_t ss_registers_of_argument(const struct bpf_insn *insns, size_t count, size_t at);
/* ... before every return. */
uint16_t ss_registers_of_argument_at_end(const struct bpf_insn *insns, size_t count);

#endif
