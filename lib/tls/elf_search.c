/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patterns lie in a table by their first two bytes, so each byte of the file is looked at once. */
#include "tls/elf_search.h"

#include <string.h>

#include <glib.h>

struct search {
	const struct ss_elf_pattern *patterns;
	size_t count, longest;
	/* patterns by their first two bytes: number of the first + 1, then of the next */
	uint8_t first[65536], next[SS_ELF_PATTERNS_MAX];
};

static size_t two_bytes(const uint8_t *bytes)
{
	return (size_t)bytes[0] | (size_t)bytes[1] << 8;
}

static struct search *search_new(const struct ss_elf_pattern *patterns, size_t count)
{
	struct search *search = g_new0(struct search, 1);

	search->patterns = patterns;
	search->count = MIN(count, SS_ELF_PATTERNS_MAX);
	for (size_t i = 0; i < search->count; i++) {
		size_t key = two_bytes(patterns[i].bytes);

		search->next[i] = search->first[key];
		search->first[key] = (uint8_t)(i + 1);
		search->longest = MAX(search->longest, patterns[i].length);
	}
	return search;
}

/* Matches that begin in the first length bytes; available: how many may be compared. */
static bool search_chunk(const struct search *search, const uint8_t *data, size_t length,
			 size_t available, uint64_t offset,
			 bool (*each)(size_t pattern, uint64_t offset, void *user_data),
			 void *user_data)
{
	for (size_t i = 0; i < length && i + 1 < available; i++) {
		unsigned next = search->first[two_bytes(data + i)];

		for (; next; next = search->next[next - 1]) {
			const struct ss_elf_pattern *pattern = &search->patterns[next - 1];

			if (pattern->length <= available - i &&
			    !memcmp(data + i, pattern->bytes, pattern->length) &&
			    !each(next - 1, offset + i, user_data))
				return false;
		}
	}
	return true;
}

void ss_elf_search(struct ss_elf *elf, uint64_t offset, uint64_t length,
		   const struct ss_elf_pattern *patterns, size_t count,
		   bool (*each)(size_t pattern, uint64_t offset, void *user_data), void *user_data)
{
	g_autofree struct search *search = search_new(patterns, count);
	g_autofree uint8_t *data = NULL;
	uint64_t size = ss_elf_size(elf), end;

	if (offset >= size)
		return;
	end = offset + MIN(length, size - offset);
	data = g_malloc(MIN(end - offset, SS_ELF_CHUNK_SIZE + UINT8_MAX));
	while (offset < end) {
		size_t want = (size_t)MIN(end - offset, SS_ELF_CHUNK_SIZE + search->longest - 1);
		ssize_t n = ss_elf_read_some(elf, data, want, offset);

		if (n <= 0 || !search_chunk(search, data, MIN((size_t)n, SS_ELF_CHUNK_SIZE),
					    (size_t)n, offset, each, user_data))
			return;
		offset += SS_ELF_CHUNK_SIZE;
	}
}
