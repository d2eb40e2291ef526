/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks frames that are only captured because of another one (format/metadata.md): of HTTP
 * exchanges the half which the filter is not about. A stage of the gate (gate.h) that holds
 * nothing, behind what chooses the frames.
 */
#ifndef SS_CONTEXT_H
#define SS_CONTEXT_H

#include <stdbool.h>

#include "stage.h"

struct ss_context;

/* requests: these are the half that is marked, else responses. */
struct ss_context *ss_context_new(bool requests);
void ss_context_free(struct ss_context *context);
struct ss_stage ss_context_stage(struct ss_context *context);

#endif
