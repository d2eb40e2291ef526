/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree itself: its end, and its text. */
#include "expression.h"

static void value_clear(struct ss_value *value)
{
	g_clear_pointer(&value->string, g_bytes_unref);
}

void ss_range_clear(void *pointer)
{
	struct ss_range *range = pointer;

	value_clear(&range->from);
	value_clear(&range->to);
}

static void test_free(struct ss_test *test)
{
	if (!test)
		return;
	g_array_unref(test->ranges);
	g_free(test->name);
	g_free(test->text);
	g_free(test);
}

void ss_expression_free(struct ss_expression *expression)
{
	if (!expression)
		return;
	ss_expression_free(expression->left);
	ss_expression_free(expression->right);
	test_free(expression->test);
	g_free(expression);
}

/* Parentheses wherever somebody could think of another order. */
static void append(GString *text, const struct ss_expression *expression,
		   enum ss_expression_kind parent)
{
	bool binary = expression->kind == SS_EXPRESSION_AND || expression->kind == SS_EXPRESSION_OR;
	bool enclosed = binary && expression->kind != parent;

	switch (expression->kind) {
	case SS_EXPRESSION_TEST:
		g_string_append(text, expression->test->text);
		return;
	case SS_EXPRESSION_NOT:
		g_string_append(text, "!(");
		append(text, expression->left, expression->left->kind);
		g_string_append_c(text, ')');
		return;
	default:
		if (enclosed)
			g_string_append_c(text, '(');
		append(text, expression->left, expression->kind);
		g_string_append(text, expression->kind == SS_EXPRESSION_AND ? " && " : " || ");
		append(text, expression->right, expression->kind);
		if (enclosed)
			g_string_append_c(text, ')');
	}
}

char *ss_expression_text(const struct ss_expression *expression)
{
	GString *text = g_string_new(NULL);

	append(text, expression, expression->kind);
	return g_string_free(text, FALSE);
}

bool ss_expression_is_known(const struct ss_expression *expression)
{
	switch (expression->kind) {
	case SS_EXPRESSION_TEST:
		return expression->test->field && expression->test->comparison != SS_TEST_OPAQUE;
	case SS_EXPRESSION_NOT:
		return ss_expression_is_known(expression->left);
	default:
		return ss_expression_is_known(expression->left) &&
		       ss_expression_is_known(expression->right);
	}
}
