/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whoever calls ssl_log_secret() loads the address of one of the labels of the key log and calls
 * soon afterwards. So every instruction in the file that makes such an address has a vote: the
 * function which is called next. The secrets are derived in half a dozen places, in code that the
 * compiler arranges as it likes; the function itself is what most of them have in common.
 *
 * No disassembler: bytes that look like such an instruction by chance vote, too, for targets of
 * their own.
 */
#include "tls/boringssl.h"

#include <errno.h>

#include <glib.h>

#include "tls/elf_search.h"
#include "tls/reference.h"

#define SCAN_MAX    (UINT64_C(1) << 30) /* bytes */
#define VOTES_MAX   1024
#define VOTES_MIN   3
#define CALL_WITHIN 96 /* bytes from the reference to the call */

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
	uint64_t labels[SS_TLS_ADDRESSES_MAX];
	size_t label_count;
	GArray *votes; /* struct vote */
	unsigned references;
};

static bool add_label(size_t pattern, uint64_t offset, void *user_data)
{
	struct search *search = user_data;
	uint64_t address;

	(void)pattern;
	if (ss_elf_to_address(search->elf, offset, &address) == 0)
		search->labels[search->label_count++] = address;
	return search->label_count < SS_TLS_ADDRESSES_MAX;
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

/* For the function that is called next; on x86-64 functions begin at multiples of 16. */
static void vote(uint64_t behind, void *user_data)
{
	struct search *search = user_data;
	size_t alignment = ss_elf_machine(search->elf) == EM_AARCH64 ? 4 : 16;
	uint8_t code[CALL_WITHIN];
	uint64_t offset, target;
	size_t length;

	search->references++;
	if (ss_elf_code_offset(search->elf, behind, &offset) < 0)
		return;
	length = (size_t)MIN(sizeof(code), ss_elf_size(search->elf) - offset);
	if (ss_elf_read(search->elf, offset, code, length) < 0)
		return;
	for (size_t at = 0; at < length; at += ss_tls_call_step(search->elf)) {
		if (ss_tls_call_target(search->elf, behind + at, code + at, length - at, &target) <
			    0 ||
		    target % alignment)
			continue;
		add_vote(search, target);
		return;
	}
}

static int count_votes(const struct search *search, uint64_t *ret_target)
{
	const struct vote *best = NULL;

	for (guint i = 0; i < search->votes->len; i++) {
		const struct vote *one = &g_array_index(search->votes, struct vote, i);

		if (!best || one->count > best->count)
			best = one;
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
	for (size_t i = 0; i < count && search.label_count < SS_TLS_ADDRESSES_MAX; i++)
		ss_elf_search(elf, segments[i].offset, MIN(segments[i].size, SCAN_MAX), label_texts,
			      G_N_ELEMENTS(label_texts), add_label, &search);
	if (!search.label_count)
		return -ENOENT;
	search.votes = g_array_new(FALSE, FALSE, sizeof(struct vote));
	ss_tls_references_find(elf, search.labels, search.label_count, vote, &search);
	r = count_votes(&search, &target);
	if (r == 0)
		r = ss_elf_code_offset(elf, target, ret_offset);
	g_array_unref(search.votes);
	return r;
}
