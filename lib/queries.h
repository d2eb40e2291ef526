/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other half of DNS exchanges: a stage of the gate (gate.h), behind the judge. What that leaves
 * out and belongs to a selected message is taken back, marked as context (held.h).
 *
 * Queries that are not selected wait for an answer: in the ring for seconds, so that those which
 * take long have their true times; one that nobody answers, for a minute, because no resolver waits
 * that long. Answers to selected queries do not wait. An answer belongs to the queries with its
 * addresses, ports and id; those that were repeated are all its own.
 */
#ifndef SS_QUERIES_H
#define SS_QUERIES_H

#include "held.h"

struct ss_queries;

struct ss_queries *ss_queries_new(const struct ss_held_callbacks *callbacks);
void ss_queries_free(struct ss_queries *queries);

struct ss_stage ss_queries_stage(struct ss_queries *queries);
struct ss_held_counts ss_queries_counts(const struct ss_queries *queries);

#endif
