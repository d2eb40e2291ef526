/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes in an ELF file (elf.h), wherever they are. */
#ifndef SS_TLS_ELF_SEARCH_H
#define SS_TLS_ELF_SEARCH_H

#include "tls/elf.h"

#define SS_ELF_PATTERNS_MAX 64

struct ss_elf_pattern {
	const void *bytes;
	size_t length; /* 2 to 255 */
};

/* All patterns in one pass over length bytes of the file. Ends when each() returns false. */
void ss_elf_search(struct ss_elf *elf, uint64_t offset, uint64_t length,
		   const struct ss_elf_pattern *patterns, size_t count,
		   bool (*each)(size_t pattern, uint64_t offset, void *user_data), void *user_data);

#endif
