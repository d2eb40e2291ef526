/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where functions begin and end in files without symbols: programs keep a sorted table of that for
 * exceptions and backtraces (.eh_frame_hdr), also when stripped. Format: Linux Standard Base Core
 * 5.0, 10.6; DWARF 4, 6.4.1.
 */
#ifndef SS_TLS_UNWIND_H
#define SS_TLS_UNWIND_H

#include "tls/elf.h"

/* [start, end) has the address. -ENOENT: the file has no such table, or nothing there. A part that
 * the compiler put elsewhere ("cold") is a function of its own. */
int ss_tls_unwind_function(struct ss_elf *elf, uint64_t address, uint64_t *ret_start,
			   uint64_t *ret_end);

#endif
