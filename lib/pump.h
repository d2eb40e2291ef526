/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves what the kernel committed from the ring to the stream, when it is time.
 *
 * Idle: no timer runs; the first frame rings the doorbell. Then busy: the ring is emptied every
 * 20 ms (for a file alone 250 ms), or earlier when it has grown by the watermark; after a tick
 * without frames, idle again. A pipe that is full stops the emptying until it is writable; the ring
 * takes the waiting, and the kernel counts what it can't keep.
 *
 * A gate may hold frames back for a moment. What it holds stays in the ring, so order is kept; it
 * is released when the ring is more than half full.
 */
#ifndef SS_PUMP_H
#define SS_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "loop.h"
#include "source/bpf.h"
#include "stage.h"
#include "stream.h"

struct ss_pump;

/* Called once, when nothing more is to be pumped: 0 (limit reached, reader gone) or an error whose
 * sentence is in the error given to _new. */
typedef void (*ss_pump_ended)(int status, void *user_data);

/* Borrows all. limit: stop after so many frames; 0: never. */
struct ss_pump *ss_pump_new(struct ss_loop *loop, struct ss_bpf_source *source,
			    struct ss_stream *stream, uint64_t limit, ss_pump_ended ended,
			    void *user_data, struct ss_error *error);
void ss_pump_free(struct ss_pump *pump);

/* Before the first frame. Copies gate, borrows its user_data. */
void ss_pump_set_gate(struct ss_pump *pump, const struct ss_stage *gate);

/* From now on by itself, on the loop. */
void ss_pump_start(struct ss_pump *pump);
/* Everything that is there, now, held or not: before something else enters the stream. */
void ss_pump_run(struct ss_pump *pump);
/* What the gate lets through now: it learned something that it was waiting for. */
void ss_pump_retry(struct ss_pump *pump);
/* After the hooks are gone: the rest, for as long as a slow reader takes it, at most seconds. */
void ss_pump_drain(struct ss_pump *pump, unsigned seconds);

/* Frames that went through; counted only with a limit. */
uint64_t ss_pump_frames(const struct ss_pump *pump);

#endif
