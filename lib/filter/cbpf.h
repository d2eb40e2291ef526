/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: classic BPF, as libpcap compiles it, to eBPF. */
#ifndef SS_FILTER_CBPF_H
#define SS_FILTER_CBPF_H

#include <stdint.h>

#include "filter.h"

/* pcap's struct bpf_insn under a name that does not collide with the kernel's. */
struct ss_cbpf_insn {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};

/* Accepts any instructions: what is not a valid filter is refused with a sentence. only_calls: as
 * in struct ss_emit_options. */
int ss_cbpf_translate(const struct ss_cbpf_insn *program, size_t count, unsigned link_type,
		      enum ss_filter_access access, bool only_calls, struct bpf_insn **ret_insns,
		      size_t *ret_count, struct ss_error *error);

#endif
