/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Few instructions, and a look at the slot only where there are no redirects. */
#include "redirect.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <string.h>

#include <glib.h>

#include "emit.h"
#include "format/pcapng.h"
#include "format/ring.h"
#include "insn.h"

#define HEADER      40 /* bytes: IPv6, or IPv4 and TCP */
#define AT(offset)  ((int16_t)(SS_STACK_SCRATCH + (offset)))
#define JUMP_IF(op) (BPF_JMP | (op) | BPF_X)

struct bpf_insn *ss_redirect_accept(const struct ss_emit_options *options,
				    const struct bpf_insn *body, size_t body_count,
				    size_t *ret_count)
{
	bool ethernet = options->link_type == SS_LINKTYPE_ETHERNET;
	/* Distances: to "accept" (A) and to the body (B) at the end. */
	const struct bpf_insn prefix[] = {
		/* 0 */ SS_MOV(BPF_REG_6, BPF_REG_1),
		ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0,
			(uint32_t)options->slots_fd),
		ss_insn(0, 0, 0, 0, 0),
		SS_LDX(BPF_W, BPF_REG_0, BPF_REG_1, offsetof(struct ss_slot, flags)),
		/* 4 */ SS_ALUW_IMM(BPF_AND, BPF_REG_0, SS_SLOT_REDIRECTED),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 27), /* B */
		SS_MOV(BPF_REG_1, BPF_REG_6),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_2, ethernet ? ETH_HLEN : 0),
		/* 8 */ SS_MOV(BPF_REG_3, BPF_REG_10),
		SS_ADD_IMM(BPF_REG_3, (uint32_t)SS_STACK_SCRATCH),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_4, HEADER),
		SS_CALL(BPF_FUNC_skb_load_bytes),
		/* 12 */ SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 20), /* B */
		SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, AT(0)),
		SS_ALUW_IMM(BPF_RSH, BPF_REG_0, 4),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 6, 7),           /* IPv6 */
		/* 16 */ SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 4, 16), /* B */
		SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, AT(9)),
		SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, IPPROTO_TCP, 14), /* B */
		SS_LDX(BPF_W, BPF_REG_0, BPF_REG_10, AT(12)),
		/* 20 */ SS_LDX(BPF_W, BPF_REG_1, BPF_REG_10, AT(16)),
		ss_insn(JUMP_IF(BPF_JEQ), BPF_REG_0, BPF_REG_1, 11, 0), /* B */
		SS_JUMP(8),                                             /* A */
		/* IPv6: */
		SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, AT(6)),
		/* 24 */ SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, IPPROTO_TCP, 8), /* B */
		SS_LDX(BPF_DW, BPF_REG_0, BPF_REG_10, AT(8)),
		SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, AT(24)),
		ss_insn(JUMP_IF(BPF_JNE), BPF_REG_0, BPF_REG_1, 3, 0), /* A */
		/* 28 */ SS_LDX(BPF_DW, BPF_REG_0, BPF_REG_10, AT(16)),
		SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, AT(32)),
		ss_insn(JUMP_IF(BPF_JEQ), BPF_REG_0, BPF_REG_1, 2, 0), /* B */
		/* A */ SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1),
		/* 32 */ SS_EXIT(),
		/* B */ SS_MOV(BPF_REG_1, BPF_REG_6),
	};
	struct bpf_insn *insns = g_new(struct bpf_insn, G_N_ELEMENTS(prefix) + body_count);

	memcpy(insns, prefix, sizeof(prefix));
	memcpy(insns + G_N_ELEMENTS(prefix), body, body_count * sizeof(*body));
	*ret_count = G_N_ELEMENTS(prefix) + body_count;
	return insns;
}
