/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside lib/filter: the half of HTTP exchanges that a display filter is about, and how tshark
 * tells the other one; and whether it is about exchanges at all.
 */
#ifndef SS_FILTER_HALF_H
#define SS_FILTER_HALF_H

#include <stdbool.h>

#include "expression.h"
#include "filter.h"

enum ss_filter_half ss_half_find(const struct ss_expression *expression);
/* Nothing is of both. */
bool ss_half_is_both(const struct ss_expression *expression);
/* A display filter that selects the other half of HTTP. */
const char *ss_half_other(enum ss_filter_half half);
/* As in filter.h. */
const char *const *ss_half_fields(enum ss_filter_half half);

/* Does it ask for something in messages of the protocol? Not only by NOT, nor by the protocol's
 * name alone, which selects both halves. */
bool ss_half_is_about(const struct ss_expression *expression, enum ss_filter_protocol protocol);

#endif
