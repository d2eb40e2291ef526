/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stage of the gate (gate.h): what it is asked while frames pass on their way from the ring to
 * the stream. Each noun that is one makes its own; the gate as a whole is one for the pump.
 */
#ifndef SS_STAGE_H
#define SS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "place.h"

struct ss_stage {
	/*
	 * Looks at whole Enhanced Packet Blocks, which it may change but not resize. Returns the
	 * length of the leading ones that may go on now; these are not offered again, the others
	 * are, with what came since behind them. If that is not all, *ret_again_ns is how long to
	 * wait at most before offering again. now_ns: CLOCK_MONOTONIC.
	 */
	size_t (*admit)(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
			void *user_data);
	/* Instead, where nothing is ever held. */
	void (*look)(void *blocks, size_t length, void *user_data);
	/* What is held now must go on when it is offered again. May be NULL. */
	void (*release)(void *user_data);
	/* Nothing is in the ring any more; may be NULL. */
	void (*drained)(void *user_data);
	/* An interface comes, before its first frame; may be NULL. */
	void (*interface)(const struct ss_place *place, void *user_data);
	bool leaves_out; /* it may make blocks SS_BLOCK_LEFT_OUT, which are not written */
	void *user_data;
};

static inline size_t ss_stage_admit(const struct ss_stage *stage, void *blocks, size_t length,
				    uint64_t now_ns, uint64_t *ret_again_ns)
{
	if (!stage->look)
		return stage->admit(blocks, length, now_ns, ret_again_ns, stage->user_data);
	stage->look(blocks, length, stage->user_data);
	return length;
}

static inline void ss_stage_release(const struct ss_stage *stage)
{
	if (stage->release)
		stage->release(stage->user_data);
}

static inline void ss_stage_interface(const struct ss_stage *stage, const struct ss_place *place)
{
	if (stage->interface)
		stage->interface(place, stage->user_data);
}

#endif
