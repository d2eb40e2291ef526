/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whoever calls ssl_log_secret() loads the address of one of the labels of the key log and calls
 * soon afterwards. So every instruction in the file that makes such an address has a vote: the
 * function which is called next. The secrets are derived in half a dozen places, in code that the
 * compiler arranges as it likes; the function itself is what most of them have in common.
 *
 * No disassembler: bytes that look like such an instruction by chance vote, too, for targets of
 * their own. On x86-64 that is "lea label(%rip), reg", or "mov $label, reg" in programs at fixed
 * addresses; on arm64 "adrp" and "add".
 */
#include "tls/boringssl.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "cursor.h"

#define SCAN_MAX   (UINT64_C(1) << 30) /* bytes */
#define LABELS_MAX 64
#define VOTES_MAX  1024
#define VOTES_MIN  3

#define CHUNK       (256 * 1024)
#define CALL_WITHIN 96 /* bytes from the reference to the call */
#define ADD_WITHIN  32 /* bytes from adrp to add */
#define LOOK_AHEAD  (CALL_WITHIN + ADD_WITHIN + 16)

#define LABEL(text)                                                                                \
	{                                                                                          \
		text, sizeof(text)                                                                 \
	} /* with its NUL */

static const struct ss_elf_pattern label_texts[] = {
	LABEL("CLIENT_RANDOM"),
	LABEL("CLIENT_EARLY_TRAFFIC_SECRET"),
	LABEL("CLIENT_HANDSHAKE_TRAFFIC_SECRET"),
	LABEL("SERVER_HANDSHAKE_TRAFFIC_SECRET"),
	LABEL("CLIENT_TRAFFIC_SECRET_0"),
	LABEL("SERVER_TRAFFIC_SECRET_0"),
	LABEL("EXPORTER_SECRET"),
};

struct vote {
	uint64_t target;
	unsigned count;
};

struct search {
	struct ss_elf *elf;
	uint64_t labels[LABELS_MAX]; /* addresses */
	size_t label_count;
	GArray *votes; /* struct vote */
	unsigned references;
};

static bool is_label(const struct search *search, uint64_t address)
{
	for (size_t i = 0; i < search->label_count; i++)
		if (search->labels[i] == address)
			return true;
	return false;
}

static bool add_label(size_t pattern, uint64_t offset, void *user_data)
{
	struct search *search = user_data;
	uint64_t address;

	(void)pattern;
	if (ss_elf_to_address(search->elf, offset, &address) == 0)
		search->labels[search->label_count++] = address;
	return search->label_count < LABELS_MAX;
}

static void add_vote(struct search *search, uint64_t target)
{
	struct vote vote = {target, 1};

	for (guint i = 0; i < search->votes->len; i++) {
		struct vote *other = &g_array_index(search->votes, struct vote, i);

		if (other->target == target) {
			other->count++;
			return;
		}
	}
	if (search->votes->len < VOTES_MAX)
		g_array_append_val(search->votes, vote);
}

/* A piece of code; its first bytes are at address. */
struct piece {
	const uint8_t *bytes;
	size_t length;
	uint64_t address;
};

static uint32_t word_at(const struct piece *piece, size_t at)
{
	struct ss_cursor cursor = ss_cursor(piece->bytes, piece->length);
	uint32_t word = 0;

	if (ss_cursor_skip(&cursor, at) == 0)
		ss_cursor_u32(&cursor, &word);
	return word;
}

/* x86-64: the function that is called next; functions begin at multiples of 16. */
static void vote_x86(struct search *search, const struct piece *piece, size_t at)
{
	size_t end = MIN(at + CALL_WITHIN, piece->length);
	uint64_t offset;

	search->references++;
	for (; at + 5 <= end; at++) {
		uint64_t target =
			piece->address + at + 5 + (uint64_t)(int32_t)word_at(piece, at + 1);

		if (piece->bytes[at] != 0xe8 || target % 16 ||
		    ss_elf_code_offset(search->elf, target, &offset) < 0)
			continue;
		add_vote(search, target);
		return;
	}
}

static void look_x86(struct search *search, const struct piece *piece, size_t length)
{
	const uint8_t *bytes = piece->bytes;

	for (size_t i = 0; i < length && i + 7 <= piece->length; i++) {
		const uint8_t *found = memchr(bytes + i, 0x8d, MIN(length, piece->length) - i);

		if (!found)
			return;
		i = (size_t)(found - bytes);
		/* REX.W, lea, and a modrm byte that says: relative to the next instruction */
		if (i >= 1 && i + 6 <= piece->length && (bytes[i - 1] & 0xfb) == 0x48 &&
		    (bytes[i + 1] & 0xc7) == 0x05 &&
		    is_label(search,
			     piece->address + i + 6 + (uint64_t)(int32_t)word_at(piece, i + 2)))
			vote_x86(search, piece, i + 6);
	}
}

static bool look_at_immediate(size_t pattern, uint64_t offset, void *user_data)
{
	struct search *search = user_data;
	uint8_t bytes[5 + CALL_WITHIN];
	struct piece piece = {bytes, sizeof(bytes), 0};

	(void)pattern;
	if (offset < 1 || ss_elf_to_address(search->elf, offset - 1, &piece.address) < 0 ||
	    ss_elf_read(search->elf, offset - 1, bytes, sizeof(bytes)) < 0)
		return true;
	if ((bytes[0] & 0xf8) == 0xb8)
		vote_x86(search, &piece, 5);
	return true;
}

/* mov $label, reg */
static void look_for_immediates(struct search *search, const struct ss_elf_segment *segment)
{
	struct ss_elf_pattern patterns[LABELS_MAX];
	uint32_t bytes[LABELS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < search->label_count; i++) {
		if (search->labels[i] > UINT32_MAX)
			continue;
		bytes[count] = GUINT32_TO_LE((uint32_t)search->labels[i]);
		patterns[count] = (struct ss_elf_pattern){&bytes[count], 4};
		count++;
	}
	ss_elf_search(search->elf, segment->offset, MIN(segment->size, SCAN_MAX), patterns, count,
		      look_at_immediate, search);
}

/* arm64: the next bl. */
static void vote_arm64(struct search *search, const struct piece *piece, size_t at)
{
	size_t end = MIN(at + CALL_WITHIN, piece->length);
	uint64_t offset;

	search->references++;
	for (; at + 4 <= end; at += 4) {
		uint32_t word = word_at(piece, at);
		/* 26 bits with a sign, in words */
		uint64_t target =
			piece->address + at + (uint64_t)((int64_t)((uint64_t)word << 38) >> 36);

		if ((word & 0xfc000000) != 0x94000000 ||
		    ss_elf_code_offset(search->elf, target, &offset) < 0)
			continue;
		add_vote(search, target);
		return;
	}
}

/* adrp x, page: 21 bits with a sign, in two parts; then add x, x, rest of the address. */
static void look_arm64(struct search *search, const struct piece *piece, size_t length)
{
	for (size_t i = 0; i < length && i + 4 <= piece->length; i += 4) {
		uint32_t word = word_at(piece, i);
		uint64_t immediate = ((uint64_t)(word >> 5 & 0x7ffff) << 2 | (word >> 29 & 3))
				     << 12;
		uint64_t page;

		if ((word & 0x9f000000) != 0x90000000)
			continue;
		page = ((piece->address + i) & ~UINT64_C(0xfff)) +
		       (uint64_t)((int64_t)(immediate << 31) >> 31);
		for (size_t k = i + 4; k <= i + ADD_WITHIN && k + 4 <= piece->length; k += 4) {
			uint32_t add = word_at(piece, k);

			if ((add & 0xffc00000) != 0x91000000 || (add >> 5 & 31) != (word & 31) ||
			    !is_label(search, page + (add >> 10 & 0xfff)))
				continue;
			vote_arm64(search, piece, k + 4);
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
	if (!arm64)
		look_for_immediates(search, segment);
}

static int count_votes(const struct search *search, uint64_t *ret_target)
{
	const struct vote *best = NULL;

	for (guint i = 0; i < search->votes->len; i++) {
		const struct vote *vote = &g_array_index(search->votes, struct vote, i);

		if (!best || vote->count > best->count)
			best = vote;
	}
	if (!best || best->count < VOTES_MIN || best->count * 2 <= search->references)
		return -ENOENT;
	*ret_target = best->target;
	return 0;
}

int ss_boringssl_find(struct ss_elf *elf, uint64_t *ret_offset)
{
	struct search search = {.elf = elf};
	const struct ss_elf_segment *segments;
	uint64_t target;
	size_t count;
	int r;

	segments = ss_elf_segments(elf, &count);
	for (size_t i = 0; i < count && search.label_count < LABELS_MAX; i++)
		ss_elf_search(elf, segments[i].offset, MIN(segments[i].size, SCAN_MAX), label_texts,
			      G_N_ELEMENTS(label_texts), add_label, &search);
	if (!search.label_count)
		return -ENOENT;
	search.votes = g_array_new(FALSE, FALSE, sizeof(struct vote));
	for (size_t i = 0; i < count; i++)
		if (segments[i].executable)
			look_at_segment(&search, &segments[i]);
	r = count_votes(&search, &target);
	if (r == 0)
		r = ss_elf_code_offset(elf, target, ret_offset);
	g_array_unref(search.votes);
	return r;
}
