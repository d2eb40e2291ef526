/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: the right side of a comparison. */
#ifndef SS_FILTER_LITERAL_H
#define SS_FILTER_LITERAL_H

#include "operand.h"

struct ss_literal {
	struct ss_value value;
	char *text;        /* in Wireshark's syntax */
	bool understood;   /* value is set */
	const char *start; /* of a string: its first character; else NULL */
	bool escaped;      /* it may have escapes */
};

/* Reads one for the test's field; in_set: an element in braces. Clear *ret after failures, too. */
int ss_literal_parse(struct ss_parser *parser, const struct ss_test *test,
		     enum ss_test_operator comparison, bool in_set, struct ss_literal *ret);
void ss_literal_clear(struct ss_literal *literal);

#endif
