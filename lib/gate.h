/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands between the frame ring and the stream: stages that look at frames, change them in
 * place or hold them for a moment, and a queue of blocks which user space made and which belong
 * between the frames. All leaves in the order of time. The gate of a
 * pump (pump.h).
 */
#ifndef SS_GATE_H
#define SS_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "stage.h"

struct ss_gate;

/* Writes one made item into the stream. */
typedef int (*ss_gate_write)(void *item, void *user_data);

/* failed is called with what a write returned. */
struct ss_gate *ss_gate_new(void (*failed)(int status, void *user_data), void *user_data);
void ss_gate_free(struct ss_gate *gate);

/* Stages see each frame once, in the order in which they were added. Before the first frame. */
void ss_gate_add_stage(struct ss_gate *gate, const struct ss_stage *stage);
/* Tells all stages of an interface, before its first frame. */
void ss_gate_interface(struct ss_gate *gate, const struct ss_place *place);
/* Frames wait so long for made items that may belong before them; 0: not at all. utc_ns says what
 * time it is for the stamps of frames. */
void ss_gate_set_window(struct ss_gate *gate, uint64_t window_ns,
			uint64_t (*utc_ns)(void *user_data), void *user_data);

/* The stamp that a made item gets which happened at time_ns: not before what has left already. */
uint64_t ss_gate_stamp(const struct ss_gate *gate, uint64_t time_ns);
/* Takes item, frees it with free_item after it was written. time_ns: UTC. */
void ss_gate_queue(struct ss_gate *gate, uint64_t time_ns, void *item, ss_gate_write write,
		   GDestroyNotify free_item, void *user_data);
/* Nothing up to upto_ns is in the ring any more: writes the items up to there. */
void ss_gate_flush(struct ss_gate *gate, uint64_t upto_ns);

/* For the pump, after the last stage is added. */
struct ss_stage ss_gate_stage(struct ss_gate *gate);

#endif
