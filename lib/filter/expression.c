/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree itself: its end, and its text. */
#include "expression.h"

#include "foreign.h"
#include "pattern.h"

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

enum ss_decision ss_test_decide(const struct ss_test *test, const char **ret_why)
{
	enum ss_decision decision = SS_DECISION_NONE;

	*ret_why = NULL;
	if (!test->name)
		*ret_why = "functions, arithmetic and layers are not computed in the kernel";
	else if (!test->field)
		*ret_why = "the kernel's part does not know this field";
	else if (test->comparison == SS_TEST_OPAQUE && ss_test_has_field(test))
		*ret_why = "the kernel's part does not understand this value";
	else if (test->too_big && ss_test_has_field(test))
		*ret_why = "too big for the kernel";
	else
		decision = test->family->decide(test, ret_why);
	if (decision == SS_DECISION_BOUND && !*ret_why)
		*ret_why = "the kernel finds what may match, tshark what does";
	return decision;
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

bool ss_expression_has(const struct ss_expression *expression,
		       bool (*is_such)(const struct ss_test *test))
{
	if (expression->kind == SS_EXPRESSION_TEST)
		return is_such(expression->test);
	return ss_expression_has(expression->left, is_such) ||
	       (expression->right && ss_expression_has(expression->right, is_such));
}

static bool needs_plugin(const struct ss_test *test)
{
	const char *why;

	return test->name && g_str_has_prefix(test->name, "stratoshark") &&
	       ss_test_decide(test, &why) != SS_DECISION_EXACT;
}

bool ss_expression_needs_plugin(const struct ss_expression *expression)
{
	return ss_expression_has(expression, needs_plugin);
}

bool ss_test_has_field(const struct ss_test *test)
{
	return test->field && test->family != &ss_family_foreign;
}

static bool is_unknown(const struct ss_test *test)
{
	size_t offset;

	return !ss_test_has_field(test) || test->field->context == SS_CONTEXT_ALL ||
	       needs_plugin(test) || test->comparison == SS_TEST_OPAQUE ||
	       (test->comparison == SS_TEST_MATCHES && !ss_pattern_check(test, &offset));
}

bool ss_expression_is_known(const struct ss_expression *expression)
{
	return !ss_expression_has(expression, is_unknown);
}

bool ss_test_order_satisfies(const struct ss_test *test, int order)
{
	switch (test->comparison) {
	case SS_TEST_EQ:
		return order == 0;
	case SS_TEST_NE:
		return order != 0;
	case SS_TEST_GT:
		return order > 0;
	case SS_TEST_GE:
		return order >= 0;
	case SS_TEST_LT:
		return order < 0;
	default:
		return order <= 0;
	}
}

bool ss_test_number_satisfies(const struct ss_test *test, uint64_t number)
{
	uint64_t masked = test->mask ? number & test->mask : number;

	for (guint i = 0; i < test->ranges->len; i++) {
		const struct ss_range *range = ss_test_range(test, i);
		int order = (masked > range->from.number) - (masked < range->from.number);

		if (test->comparison != SS_TEST_IN)
			return ss_test_order_satisfies(test, order);
		if (order == 0 || (order > 0 && !range->single && masked <= range->to.number))
			return true;
	}
	return false;
}
