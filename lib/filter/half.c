/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether all that a display filter selects is one half of exchanges: if a test says so which can't
 * fail. Where first lines decide the filter that is enough to know what else is wanted; tshark gets
 * one filter for both halves then, and the fields that it prints tell them apart.
 */
#include "half.h"

#include <string.h>

#include "http.h"

static const char *const request[] = {"http.request", NULL};
static const char *const response[] = {"http.response", NULL};

typedef bool (*is_of)(const struct ss_test *test);

/* Every frame that satisfies the expression satisfies such a test. */
static bool implies(const struct ss_expression *expression, is_of is_of_half)
{
	switch (expression->kind) {
	case SS_EXPRESSION_TEST:
		return is_of_half(expression->test);
	case SS_EXPRESSION_AND:
		return implies(expression->left, is_of_half) ||
		       implies(expression->right, is_of_half);
	case SS_EXPRESSION_OR:
		return implies(expression->left, is_of_half) &&
		       implies(expression->right, is_of_half);
	default:
		return false;
	}
}

enum ss_filter_half ss_half_find(const struct ss_expression *expression)
{
	if (implies(expression, ss_http_is_of_response))
		return SS_HALF_RESPONSE;
	return implies(expression, ss_http_is_of_request) ? SS_HALF_REQUEST : SS_HALF_NEITHER;
}

bool ss_half_is_both(const struct ss_expression *expression)
{
	return implies(expression, ss_http_is_of_response) &&
	       implies(expression, ss_http_is_of_request);
}

bool ss_half_is_about(const struct ss_expression *expression, enum ss_filter_protocol protocol)
{
	const char *prefix = protocol == SS_PROTOCOL_HTTP ? "http." : "dns.";
	const struct ss_test *test = expression->test;

	switch (expression->kind) {
	case SS_EXPRESSION_NOT:
		return false;
	case SS_EXPRESSION_TEST:
		if (test->name)
			return g_str_has_prefix(test->name, prefix);
		/* Of a function. */
		return strstr(test->text, prefix);
	default:
		return ss_half_is_about(expression->left, protocol) ||
		       ss_half_is_about(expression->right, protocol);
	}
}

const char *ss_half_other(enum ss_filter_half half)
{
	return half == SS_HALF_RESPONSE ? "http.request" : "http.response";
}

const char *const *ss_half_fields(enum ss_filter_half half)
{
	return half == SS_HALF_NEITHER ? NULL : half == SS_HALF_RESPONSE ? request : response;
}
