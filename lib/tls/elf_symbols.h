/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions in an ELF file (elf.h), by their names. */
#ifndef SS_TLS_ELF_SYMBOLS_H
#define SS_TLS_ELF_SYMBOLS_H

#include "tls/elf.h"

struct ss_elf_name {
	const char *text;
	bool prefix; /* names that begin so: C++ */
	bool suffix; /* that end so, and are not much longer: Rust */
};

/* Functions defined under these names, in the dynamic and the full symbol table; one that is in
 * both comes twice. index: of the name. */
void ss_elf_functions(struct ss_elf *elf, const struct ss_elf_name *names, size_t count,
		      void (*each)(size_t index, uint64_t address, uint64_t size, void *user_data),
		      void *user_data);

#endif
