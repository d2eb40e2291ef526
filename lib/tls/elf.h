/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF files of x86-64 and arm64 (64 bit, little-endian), as they are found in pods: any byte may be
 * a lie, and the file may change or shrink while it is read. Offsets are in the file, addresses as
 * linked. Whatever is not there, or lies outside, is -EBADMSG.
 */
#ifndef SS_TLS_ELF_H
#define SS_TLS_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SS_ELF_BUILD_ID_MAX 64           /* bytes; linkers write 20, Go's own note is another one */
#define SS_ELF_CHUNK_SIZE   (256 * 1024) /* long passes read at once */
#define SS_ELF_SYMBOLS_MAX  (4 * 1024 * 1024) /* no real file has more */

struct ss_elf;

/* A PT_LOAD, cut to what the file has. */
struct ss_elf_segment {
	uint64_t offset, address, size;
	bool executable, writable;
};

/* A part of the file; of a lie, outside of it. */
struct ss_elf_range {
	uint64_t offset, size;
};

/* size 0: the file has none. */
struct ss_elf_symbol_table {
	struct ss_elf_range symbols, strings; /* Elf64_Sym; texts that end with NUL */
};

#define SS_ELF_SYMBOL_TABLES 2

/* A part of the file, and where it is loaded. */
struct ss_elf_table {
	uint64_t offset, address;
};

/* Borrows the descriptor. 0, -EBADMSG: not such a file, or another errno of reading. */
int ss_elf_new(int fd, struct ss_elf **ret_elf);
void ss_elf_free(struct ss_elf *elf);

uint64_t ss_elf_size(const struct ss_elf *elf);
uint16_t ss_elf_machine(const struct ss_elf *elf); /* EM_X86_64, EM_AARCH64 */
const struct ss_elf_segment *ss_elf_segments(const struct ss_elf *elf, size_t *ret_count);
/* Is it loaded at the addresses that it was linked for? Else code finds its own by where it is. */
bool ss_elf_is_fixed(const struct ss_elf *elf);
/* The name the file gives itself (DT_SONAME). Allocated; NULL without. */
char *ss_elf_soname(struct ss_elf *elf);
/* The length of the build-id, 0 without. */
size_t ss_elf_build_id(struct ss_elf *elf, uint8_t ret_id[SS_ELF_BUILD_ID_MAX]);

/* The table of functions (.eh_frame_hdr). -ENOENT without. */
int ss_elf_unwind_table(const struct ss_elf *elf, struct ss_elf_table *ret_table);

/* The dynamic one, which needs no section header, and the full one. */
void ss_elf_symbol_tables(const struct ss_elf *elf,
			  struct ss_elf_symbol_table ret_tables[SS_ELF_SYMBOL_TABLES]);
/* Of the dynamic section, Elf64_Rela. */
struct ss_elf_range ss_elf_relocations(const struct ss_elf *elf);

/* Up to length bytes: how many, or a negative errno. Nothing is kept, for passes over much. */
ssize_t ss_elf_read_some(struct ss_elf *elf, void *data, size_t length, uint64_t offset);
/* Exactly length bytes. */
int ss_elf_read(struct ss_elf *elf, uint64_t offset, void *ret_data, size_t length);
int ss_elf_read_u32(struct ss_elf *elf, uint64_t offset, uint32_t *ret_value);
int ss_elf_read_u64(struct ss_elf *elf, uint64_t offset, uint64_t *ret_value);
/* Up to a NUL, size - 1 bytes at most; always terminated. */
int ss_elf_read_text(struct ss_elf *elf, uint64_t offset, char *ret_text, size_t size);

int ss_elf_to_offset(const struct ss_elf *elf, uint64_t address, uint64_t *ret_offset);
int ss_elf_to_address(const struct ss_elf *elf, uint64_t offset, uint64_t *ret_address);
/* Of code: only addresses in executable segments. */
int ss_elf_code_offset(const struct ss_elf *elf, uint64_t address, uint64_t *ret_offset);

#endif
