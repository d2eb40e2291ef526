/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A display filter, understood: a tree of tests on fields. The language is that of Wireshark 4.0
 * (wireshark-filter(4)); what this parser takes more generously (strings without quotes, words such
 * as https) is written in Wireshark's own way in ss_expression_text(), which tshark gets.
 *
 * A field may occur more than once in a frame (ip.addr: source and destination). A test holds if
 * any occurrence satisfies it, or all of them if "all" says so; with no occurrence it does not
 * hold. So "!=" is SS_TEST_NE with all, and not the negation of "==", which holds without IP, too.
 *
 * What is not understood in detail, as functions, arithmetic or unknown fields, is still a test
 * (SS_TEST_OPAQUE, or known NULL): for the kernel it may hold, tshark decides.
 */
#ifndef SS_FILTER_EXPRESSION_H
#define SS_FILTER_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "error.h"
#include "field.h"

enum ss_expression_kind {
	SS_EXPRESSION_AND,
	SS_EXPRESSION_OR,
	SS_EXPRESSION_NOT, /* of left */
	SS_EXPRESSION_TEST,
};

enum ss_test_operator {
	SS_TEST_PRESENT, /* no values: the field occurs */
	SS_TEST_EQ,
	SS_TEST_NE,
	SS_TEST_GT,
	SS_TEST_GE,
	SS_TEST_LT,
	SS_TEST_LE,
	SS_TEST_CONTAINS,
	SS_TEST_MATCHES, /* PCRE, case-insensitive unless it says (?-i) */
	SS_TEST_IN,      /* one of the ranges */
	SS_TEST_OPAQUE,  /* only text, name and field (both may be NULL) */
};

/* A literal. What of it is meaningful depends on the type of the field: see field.h. */
struct ss_value {
	uint64_t number;   /* numbers and booleans; negative ones are not understood */
	uint8_t bytes[16]; /* IPv4 4, Ethernet 6, IPv6 16, in the order of the frame */
	unsigned prefix;   /* addresses: leading bits to compare, all of them if not said */
	GBytes *string;    /* strings and byte sequences, escapes resolved; else NULL */
};

struct ss_range {
	struct ss_value from, to;
	bool single; /* to is not set */
};

struct ss_test {
	char *name;                     /* of the field as written: "tcp.port" */
	const struct ss_field *field;   /* or something like it (foreign.h); NULL: unknown */
	const struct ss_family *family; /* of the field */
	enum ss_test_operator comparison;
	bool all;    /* every occurrence */
	bool sliced; /* of the field only bytes [slice_start, slice_start + slice_length) */
	unsigned slice_start, slice_length;
	uint64_t mask;     /* not 0: of the number only these bits. "tcp.flags & 2" is NE 0 */
	bool too_big;      /* for the kernel, or for its verifier */
	unsigned slot_bit; /* number among the tests that are decided by slot (identity.h) */
	GArray *ranges;    /* struct ss_range; one, single, for all operators but SS_TEST_IN */
	size_t pattern;    /* of MATCHES: where its expression begins in the text; 0: none */
	bool escaped;      /* as it stands there */
	char *text;        /* in Wireshark's syntax */
};

struct ss_expression {
	enum ss_expression_kind kind;
	struct ss_expression *left, *right;
	struct ss_test *test;
};

/*
 * Says with position what is wrong, as far as it can be known without Wireshark's own list of
 * fields: ss_expression_is_known() says whether something is left to ask tshark about.
 */
int ss_expression_parse(const char *text, struct ss_expression **ret, struct ss_error *error);
/* Of the elements of ss_test.ranges. */
void ss_range_clear(void *range);
void ss_expression_free(struct ss_expression *expression);

/* What the kernel makes of the test. Not EXACT: *ret_why says why, for people. */
enum ss_decision ss_test_decide(const struct ss_test *test, const char **ret_why);

/* Whether any of its tests is such a one. */
bool ss_expression_has(const struct ss_expression *expression,
		       bool (*is_such)(const struct ss_test *test));

/* In Wireshark's syntax. g_free(). */
char *ss_expression_text(const struct ss_expression *expression);
/* Whether tshark has to know our fields, because the kernel does not decide the tests on them. */
bool ss_expression_needs_plugin(const struct ss_expression *expression);
/* Whether its field is in our tables. */
bool ss_test_has_field(const struct ss_test *test);
/* Whether every test has a field of our tables and values that fit it: any tshark will accept it.
 */
bool ss_expression_is_known(const struct ss_expression *expression);

/* Whether a comparison of order, but IN, holds if the field is less than the value (order < 0),
 * equal (0) or greater. */
bool ss_test_order_satisfies(const struct ss_test *test, int order);
/* Whether a test on numbers holds for one; IN, too. */
bool ss_test_number_satisfies(const struct ss_test *test, uint64_t number);

static inline const struct ss_range *ss_test_range(const struct ss_test *test, guint index)
{
	return &g_array_index(test->ranges, struct ss_range, index);
}

/* The only value of a comparison. */
static inline const struct ss_value *ss_test_value(const struct ss_test *test)
{
	return &ss_test_range(test, 0)->from;
}

#endif
