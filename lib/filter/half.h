/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside lib/filter: the half of exchanges that a display filter is about, and how tshark tells the
 * other one.
 */
#ifndef SS_FILTER_HALF_H
#define SS_FILTER_HALF_H

#include "expression.h"
#include "filter.h"

struct ss_half {
	enum ss_filter_protocol protocol;
	enum ss_filter_half half;
	bool by_records; /* DNS: by what queries have in rare cases only, as dns.a */
};

struct ss_half ss_half_find(const struct ss_expression *expression);
/* Does it ask for something in messages of the protocol? Not only by NOT, nor by the protocol's
 * name alone, which selects both halves. */
bool ss_half_is_about(const struct ss_expression *expression, enum ss_filter_protocol protocol);
/* A display filter that selects the other half, and nothing that the expression selects. NULL:
 * there is no half. */
const char *ss_half_other(const struct ss_half *half);
/* As in filter.h. */
const char *const *ss_half_fields(const struct ss_half *half);
bool ss_half_is_other(const struct ss_half *half, char *const *values);

#endif
