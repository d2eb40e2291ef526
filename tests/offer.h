/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests: offers blocks to a stage of the gate, and holds it to what struct ss_stage says.
 */
#ifndef SS_TESTS_OFFER_H
#define SS_TESTS_OFFER_H

#include <glib.h>

#include "output/blocks.h"
#include "stage.h"

/* The length of the leading whole blocks, at most so many bytes. */
static inline size_t whole_blocks(const void *data, size_t length, size_t max_bytes)
{
	uint64_t all = UINT64_MAX;

	return ss_block_walk(data, length, max_bytes, &all);
}

static inline void add_place(const struct ss_stage *stage, struct ss_place place)
{
	ss_stage_interface(stage, &place);
}

/* Returns how many bytes may go on. */
static inline size_t offer(const struct ss_stage *stage, void *blocks, size_t length,
			   uint64_t now_ns)
{
	uint64_t again_ns = 0;
	size_t admitted = ss_stage_admit(stage, blocks, length, now_ns, &again_ns);

	g_assert_cmpuint(admitted, <=, length);
	g_assert_true(admitted == length || again_ns);
	g_assert_cmpuint(whole_blocks(blocks, admitted, SIZE_MAX), ==, admitted);
	return admitted;
}

#endif
