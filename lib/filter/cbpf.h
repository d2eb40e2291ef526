/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: classic BPF, as libpcap compiles it, to eBPF. */
#ifndef SS_FILTER_CBPF_H
#define SS_FILTER_CBPF_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter.h"

/* pcap's struct bpf_insn under a name that does not collide with the kernel's. */
struct ss_cbpf_insn {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};

/* What libpcap loads from beside a frame's bytes: its packet type (PACKET_OUTGOING, or another),
 * the number of its device. */
#define SS_CBPF_PACKET_TYPE ((uint32_t)SKF_AD_OFF + SKF_AD_PKTTYPE)
#define SS_CBPF_DEVICE      ((uint32_t)SKF_AD_OFF + SKF_AD_IFINDEX)

/* Whether it loads what is not in a frame's bytes, at such an offset. */
static inline bool ss_cbpf_is_load_of(const struct ss_cbpf_insn *insn, uint32_t offset)
{
	return BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS &&
	       insn->k == offset;
}

/* Accepts any instructions: what is not a valid filter is refused with a sentence. */
int ss_cbpf_translate(const struct ss_cbpf_insn *program, size_t count,
		      const struct ss_emit_options *options, struct bpf_insn **ret_insns,
		      size_t *ret_count, struct ss_error *error);

#endif
