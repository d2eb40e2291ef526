/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pointers in an ELF file (elf.h): words of 64 bits as the dynamic loader would make them at base
 * 0. In position independent files they are often zero in the file, and stand in the relocations.
 */
#ifndef SS_TLS_ELF_POINTERS_H
#define SS_TLS_ELF_POINTERS_H

#include "tls/elf.h"

/* -EBADMSG: they are not all in the file. */
int ss_elf_read_pointers(struct ss_elf *elf, uint64_t address, uint64_t *ret_words, size_t count);
/* Addresses of pointers that have this value, in relocations and in aligned words. Ends when
 * each() returns false. */
void ss_elf_find_pointer(struct ss_elf *elf, uint64_t value,
			 bool (*each)(uint64_t address, void *user_data), void *user_data);

#endif
