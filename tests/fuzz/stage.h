/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offers blocks to a stage of the gate in portions, as the pump does. The first byte of the data
 * says how many bytes come at once; the rest are blocks. Lengths of blocks never change, and after
 * a release everything leaves.
 */
#ifndef SS_FUZZ_STAGE_H
#define SS_FUZZ_STAGE_H

#include <glib.h>

#include "format/pcapng.h"
#include "output/blocks.h"
#include "tests/offer.h"

#ifndef STEP_NS
#define STEP_NS 70000000u
#endif
#define INTERFACES 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What stages call. */

static inline void left_out(uint32_t interface_id, void *user_data)
{
	(void)user_data;
	g_assert_cmpuint(interface_id, <, INTERFACES);
}

static inline void late(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data)
{
	(void)user_data;
	(void)time_ns;
	g_assert_cmpuint(interface_id, <, INTERFACES);
	g_assert_cmpuint(whole_blocks(block->data, block->len, SIZE_MAX), ==, block->len);
	g_byte_array_unref(block);
}

static inline void taken_back(uint32_t interface_id, uint32_t length, void *user_data)
{
	(void)user_data;
	(void)length;
	g_assert_cmpuint(interface_id, <, INTERFACES);
}

/* As a judge does it: what has the mark of context is left out, and may be taken back. */
static inline void leave_out_context(uint8_t *blocks, size_t length)
{
	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);)
		if (ss_block_is_context(blocks + walk.at, walk.size))
			ss_block_set_type(blocks + walk.at, SS_BLOCK_LEFT_OUT);
}

/* Those of a pod, Ethernet and raw, and one of the host. */
static inline void add_places(const struct ss_stage *stage)
{
	const struct ss_pod pod = {.uid = (char *)(uintptr_t) "a"};

	add_place(stage, (struct ss_place){0, 1, SS_LINKTYPE_ETHERNET, .pod = &pod});
	add_place(stage, (struct ss_place){1, 1, SS_LINKTYPE_RAW, .pod = &pod});
	add_place(stage, (struct ss_place){2, 2, SS_LINKTYPE_ETHERNET, .pod = NULL});
}

/* judged: some have been left out. */
static inline void offer_portions(const struct ss_stage *stage, const uint8_t *data, size_t size,
				  bool judged)
{
	size_t length = whole_blocks(data + 1, size - 1, SIZE_MAX);
	g_autofree uint8_t *blocks = g_memdup2(data + 1, length);
	size_t offered = 0, portion = (data[0] & 0x7fu) * 16 + 16, from = 0;
	uint64_t now_ns = 1;

	if (judged)
		leave_out_context(blocks, length);
	while (from < length) {
		size_t come = whole_blocks(blocks + offered, length - offered, portion);

		if (!come) /* one block above the portion, or the end: nothing new comes */
			come = length - offered;
		offered += come;
		from += offer(stage, blocks + from, offered - from, now_ns);
		now_ns += STEP_NS;
		if (offered == length && from < length && data[0] & 0x80) {
			ss_stage_release(stage);
			from += offer(stage, blocks + from, length - from, now_ns);
			g_assert(from == length);
		}
	}
	g_assert(whole_blocks(blocks, length, SIZE_MAX) == length);
}

#endif
