/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks frames that are only captured because of another one (format/metadata.md): of HTTP
 * exchanges the half which the filter is not about. A stage of the gate (gate.h) that holds
 * nothing, behind what chooses the frames.
 */
#ifndef SS_CONTEXT_H
#define SS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ss_context;

/* requests: these are the half that is marked, else responses. */
struct ss_context *ss_context_new(bool requests);
void ss_context_free(struct ss_context *context);

/* Before the interface's first frame; frames of others are not looked at. owner: who sees
 * connections there; the same number for all interfaces of a pod. */
void ss_context_interface(struct ss_context *context, uint32_t interface_id, uint16_t link_type,
			  uint32_t owner);
void ss_context_mark(struct ss_context *context, void *blocks, size_t length);

#endif
