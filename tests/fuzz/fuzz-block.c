/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk over blocks, and the check of packet blocks: what they accept lies within the bytes. The
 * input begins with the two limits of the walk.
 */
#include <string.h>

#include <glib.h>

#include "cursor.h"
#include "output/blocks.h"
#include "source/epb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ss_cursor cursor = ss_cursor(data, size), frames;
	uint64_t blocks, limit, one = 1;
	uint32_t max_bytes;
	uint8_t max_blocks;
	size_t length, steps = 0;

	if (ss_cursor_u32(&cursor, &max_bytes) < 0 || ss_cursor_u8(&cursor, &max_blocks) < 0)
		return 0;
	blocks = limit = max_blocks == UINT8_MAX ? UINT64_MAX : max_blocks;
	length = ss_block_walk(cursor.data, cursor.length, max_bytes, &blocks);
	g_assert(length <= cursor.length && length <= max_bytes && blocks <= limit);
	g_assert(length % 4 == 0 && length >= 12 * blocks && (length == 0) == (blocks == 0));

	/* One by one, the same blocks. */
	for (uint64_t i = 0; i < blocks; i++) {
		const uint8_t *block = cursor.data + steps;
		size_t whole = ss_block_walk(block, cursor.length - steps, SIZE_MAX, &one);
		uint64_t process;

		if (ss_block_process(block, whole, &process))
			g_assert(process && ss_block_type(block) == 6);
		steps += whole;
	}
	g_assert(steps == length);

	for (frames = cursor; frames.length;) {
		const uint8_t *start = frames.data;

		if (ss_epb_check(&frames, 2))
			break;
		one = 1;
		g_assert(ss_block_walk(start, (size_t)(frames.data - start), SIZE_MAX, &one) ==
			 (size_t)(frames.data - start));
	}
	return 0;
}
