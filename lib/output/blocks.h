/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole pcapng blocks of a buffer, one after the other; ends before what is no block (a length
 * that is not a multiple of 4, or beyond the data):
 *
 *	for (struct ss_blocks walk = ss_blocks(data, length, 0); ss_blocks_next(&walk);)
 *		... data + walk.at, walk.size ...
 */
#ifndef SS_BLOCKS_H
#define SS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output/block.h"

struct ss_blocks {
	const uint8_t *data;
	size_t length;
	size_t at;   /* where the present block begins; after the last one, where that ended */
	size_t size; /* of the present block */
};

/* from: where the first block begins. */
static inline struct ss_blocks ss_blocks(const void *data, size_t length, size_t from)
{
	return (struct ss_blocks){data, length, from, 0};
}

static inline bool ss_blocks_next(struct ss_blocks *blocks)
{
	uint32_t size;

	blocks->at += blocks->size;
	blocks->size = 0;
	if (blocks->length - blocks->at < 12)
		return false;
	size = ss_block_word(blocks->data + blocks->at + 4);
	if (size < 12 || size % 4 || size > blocks->length - blocks->at)
		return false;
	blocks->size = size;
	return true;
}

/*
 * How many bytes the leading whole blocks have: at most max_bytes, at most *blocks blocks.
 * *blocks becomes their number. Stops before what is no block (length not a multiple of 4, beyond
 * the data).
 */
size_t ss_block_walk(const void *data, size_t length, size_t max_bytes, uint64_t *blocks);

#endif
