/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a portion of blocks ends. */
#include "blocks.h"

#include <glib.h>

size_t ss_block_walk(const void *data, size_t length, size_t max_bytes, uint64_t *blocks)
{
	struct ss_blocks walk = ss_blocks(data, MIN(length, max_bytes), 0);
	uint64_t count = 0;

	while (count < *blocks && ss_blocks_next(&walk))
		count++;
	*blocks = count;
	return walk.at + walk.size;
}
