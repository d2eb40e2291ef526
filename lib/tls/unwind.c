/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only the encodings that every linker writes: offsets of 32 bits, in the table relative to its
 * beginning, in the entries themselves relative to where they stand. An entry that does not say the
 * same as the table is taken for another encoding, and not believed.
 */
#include "tls/unwind.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#define TABLE 12 /* bytes before it: four bytes of version and encodings, pointer, count */
#define ROW   8  /* function, its entry */

static const uint8_t encodings[4] = {
	1,    /* version */
	0x1b, /* pointer: relative to itself, 32 bits with a sign */
	0x03, /* count: 32 bits */
	0x3b, /* rows: relative to the table, 32 bits with a sign */
};

static int read_row(struct ss_elf *elf, const struct ss_elf_table *table, uint32_t index,
		    uint64_t *ret_function, uint64_t *ret_entry)
{
	uint64_t offset = table->offset + TABLE + (uint64_t)ROW * index;
	uint32_t function, entry;

	if (ss_elf_read_u32(elf, offset, &function) < 0 ||
	    ss_elf_read_u32(elf, offset + 4, &entry) < 0)
		return -EBADMSG;
	*ret_function = table->address + (uint64_t)(int32_t)function;
	*ret_entry = table->address + (uint64_t)(int32_t)entry;
	return 0;
}

/* The last row that begins at the address or before it. */
static int find_row(struct ss_elf *elf, const struct ss_elf_table *table, uint32_t count,
		    uint64_t address, uint64_t *ret_function, uint64_t *ret_entry)
{
	uint32_t low = 0, high = count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		uint64_t function, entry;

		if (read_row(elf, table, middle, &function, &entry) < 0)
			return -EBADMSG;
		if (function <= address)
			low = middle;
		else
			high = middle;
	}
	return read_row(elf, table, low, ret_function, ret_entry);
}

/* An entry: length, pointer to what entries share, begin (relative to itself), size. */
static int read_size(struct ss_elf *elf, uint64_t entry, uint64_t function, uint32_t *ret_size)
{
	uint64_t offset;
	uint32_t begin;

	if (ss_elf_to_offset(elf, entry, &offset) < 0 ||
	    ss_elf_read_u32(elf, offset + 8, &begin) < 0 ||
	    entry + 8 + (uint64_t)(int32_t)begin != function)
		return -ENOENT;
	return ss_elf_read_u32(elf, offset + 12, ret_size);
}

int ss_tls_unwind_function(struct ss_elf *elf, uint64_t address, uint64_t *ret_start,
			   uint64_t *ret_end)
{
	struct ss_elf_table table;
	uint64_t function, entry;
	uint32_t count, size;
	uint8_t head[4];

	if (ss_elf_unwind_table(elf, &table) < 0 ||
	    ss_elf_read(elf, table.offset, head, sizeof(head)) < 0 ||
	    memcmp(head, encodings, sizeof(head)) != 0 ||
	    ss_elf_read_u32(elf, table.offset + 8, &count) < 0 || !count ||
	    find_row(elf, &table, count, address, &function, &entry) < 0 ||
	    read_size(elf, entry, function, &size) < 0)
		return -ENOENT;
	if (address < function || address - function >= size)
		return -ENOENT;
	*ret_start = function;
	*ret_end = function + size;
	return 0;
}
