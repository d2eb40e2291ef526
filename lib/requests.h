/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only HTTP requests whose answer is wanted: a stage of the gate (gate.h) for filters on responses.
 * The kernel lets wanted responses through, every request, and what ends connections. A request
 * waits here for its response; the next one on the connection, or its end, tells that it was
 * answered otherwise.
 *
 * It waits in the ring for a moment, which keeps the order. Then it is copied, so that a slow
 * answer does not hold up all others; if one comes after all, the copy goes before it, stamped as
 * late as that needs, with the true time as a comment.
 *
 * An interim response (1xx) shares the request's fate, unless it is wanted itself. Behind an answer
 * that changes the protocol (101; 2xx to CONNECT) only what begins like HTTP is kept.
 */
#ifndef SS_REQUESTS_H
#define SS_REQUESTS_H

#include "held.h"

struct ss_requests;

/* wants: is an interim response with this code wanted? Gets the user_data of the callbacks. */
struct ss_requests *ss_requests_new(const struct ss_held_callbacks *callbacks,
				    bool (*wants)(unsigned code, void *user_data));
void ss_requests_free(struct ss_requests *requests);

struct ss_stage ss_requests_stage(struct ss_requests *requests);
struct ss_held_counts ss_requests_counts(const struct ss_requests *requests);

#endif
