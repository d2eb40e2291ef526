/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside lib/filter: a pcap-filter, which libpcap compiles to classic BPF, once for each of our
 * link types; cbpf.h turns that into eBPF when a program is loaded.
 */
#ifndef SS_FILTER_CLASSIC_H
#define SS_FILTER_CLASSIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter.h"

struct ss_classic;

/* Failing, says in libpcap's words what is wrong (explain.h). */
int ss_classic_new(const char *text, struct ss_classic **ret, struct ss_error *error);
void ss_classic_free(struct ss_classic *classic);

/* As ss_filter_emit(). classic: NULL: no filter, which accepts everything. */
int ss_classic_emit(const struct ss_classic *classic, const struct ss_emit_options *options,
		    struct bpf_insn **ret_insns, size_t *ret_count, struct ss_error *error);

/* Whether it loads what is not in frames, SS_CBPF_*, of either link type. */
bool ss_classic_loads(const struct ss_classic *classic, uint32_t offset);
bool ss_classic_is_unrolled(const struct ss_classic *classic);
/* As ss_filter_matches(). */
bool ss_classic_matches(const struct ss_classic *classic, unsigned link_type, const uint8_t *frame,
			uint32_t captured, uint32_t length, bool outgoing);

#endif
