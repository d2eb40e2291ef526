/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether all that a display filter selects is one half of exchanges: if a test says so which can't
 * fail. What could surprise: tshark gets one filter for what is selected and for the other half, so
 * the fields that it prints have to tell them apart. Queries of mDNS and updates may have records
 * as answers do; a filter on these leaves such queries alone.
 */
#include "half.h"

#include <string.h>

#include "dns.h"
#include "http.h"

#define RECORDS "dns.a || dns.aaaa || dns.cname || dns.count.answers > 0"

static const char *const http_request[] = {"http.request", NULL};
static const char *const http_response[] = {"http.response", NULL};
static const char *const dns_flag[] = {"dns.flags.response", NULL};
static const char *const dns_records[] = {"dns.flags.response", "dns.a", "dns.aaaa", "dns.cname",
					  "dns.count.answers",  NULL};

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

static bool has_answer(const struct ss_test *test)
{
	return ss_dns_is_of_response(test) || ss_dns_is_of_records(test);
}

struct ss_half ss_half_find(const struct ss_expression *expression)
{
	static const struct {
		is_of is_of_half;
		struct ss_half half;
	} halves[] = {
		{ss_http_is_of_response, {SS_PROTOCOL_HTTP, SS_HALF_RESPONSE, false}},
		{ss_http_is_of_request, {SS_PROTOCOL_HTTP, SS_HALF_REQUEST, false}},
		{ss_dns_is_of_response, {SS_PROTOCOL_DNS, SS_HALF_RESPONSE, false}},
		{ss_dns_is_of_request, {SS_PROTOCOL_DNS, SS_HALF_REQUEST, false}},
		{has_answer, {SS_PROTOCOL_DNS, SS_HALF_RESPONSE, true}},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(halves); i++)
		if (implies(expression, halves[i].is_of_half))
			return halves[i].half;
	return (struct ss_half){SS_PROTOCOL_NONE, SS_HALF_NEITHER, false};
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

const char *ss_half_other(const struct ss_half *half)
{
	bool responses = half->half == SS_HALF_RESPONSE;

	switch (half->protocol) {
	case SS_PROTOCOL_HTTP:
		return responses ? "http.request" : "http.response";
	case SS_PROTOCOL_DNS:
		return half->by_records ? "(dns.flags.response == 0 && !(" RECORDS "))"
		       : responses      ? "dns.flags.response == 0"
					: "dns.flags.response == 1";
	default:
		return NULL;
	}
}

const char *const *ss_half_fields(const struct ss_half *half)
{
	switch (half->protocol) {
	case SS_PROTOCOL_HTTP:
		return half->half == SS_HALF_RESPONSE ? http_request : http_response;
	case SS_PROTOCOL_DNS:
		return half->by_records ? dns_records : dns_flag;
	default:
		return NULL;
	}
}

/* Several values are joined by commas; true is "1", or "True" from Wireshark 4.2 on. */
static bool is_any_true(const char *values)
{
	return strpbrk(values, "1T");
}

/* A count of 0 is none. */
static bool is_any(const char *values)
{
	return values[strspn(values, "0,")];
}

bool ss_half_is_other(const struct ss_half *half, char *const *values)
{
	if (half->protocol == SS_PROTOCOL_HTTP)
		return values[0] && values[0][0];
	if (half->protocol != SS_PROTOCOL_DNS || !values[0])
		return false;
	if (half->half == SS_HALF_REQUEST)
		return is_any_true(values[0]);
	for (char *const *more = values + 1; half->by_records && *more; more++)
		if (is_any(*more))
			return false;
	return !is_any_true(values[0]);
}
