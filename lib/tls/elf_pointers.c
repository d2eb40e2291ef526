/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Relative relocations, and words in the loaded parts of the file. */
#include "tls/elf_pointers.h"

#include <glib.h>

#include "cursor.h"
#include "tls/elf_search.h"

#define POINTERS_MAX    (UINT64_C(1) << 30) /* bytes of a segment that are searched */
#define RELOCATIONS_MAX (2 * 1024 * 1024)

static bool is_relative(uint16_t machine, uint64_t info)
{
	return (info & UINT32_MAX) ==
	       (machine == EM_X86_64 ? (uint64_t)R_X86_64_RELATIVE : R_AARCH64_RELATIVE);
}

/* Ends when each() returns false. */
static void each_relative(struct ss_elf *elf,
			  bool (*each)(uint64_t address, uint64_t addend, void *user_data),
			  void *user_data)
{
	const size_t step = sizeof(Elf64_Rela);
	const struct ss_elf_range relocations = ss_elf_relocations(elf);
	uint64_t left = MIN(relocations.size / step, RELOCATIONS_MAX);
	g_autofree uint8_t *data = g_malloc(MIN(left * step, SS_ELF_CHUNK_SIZE));
	uint64_t offset = relocations.offset;

	while (left) {
		size_t want = (size_t)MIN(left, SS_ELF_CHUNK_SIZE / step) * step;
		ssize_t n = ss_elf_read_some(elf, data, want, offset);
		struct ss_cursor cursor = ss_cursor(data, n > 0 ? (size_t)n : 0);
		uint64_t address, info, addend;

		while (ss_cursor_u64(&cursor, &address) == 0 &&
		       ss_cursor_u64(&cursor, &info) == 0 && ss_cursor_u64(&cursor, &addend) == 0)
			if (is_relative(ss_elf_machine(elf), info) &&
			    !each(address, addend, user_data))
				return;
		if (n < (ssize_t)want)
			return;
		left -= want / step;
		offset += want;
	}
}

struct overlay {
	uint64_t address;
	uint64_t *words;
	size_t count;
};

static bool overlay_one(uint64_t address, uint64_t addend, void *user_data)
{
	const struct overlay *overlay = user_data;
	uint64_t distance = address - overlay->address;

	if (address >= overlay->address && distance % 8 == 0 && distance / 8 < overlay->count)
		overlay->words[distance / 8] = addend;
	return true;
}

int ss_elf_read_pointers(struct ss_elf *elf, uint64_t address, uint64_t *ret_words, size_t count)
{
	struct overlay overlay = {address, ret_words, count};
	uint64_t offset;
	int r = ss_elf_to_offset(elf, address, &offset);

	if (r == 0)
		r = ss_elf_read(elf, offset, ret_words, count * sizeof(*ret_words));
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		ret_words[i] = GUINT64_FROM_LE(ret_words[i]);
	each_relative(elf, overlay_one, &overlay);
	return 0;
}

struct pointer_search {
	struct ss_elf *elf;
	uint64_t value;
	bool (*each)(uint64_t address, void *user_data);
	void *user_data;
	bool ended;
};

static bool found_relative(uint64_t address, uint64_t addend, void *user_data)
{
	struct pointer_search *search = user_data;

	if (addend == search->value)
		search->ended = !search->each(address, search->user_data);
	return !search->ended;
}

static bool found_word(size_t pattern, uint64_t offset, void *user_data)
{
	struct pointer_search *search = user_data;
	uint64_t address;

	(void)pattern;
	if (ss_elf_to_address(search->elf, offset, &address) == 0 && address % 8 == 0)
		search->ended = !search->each(address, search->user_data);
	return !search->ended;
}

void ss_elf_find_pointer(struct ss_elf *elf, uint64_t value,
			 bool (*each)(uint64_t address, void *user_data), void *user_data)
{
	struct pointer_search search = {elf, value, each, user_data, false};
	uint64_t bytes = GUINT64_TO_LE(value);
	struct ss_elf_pattern pattern = {&bytes, sizeof(bytes)};
	size_t count;
	const struct ss_elf_segment *segments = ss_elf_segments(elf, &count);

	each_relative(elf, found_relative, &search);
	for (size_t i = 0; i < count && !search.ended; i++)
		ss_elf_search(elf, segments[i].offset, MIN(segments[i].size, POINTERS_MAX),
			      &pattern, 1, found_word, &search);
}
