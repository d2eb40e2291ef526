/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code of x86-64 and arm64 that makes an address, found without a disassembler. */
#ifndef SS_TLS_REFERENCE_H
#define SS_TLS_REFERENCE_H

#include "tls/elf.h"

#define SS_TLS_ADDRESSES_MAX 64

/*
 * Every place in executable segments whose instruction makes one of the addresses; bytes that look
 * so by chance count, too. behind: the address of the next instruction. A bounded number of places.
 */
void ss_tls_references_find(struct ss_elf *elf, const uint64_t *addresses, size_t count,
			    void (*each)(uint64_t behind, void *user_data), void *user_data);

/* Where a direct call (call, bl) whose first byte is at the address goes: into code of the file. */
int ss_tls_call_target(struct ss_elf *elf, uint64_t address, const uint8_t *bytes, size_t length,
		       uint64_t *ret_target);
/* Bytes from one place where a call may begin to the next. */
size_t ss_tls_call_step(const struct ss_elf *elf);

#endif
