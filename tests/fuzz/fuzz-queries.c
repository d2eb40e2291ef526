/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way through the stage that keeps one half of DNS exchanges for the other, offered
 * in portions as the pump does. The first byte says how many bytes come at once; the rest are
 * blocks of interfaces 0 (a pod, Ethernet), 1 (the pod, raw) and 2 (the host). Lengths of blocks
 * never change, and after a release everything leaves.
 */
#include <string.h>

#include <glib.h>

#include "format/pcapng.h"
#include "output/block.h"
#include "queries.h"

#define STEP_NS 70000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void late(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data)
{
	uint64_t all = UINT64_MAX;

	(void)user_data;
	(void)time_ns;
	g_assert_cmpuint(interface_id, <, 3);
	g_assert_cmpuint(ss_block_walk(block->data, block->len, SIZE_MAX, &all), ==, block->len);
	g_byte_array_unref(block);
}

static void left_out(uint32_t interface_id, void *user_data)
{
	(void)user_data;
	g_assert_cmpuint(interface_id, <, 3);
}

static size_t whole_blocks(const uint8_t *data, size_t size, size_t most)
{
	uint64_t all = UINT64_MAX;

	return ss_block_walk(data, size, most, &all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ss_queries_callbacks callbacks = {left_out, late, NULL};
	g_autofree uint8_t *blocks = NULL;
	size_t length, offered = 0, portion, from = 0;
	struct ss_queries *queries;
	uint64_t now_ns = 1, again_ns;

	if (size < 1)
		return 0;
	length = whole_blocks(data + 1, size - 1, SIZE_MAX);
	blocks = g_memdup2(data + 1, length);
	portion = (data[0] & 0x7fu) * 16 + 16;
	queries = ss_queries_new(data[0] & 1, &callbacks);
	ss_queries_interface(queries, 0, SS_LINKTYPE_ETHERNET, 1);
	ss_queries_interface(queries, 1, SS_LINKTYPE_RAW, 1);
	ss_queries_interface(queries, 2, SS_LINKTYPE_ETHERNET, 2);
	while (from < length) {
		size_t come = whole_blocks(blocks + offered, length - offered, portion);
		size_t admitted;

		if (!come) /* one block above the portion, or the end: nothing new comes */
			come = length - offered;
		offered += come;
		again_ns = 0;
		admitted =
			ss_queries_admit(queries, blocks + from, offered - from, now_ns, &again_ns);
		g_assert(admitted <= offered - from);
		g_assert(admitted == offered - from || again_ns);
		g_assert(whole_blocks(blocks + from, admitted, SIZE_MAX) == admitted);
		from += admitted;
		now_ns += STEP_NS;
		if (offered == length && from < length && data[0] & 0x80) {
			ss_queries_release(queries);
			g_assert(ss_queries_admit(queries, blocks + from, length - from, now_ns,
						  &again_ns) == length - from);
			break;
		}
	}
	ss_queries_free(queries);
	g_assert(whole_blocks(blocks, length, SIZE_MAX) == length);
	return 0;
}
