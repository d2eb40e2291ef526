/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Symbols are found by their names' place in the string table (searched once for all names) and a
 * pass over the table of symbols, which is the same for .dynsym, whose section header may be
 * stripped, and .symtab, which has nothing but one.
 */
#include "tls/elf_symbols.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "cursor.h"
#include "tls/elf_search.h"

#define STRINGS_MAX (512 * 1024 * 1024)
#define PREFIX_MAX  64   /* bytes of a name before the end that is wanted */
#define HITS_MAX    4096 /* places of wanted names in a string table */

struct hit {
	uint32_t name; /* st_name */
	uint32_t index;
};

struct hits {
	struct ss_elf *elf;
	const struct ss_elf_name *names;
	uint64_t strings;
	GArray *items;
};

/* Where a name begins whose end was found. */
static uint64_t name_begin(const struct hits *hits, uint64_t offset)
{
	char before[PREFIX_MAX];
	size_t length = (size_t)MIN(sizeof(before), offset - hits->strings);

	if (ss_elf_read(hits->elf, offset - length, before, length) < 0)
		return offset;
	while (length && before[length - 1]) {
		length--;
		offset--;
	}
	return offset;
}

static bool add_hit(size_t pattern, uint64_t offset, void *user_data)
{
	struct hits *hits = user_data;
	uint64_t begin = hits->names[pattern].suffix ? name_begin(hits, offset) : offset;
	struct hit hit = {(uint32_t)(begin - hits->strings), (uint32_t)pattern};

	g_array_append_val(hits->items, hit);
	return hits->items->len < HITS_MAX;
}

static int compare_hits(gconstpointer a, gconstpointer b)
{
	const struct hit *left = a, *right = b;

	return (left->name > right->name) - (left->name < right->name);
}

static const struct hit *find_hit(const struct hits *hits, uint32_t name)
{
	const struct hit key = {name, 0};

	return bsearch(&key, hits->items->data, hits->items->len, sizeof(key), compare_hits);
}

static void
each_symbol(struct ss_elf *elf, const struct ss_elf_symbol_table *table, const struct hits *hits,
	    void (*each)(size_t index, uint64_t address, uint64_t size, void *user_data),
	    void *user_data)
{
	uint64_t count = MIN(table->symbols.size / sizeof(Elf64_Sym), SS_ELF_SYMBOLS_MAX);

	for (uint64_t i = 0; i < count; i++) {
		uint8_t symbol[sizeof(Elf64_Sym)] = {0}, info, other;
		struct ss_cursor cursor = ss_cursor(symbol, sizeof(symbol));
		const struct hit *hit;
		uint64_t value, size;
		uint16_t section;
		uint32_t name;

		if (ss_elf_read(elf, table->symbols.offset + i * sizeof(symbol), symbol,
				sizeof(symbol)) < 0)
			return;
		if (ss_cursor_u32(&cursor, &name) < 0 || ss_cursor_u8(&cursor, &info) < 0 ||
		    ss_cursor_u8(&cursor, &other) < 0 || ss_cursor_u16(&cursor, &section) < 0 ||
		    ss_cursor_u64(&cursor, &value) < 0 || ss_cursor_u64(&cursor, &size) < 0)
			return;
		hit = find_hit(hits, name);
		if (hit && ELF64_ST_TYPE(info) == STT_FUNC && section != SHN_UNDEF && value)
			each(hit->index, value, size, user_data);
	}
}

void ss_elf_functions(struct ss_elf *elf, const struct ss_elf_name *names, size_t count,
		      void (*each)(size_t index, uint64_t address, uint64_t size, void *user_data),
		      void *user_data)
{
	struct ss_elf_symbol_table tables[SS_ELF_SYMBOL_TABLES];
	struct ss_elf_pattern patterns[SS_ELF_PATTERNS_MAX];

	ss_elf_symbol_tables(elf, tables);
	count = MIN(count, SS_ELF_PATTERNS_MAX);
	for (size_t i = 0; i < count; i++)
		patterns[i] = (struct ss_elf_pattern){names[i].text,
						      strlen(names[i].text) + !names[i].prefix};
	for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
		struct hits hits = {elf, names, tables[i].strings.offset, NULL};

		if (!tables[i].symbols.size)
			continue;
		hits.items = g_array_new(FALSE, FALSE, sizeof(struct hit));
		ss_elf_search(elf, tables[i].strings.offset,
			      MIN(tables[i].strings.size, STRINGS_MAX), patterns, count, add_hit,
			      &hits);
		g_array_sort(hits.items, compare_hits);
		if (hits.items->len)
			each_symbol(elf, &tables[i], &hits, each, user_data);
		g_array_unref(hits.items);
	}
}
