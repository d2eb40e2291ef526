/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of pods that are hooked before it is known whether they are meant: a new pod's labels come
 * some milliseconds after its first process, and its first packet may be there by then. Their
 * interfaces have numbers of their own, which no stream knows. A frame with such a number waits in
 * the ring until its pod is settled: then it gets the interface of the stream, or is left out. It
 * waits two seconds at most: a container starts after its runtime can tell the pod's labels.
 */
#ifndef SS_EARLY_H
#define SS_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage.h"

struct ss_early;

/* utc_ns: what time it is for the stamps of frames. */
struct ss_early *ss_early_new(uint64_t (*utc_ns)(void *user_data), void *user_data);
void ss_early_free(struct ss_early *early);

/* The number for an interface that is not in the stream yet. */
uint32_t ss_early_add(struct ss_early *early);
/* Its pod is meant: its frames are of this interface of the stream. Returns how many of them could
 * not wait until now. */
uint64_t ss_early_settle(struct ss_early *early, uint32_t number, uint32_t interface_id);
/* Its pod is not meant, or gone: its frames are nobody's. */
void ss_early_forget(struct ss_early *early, uint32_t number);
/* Frames of pods that are meant, which could not wait. */
uint64_t ss_early_lost(const struct ss_early *early);

/* The first stage of the gate: the others know interfaces of the stream only. */
struct ss_stage ss_early_stage(struct ss_early *early);

#endif
