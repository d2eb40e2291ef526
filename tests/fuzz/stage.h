/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offers blocks to a stage of the gate in portions, as the pump does. The first byte of the data
 * says how many bytes come at once; the rest are blocks. Lengths of blocks never change, and after
 * a release everything leaves.
 */
#ifndef SS_FUZZ_STAGE_H
#define SS_FUZZ_STAGE_H

#include <string.h>

#include <glib.h>

#include "format/pcapng.h"
#include "output/block.h"

#define STEP_NS    70000000u
#define INTERFACES 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stage {
	void *self;
	size_t (*admit)(void *self, void *blocks, size_t length, uint64_t now_ns,
			uint64_t *ret_again_ns);
	void (*release)(void *self);
};

static void left_out(uint32_t interface_id, void *user_data)
{
	(void)user_data;
	g_assert_cmpuint(interface_id, <, INTERFACES);
}

static size_t whole_blocks(const uint8_t *data, size_t size, size_t most)
{
	uint64_t all = UINT64_MAX;

	return ss_block_walk(data, size, most, &all);
}

static void offer(const struct stage *stage, const uint8_t *data, size_t size)
{
	size_t length = whole_blocks(data + 1, size - 1, SIZE_MAX);
	g_autofree uint8_t *blocks = g_memdup2(data + 1, length);
	size_t offered = 0, portion = (data[0] & 0x7fu) * 16 + 16, from = 0;
	uint64_t now_ns = 1, again_ns;

	while (from < length) {
		size_t come = whole_blocks(blocks + offered, length - offered, portion);
		size_t admitted;

		if (!come) /* one block above the portion, or the end: nothing new comes */
			come = length - offered;
		offered += come;
		again_ns = 0;
		admitted =
			stage->admit(stage->self, blocks + from, offered - from, now_ns, &again_ns);
		g_assert(admitted <= offered - from);
		g_assert(admitted == offered - from || again_ns);
		g_assert(whole_blocks(blocks + from, admitted, SIZE_MAX) == admitted);
		from += admitted;
		now_ns += STEP_NS;
		if (offered == length && from < length && data[0] & 0x80) {
			stage->release(stage->self);
			g_assert(stage->admit(stage->self, blocks + from, length - from, now_ns,
					      &again_ns) == length - from);
			break;
		}
	}
	g_assert(whole_blocks(blocks, length, SIZE_MAX) == length);
}

#endif
