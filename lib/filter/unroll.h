/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: classic BPF without loops. */
#ifndef SS_FILTER_UNROLL_H
#define SS_FILTER_UNROLL_H

#include <stdbool.h>
#include <stddef.h>

#include "cbpf.h"

/* Headers that "protochain" passes on its way; libpcap's own loop has no limit, nor always an end.
 */
#define SS_UNROLL_TURNS 12

/* Whether it jumps back. */
bool ss_cbpf_has_loop(const struct ss_cbpf_insn *program, size_t count);
/* The same program with each loop as so many copies, of which the last one rejects where it would
 * go on. Of jumps that lead outside it makes nothing better. g_free(). */
struct ss_cbpf_insn *ss_cbpf_unroll(const struct ss_cbpf_insn *program, size_t count,
				    size_t *ret_count);

#endif
