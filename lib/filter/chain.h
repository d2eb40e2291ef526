/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several filter bodies (filter.h) as one, which accepts what all of them accept. */
#ifndef SS_FILTER_CHAIN_H
#define SS_FILTER_CHAIN_H

#include <stddef.h>

#include "error.h"

struct bpf_insn;

struct ss_filter_body {
	struct bpf_insn *insns; /* owned by who made it: g_free() */
	size_t count;
};

/*
 * All but the last must keep the skb in R6, as those of ss_filter_emit() do; the last may be of
 * anybody. They are judged in this order: the cheapest, or the one that rejects most, first. count
 * is at least 1. Free *ret_insns with g_free().
 */
int ss_filter_chain(const struct ss_filter_body *bodies, size_t count, struct bpf_insn **ret_insns,
		    size_t *ret_count, struct ss_error *error);

#endif
