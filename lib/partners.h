/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other half of HTTP exchanges that tshark chooses from: a stage of the gate (gate.h), behind
 * the judge, for filters that first lines do not decide (requests.h is for those). The kernel lets
 * all messages of the kinds in question through; what the judge leaves out waits here (held.h)
 * until its exchange is over, and is taken back, marked as context, if any frame of the exchange
 * was selected: all segments of both messages.
 *
 * Messages are found by their lengths (analysis/http.h), and a response answers the oldest request
 * without one.
 */
#ifndef SS_PARTNERS_H
#define SS_PARTNERS_H

#include "held.h"

struct ss_partners;

struct ss_partners *ss_partners_new(const struct ss_held_callbacks *callbacks);
void ss_partners_free(struct ss_partners *partners);

struct ss_stage ss_partners_stage(struct ss_partners *partners);
struct ss_held_counts ss_partners_counts(const struct ss_partners *partners);

#endif
