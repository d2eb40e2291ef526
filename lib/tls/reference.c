/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On x86-64 an address is made by "lea address(%rip), reg", or by "mov $address, reg" in programs
 * at fixed addresses; on arm64 by "adrp" and "add".
 */
#include "tls/reference.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "cursor.h"
#include "tls/elf_search.h"

#define SCAN_MAX       (UINT64_C(1) << 30) /* bytes */
#define REFERENCES_MAX 65536
#define CHUNK          (256 * 1024)
#define ADD_WITHIN     32 /* bytes from adrp to add */
#define LOOK_AHEAD     (ADD_WITHIN + 16)

struct search {
	struct ss_elf *elf;
	const uint64_t *addresses;
	size_t count;
	unsigned found;
	void (*each)(uint64_t behind, void *user_data);
	void *user_data;
};

/* A piece of code; its first bytes are at address. */
struct piece {
	const uint8_t *bytes;
	size_t length;
	uint64_t address;
};

static bool is_wanted(const struct search *search, uint64_t address)
{
	for (size_t i = 0; i < search->count; i++)
		if (search->addresses[i] == address)
			return true;
	return false;
}

static void tell(struct search *search, uint64_t behind)
{
	if (search->found++ < REFERENCES_MAX)
		search->each(behind, search->user_data);
}

static uint32_t word_at(const uint8_t *bytes, size_t length, size_t at)
{
	struct ss_cursor cursor = ss_cursor(bytes, length);
	uint32_t word = 0;

	if (ss_cursor_skip(&cursor, at) == 0)
		ss_cursor_u32(&cursor, &word);
	return word;
}

static void look_x86(struct search *search, const struct piece *piece, size_t length)
{
	const uint8_t *bytes = piece->bytes;

	for (size_t i = 0; i < length && i + 7 <= piece->length; i++) {
		const uint8_t *found = memchr(bytes + i, 0x8d, MIN(length, piece->length) - i);
		uint64_t behind;

		if (!found)
			return;
		i = (size_t)(found - bytes);
		/* REX.W, lea, and a modrm byte that says: relative to the next instruction */
		if (i < 1 || i + 6 > piece->length || (bytes[i - 1] & 0xfb) != 0x48 ||
		    (bytes[i + 1] & 0xc7) != 0x05)
			continue;
		behind = piece->address + i + 6;
		if (is_wanted(search,
			      behind + (uint64_t)(int32_t)word_at(bytes, piece->length, i + 2)))
			tell(search, behind);
	}
}

static bool look_at_immediate(size_t pattern, uint64_t offset, void *user_data)
{
	struct search *search = user_data;
	uint64_t address;
	uint8_t opcode;

	(void)pattern;
	if (offset && ss_elf_to_address(search->elf, offset - 1, &address) == 0 &&
	    ss_elf_read(search->elf, offset - 1, &opcode, 1) == 0 && (opcode & 0xf8) == 0xb8)
		tell(search, address + 5);
	return search->found < REFERENCES_MAX;
}

/* mov $address, reg */
static void look_for_immediates(struct search *search, const struct ss_elf_segment *segment)
{
	struct ss_elf_pattern patterns[SS_TLS_ADDRESSES_MAX];
	uint32_t bytes[SS_TLS_ADDRESSES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < search->count; i++) {
		if (search->addresses[i] > UINT32_MAX)
			continue;
		bytes[count] = GUINT32_TO_LE((uint32_t)search->addresses[i]);
		patterns[count] = (struct ss_elf_pattern){&bytes[count], 4};
		count++;
	}
	ss_elf_search(search->elf, segment->offset, MIN(segment->size, SCAN_MAX), patterns, count,
		      look_at_immediate, search);
}

/* adrp x, page: 21 bits with a sign, in two parts; then add x, x, rest of the address. */
static void look_arm64(struct search *search, const struct piece *piece, size_t length)
{
	for (size_t i = 0; i < length && i + 4 <= piece->length; i += 4) {
		uint32_t word = word_at(piece->bytes, piece->length, i);
		uint64_t immediate = ((uint64_t)(word >> 5 & 0x7ffff) << 2 | (word >> 29 & 3))
				     << 12;
		uint64_t page;

		if ((word & 0x9f000000) != 0x90000000)
			continue;
		page = ((piece->address + i) & ~UINT64_C(0xfff)) +
		       (uint64_t)((int64_t)(immediate << 31) >> 31);
		for (size_t k = i + 4; k <= i + ADD_WITHIN && k + 4 <= piece->length; k += 4) {
			uint32_t add = word_at(piece->bytes, piece->length, k);

			if ((add & 0xffc00000) != 0x91000000 || (add >> 5 & 31) != (word & 31) ||
			    !is_wanted(search, page + (add >> 10 & 0xfff)))
				continue;
			tell(search, piece->address + k + 4);
			break;
		}
	}
}

static void look_at_segment(struct search *search, const struct ss_elf_segment *segment)
{
	g_autofree uint8_t *bytes = g_malloc(CHUNK + LOOK_AHEAD);
	bool arm64 = ss_elf_machine(search->elf) == EM_AARCH64;
	uint64_t size = MIN(segment->size, SCAN_MAX);

	for (uint64_t done = 0; done < size; done += CHUNK) {
		size_t length = (size_t)MIN(size - done, CHUNK + LOOK_AHEAD);
		struct piece piece = {bytes, length, segment->address + done};

		if (ss_elf_read(search->elf, segment->offset + done, bytes, length) < 0)
			return;
		if (arm64)
			look_arm64(search, &piece, MIN(length, CHUNK));
		else
			/* one more: a prefix may be the last byte, and the first has none before it
			 */
			look_x86(search, &piece, MIN(length, CHUNK + 1));
	}
	if (!arm64 && ss_elf_is_fixed(search->elf))
		look_for_immediates(search, segment);
}

void ss_tls_references_find(struct ss_elf *elf, const uint64_t *addresses, size_t count,
			    void (*each)(uint64_t behind, void *user_data), void *user_data)
{
	struct search search = {elf, addresses, MIN(count, SS_TLS_ADDRESSES_MAX),
				0,   each,      user_data};
	size_t segment_count;
	const struct ss_elf_segment *segments = ss_elf_segments(elf, &segment_count);

	for (size_t i = 0; search.count && i < segment_count; i++)
		if (segments[i].executable)
			look_at_segment(&search, &segments[i]);
}

size_t ss_tls_call_step(const struct ss_elf *elf)
{
	return ss_elf_machine(elf) == EM_AARCH64 ? 4 : 1;
}

int ss_tls_call_target(struct ss_elf *elf, uint64_t address, const uint8_t *bytes, size_t length,
		       uint64_t *ret_target)
{
	uint64_t target, offset;
	uint32_t word;

	if (ss_elf_machine(elf) == EM_AARCH64) {
		word = word_at(bytes, length, 0);
		if ((word & 0xfc000000) != 0x94000000)
			return -ENOENT;
		/* 26 bits with a sign, in words */
		target = address + (uint64_t)((int64_t)((uint64_t)word << 38) >> 36);
	} else {
		if (length < 5 || bytes[0] != 0xe8)
			return -ENOENT;
		target = address + 5 + (uint64_t)(int32_t)word_at(bytes, length, 1);
	}
	if (ss_elf_code_offset(elf, target, &offset) < 0)
		return -ENOENT;
	*ret_target = target;
	return 0;
}
