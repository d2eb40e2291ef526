/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What could surprise: GLib has the offset only in its sentence, behind the expression, and older
 * ones write that without quotes. So the first number behind the expression is taken, and it must
 * be one of an offset inside.
 */
#include "pattern.h"

#include <string.h>

#include "token.h"
#include "value.h"

static size_t find_offset(const char *sentence, const char *pattern)
{
	size_t length = strlen(pattern);
	const char *at = strstr(sentence, pattern);
	guint64 offset;

	if (!at)
		return 0;
	at += length;
	at += strcspn(at, "0123456789");
	offset = g_ascii_strtoull(at, NULL, 10);
	return offset <= length ? (size_t)offset : 0;
}

bool ss_pattern_check(const struct ss_test *test, size_t *ret_offset)
{
	GBytes *string = test->ranges->len ? ss_test_value(test)->string : NULL;
	g_autoptr(GRegex) regex = NULL;
	g_autoptr(GError) refusal = NULL;
	g_autofree char *pattern = NULL;
	gsize size = 0;
	const char *data = string ? g_bytes_get_data(string, &size) : NULL;

	*ret_offset = 0;
	if (!string)
		return false;
	pattern = g_strndup(data ? data : "", size);
	regex = g_regex_new(pattern, G_REGEX_RAW, 0, &refusal);
	if (!regex)
		*ret_offset = find_offset(refusal->message, pattern);
	return regex;
}

size_t ss_pattern_find_wrong(const struct ss_expression *expression, const char *text)
{
	const struct ss_test *test = expression->test;
	size_t column = SS_TOKEN_NOWHERE, offset;

	if (expression->kind != SS_EXPRESSION_TEST) {
		column = ss_pattern_find_wrong(expression->left, text);
		if (column == SS_TOKEN_NOWHERE && expression->right)
			column = ss_pattern_find_wrong(expression->right, text);
		return column;
	}
	if (!test->pattern || ss_pattern_check(test, &offset))
		return SS_TOKEN_NOWHERE;
	return test->pattern +
	       (test->escaped ? ss_value_escaped(text + test->pattern, offset) : offset);
}
