/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parser of display filters: recursive descent over the text itself, because what a token is
 * depends on where it stands ("/api" is a string behind http.request.uri, a division elsewhere).
 *
 *	or	:= and { ("or" | "||") and }
 *	and	:= not { ("and" | "&&") not }
 *	not	:= { "not" | "!" } ( "(" or ")" | test )
 *	test	:= ["any" | "all"] operand [ relation operand | ["not"] "in" "{" set "}" ]
 *
 * Operands with functions, arithmetic, layers or references are delimited, not understood.
 */
#include "expression.h"

#include <errno.h>
#include <string.h>

#include "foreign.h"
#include "literal.h"

#define DEPTH_MAX 200 /* of parentheses and negations */
#define TESTS_MAX 2000

static const struct relation {
	const char *word;
	enum ss_test_operator comparison;
	bool all;
	const char *canonical;
} relations[] = {
	/* Longer ones first. */
	{"===", SS_TEST_EQ, true, "==="},
	{"!==", SS_TEST_NE, false, "!=="},
	{"==", SS_TEST_EQ, false, "=="},
	{"!=", SS_TEST_NE, true, "!="},
	{"~=", SS_TEST_NE, false, "!=="},
	{">=", SS_TEST_GE, false, ">="},
	{"<=", SS_TEST_LE, false, "<="},
	{">", SS_TEST_GT, false, ">"},
	{"<", SS_TEST_LT, false, "<"},
	{"~", SS_TEST_MATCHES, false, "matches"},
	{"eq", SS_TEST_EQ, false, "=="},
	{"any_eq", SS_TEST_EQ, false, "=="},
	{"all_eq", SS_TEST_EQ, true, "==="},
	{"ne", SS_TEST_NE, true, "!="},
	{"all_ne", SS_TEST_NE, true, "!="},
	{"any_ne", SS_TEST_NE, false, "!=="},
	{"gt", SS_TEST_GT, false, ">"},
	{"ge", SS_TEST_GE, false, ">="},
	{"lt", SS_TEST_LT, false, "<"},
	{"le", SS_TEST_LE, false, "<="},
	{"contains", SS_TEST_CONTAINS, false, "contains"},
	{"matches", SS_TEST_MATCHES, false, "matches"},
	{"in", SS_TEST_IN, false, "in"},
};

/* Words that people say, which Wireshark has not or calls otherwise. */
static const struct {
	const char *word, *meaning;
} aliases[] = {
	{"https", "tcp.port == 443 || udp.port == 443"},
	{"ip6", "ipv6"},
	{"icmp6", "icmpv6"},
};

/* What begins a primitive of pcap-filter behind a protocol: for a hint. */
static const char *const capture_words[] = {"port", "portrange", "host", "net",     "src",
					    "dst",  "proto",     "less", "greater", NULL};

static bool take_either(struct ss_parser *parser, const char *word, const char *symbol)
{
	ss_parser_skip_blanks(parser);
	return ss_parser_take(parser, symbol) || ss_parser_take(parser, word);
}

static const struct relation *take_relation(struct ss_parser *parser)
{
	ss_parser_skip_blanks(parser);
	for (size_t i = 0; i < G_N_ELEMENTS(relations); i++)
		if (ss_parser_take(parser, relations[i].word))
			return &relations[i];
	return NULL;
}

/* --- Tests --- */

static struct ss_test *test_new(const struct ss_operand *left)
{
	struct ss_test *test = g_new0(struct ss_test, 1);

	test->ranges = g_array_new(FALSE, TRUE, sizeof(struct ss_range));
	g_array_set_clear_func(test->ranges, ss_range_clear);
	test->comparison = SS_TEST_PRESENT;
	if (left->kind != SS_OPERAND_WORD) {
		test->comparison = SS_TEST_OPAQUE;
		return test;
	}
	test->name = g_strndup(left->start, (gsize)(left->word_end - left->start));
	test->field = ss_field_find(test->name, &test->family);
	test->sliced = left->sliced;
	test->slice_start = left->slice_start;
	test->slice_length = left->slice_length;
	test->mask = left->mask;
	return test;
}

static struct ss_expression *node_new(enum ss_expression_kind kind, struct ss_expression *left,
				      struct ss_expression *right)
{
	struct ss_expression *node = g_new0(struct ss_expression, 1);

	node->kind = kind;
	node->left = left;
	node->right = right;
	return node;
}

static void take_value(struct ss_value *to, struct ss_literal *literal)
{
	*to = literal->value;
	literal->value.string = NULL;
}

/* One element of a set: "80", "443..450". */
static int parse_range(struct ss_parser *parser, struct ss_test *test, GString *text)
{
	struct ss_literal from, to = {0};
	struct ss_range range = {.single = true};
	int r = ss_literal_parse(parser, test, SS_TEST_IN, true, &from);

	if (r < 0) {
		ss_literal_clear(&from);
		return r;
	}
	g_string_append(text, from.text);
	if (!from.understood)
		test->comparison = SS_TEST_OPAQUE;
	take_value(&range.from, &from);
	ss_literal_clear(&from);
	ss_parser_skip_blanks(parser);
	if (ss_parser_take(parser, "..")) {
		range.single = false;
		r = ss_literal_parse(parser, test, SS_TEST_IN, true, &to);
		if (r == 0) {
			g_string_append_printf(text, "..%s", to.text);
			if (!to.understood)
				test->comparison = SS_TEST_OPAQUE;
			take_value(&range.to, &to);
		}
		ss_literal_clear(&to);
	}
	g_array_append_val(test->ranges, range);
	return r;
}

static int parse_set(struct ss_parser *parser, struct ss_test *test, GString *text)
{
	const char *start;

	ss_parser_skip_blanks(parser);
	start = parser->at;
	if (!ss_parser_take(parser, "{"))
		return ss_parser_fail(parser, start, "'{' is expected: in {80, 443, 8000..8100}");
	g_string_append_c(text, '{');
	for (;;) {
		int r = parse_range(parser, test, text);

		if (r < 0)
			return r;
		ss_parser_skip_blanks(parser);
		if (ss_parser_take(parser, "}"))
			break;
		if (!*parser->at)
			return ss_parser_fail(parser, start, "no '}' for this");
		if (!ss_parser_take(parser, ",") && !g_ascii_isspace(parser->at[-1]))
			return ss_parser_fail(parser, parser->at, "',' or '}' is expected here");
		g_string_append(text, ", ");
	}
	g_string_append_c(text, '}');
	return 0;
}

static int parse_comparison(struct ss_parser *parser, const struct relation *relation,
			    struct ss_test *test, GString *text)
{
	struct ss_range range = {.single = true};
	struct ss_literal literal;
	int r = ss_literal_parse(parser, test, relation->comparison, false, &literal);

	if (r < 0) {
		ss_literal_clear(&literal);
		return r;
	}
	g_string_append(text, literal.text);
	if (!literal.understood)
		test->comparison = SS_TEST_OPAQUE;
	if (relation->comparison == SS_TEST_MATCHES && literal.start && literal.value.string) {
		test->pattern = (size_t)(literal.start - parser->text);
		test->escaped = literal.escaped;
	}
	take_value(&range.from, &literal);
	ss_literal_clear(&literal);
	g_array_append_val(test->ranges, range);
	return 0;
}

/* Masks and slices have a meaning only with some types; what else Wireshark makes of them is its.
 */
static void check_forms(struct ss_test *test)
{
	enum ss_field_type type = test->field ? test->field->type : SS_FIELD_PROTOCOL;
	bool text = test->comparison == SS_TEST_CONTAINS || test->comparison == SS_TEST_MATCHES;
	bool texts = type == SS_FIELD_STRING || type == SS_FIELD_BYTES || type == SS_FIELD_PROTOCOL;
	bool sliceable = type != SS_FIELD_NUMBER && type != SS_FIELD_BOOL;

	if ((test->mask && type != SS_FIELD_NUMBER) || (test->sliced && !sliceable) ||
	    (text && !texts && !test->sliced) || (text && test->mask))
		test->comparison = SS_TEST_OPAQUE;
}

/* "tcp.flags & 2" holds if that is not 0. */
static void finish_mask(struct ss_test *test)
{
	struct ss_range zero = {.single = true};

	if (!test->mask || test->comparison != SS_TEST_PRESENT)
		return;
	test->comparison = SS_TEST_NE;
	g_array_append_val(test->ranges, zero);
}

/* At last, because of what it says nothing is known while it is parsed. */
static void place_foreign(struct ss_test *test)
{
	if (test->field || !test->name)
		return;
	test->field = ss_foreign_find(test);
	if (test->field)
		test->family = &ss_family_foreign;
}

static int fail_after_operand(const struct ss_parser *parser, const struct ss_operand *left,
			      const char *at)
{
	g_autofree char *word = g_strndup(at, (gsize)(ss_parser_word_end(at) - at));
	g_autofree char *before = g_strndup(left->start, (gsize)(left->end - left->start));

	if (*at == '=')
		return ss_parser_fail(parser, at, "'=' is written '==' in display filters");
	if (g_strv_contains(capture_words, word) || g_strv_contains(capture_words, before))
		return ss_parser_fail(
			parser, at,
			"'%s %s' is pcap-filter syntax, which is not mixed with display "
			"filter syntax: say it as tcp.port == 80, ip.addr == 10.0.0.1",
			before, word);
	return ss_parser_fail(parser, at, "'and', 'or' or a comparison is expected here");
}

static bool ends_test(const char *at)
{
	return !*at || *at == ')' || strncmp(at, "&&", 2) == 0 || strncmp(at, "||", 2) == 0 ||
	       (ss_parser_word_end(at) - at == 3 && strncmp(at, "and", 3) == 0) ||
	       (ss_parser_word_end(at) - at == 2 && strncmp(at, "or", 2) == 0);
}

/* "any" and "all" before a field; they are no fields themselves. */
static const char *take_quantifier(struct ss_parser *parser)
{
	static const char *const words[] = {"any", "all"};

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		const char *before = parser->at;

		if (!ss_parser_take(parser, words[i]))
			continue;
		ss_parser_skip_blanks(parser);
		if (!ends_test(parser->at))
			return words[i];
		parser->at = before;
	}
	return NULL;
}

/* The relation and what follows it. */
static int parse_relation(struct ss_parser *parser, const struct ss_operand *left,
			  struct ss_test *test, const char *quantifier, GString *text,
			  bool *ret_negated)
{
	const struct relation *relation;
	const char *at;

	ss_parser_skip_blanks(parser);
	at = parser->at;
	if (ss_parser_take(parser, "not")) {
		ss_parser_skip_blanks(parser);
		*ret_negated = *parser->at && strncmp(parser->at, "in", 2) == 0;
		if (!*ret_negated)
			return fail_after_operand(parser, left, at);
	}
	relation = take_relation(parser);
	if (!relation) {
		if (!ends_test(at) || quantifier)
			return fail_after_operand(parser, left, at);
		return 0;
	}
	if (left->kind == SS_OPERAND_STRING || left->kind == SS_OPERAND_CHARACTER)
		return ss_parser_fail(parser, left->start, "a field is expected on the left side");
	if (test->comparison != SS_TEST_OPAQUE) {
		test->comparison = relation->comparison;
		test->all = quantifier ? g_str_equal(quantifier, "all") : relation->all;
	}
	g_string_append_printf(text, " %s ", relation->canonical);
	if (relation->comparison == SS_TEST_IN)
		return parse_set(parser, test, text);
	return parse_comparison(parser, relation, test, text);
}

static int parse_alias(struct ss_parser *parser, const struct ss_operand *operand,
		       struct ss_expression **ret)
{
	g_autofree char *word = g_strndup(operand->start, (gsize)(operand->end - operand->start));

	for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++)
		if (g_str_equal(aliases[i].word, word))
			return ss_expression_parse(aliases[i].meaning, ret, parser->error);
	return -ENOENT;
}

static int parse_test(struct ss_parser *parser, struct ss_expression **ret)
{
	g_autoptr(GString) text = g_string_new(NULL);
	const char *quantifier;
	struct ss_expression *node;
	struct ss_operand left;
	bool negated = false;
	int r;

	if (++parser->tests > TESTS_MAX)
		return ss_parser_fail(parser, parser->at, "more than %d tests", TESTS_MAX);
	quantifier = take_quantifier(parser);
	if (quantifier)
		g_string_append_printf(text, "%s ", quantifier);
	r = ss_operand_parse(parser, &left);
	if (r < 0)
		return r;
	ss_parser_skip_blanks(parser);
	if (left.kind == SS_OPERAND_WORD && ends_test(parser->at)) {
		r = parse_alias(parser, &left, ret);
		if (r != -ENOENT)
			return r;
	}
	g_string_append_len(text, left.start, left.end - left.start);
	node = node_new(SS_EXPRESSION_TEST, NULL, NULL);
	node->test = test_new(&left);
	r = parse_relation(parser, &left, node->test, quantifier, text, &negated);
	if (r == 0 && node->test->comparison == SS_TEST_PRESENT && left.kind == SS_OPERAND_WORD &&
	    !g_ascii_isalpha(*left.start) && *left.start != '_')
		r = ss_parser_fail(parser, left.start, "a field or protocol is expected here");
	if (r == 0 && (left.kind == SS_OPERAND_STRING || left.kind == SS_OPERAND_CHARACTER))
		r = ss_parser_fail(parser, left.start, "a field or protocol is expected here");
	node->test->text = g_string_free(g_steal_pointer(&text), FALSE);
	if (r < 0) {
		ss_expression_free(node);
		return r;
	}
	finish_mask(node->test);
	check_forms(node->test);
	place_foreign(node->test);
	*ret = negated ? node_new(SS_EXPRESSION_NOT, node, NULL) : node;
	return 0;
}

/* --- Logic --- */

static int parse_or(struct ss_parser *parser, struct ss_expression **ret);

static int parse_not(struct ss_parser *parser, struct ss_expression **ret)
{
	const char *start;
	int r;

	ss_parser_skip_blanks(parser);
	start = parser->at;
	if (parser->depth >= DEPTH_MAX)
		return ss_parser_fail(parser, start,
				      "more than %d parentheses and negations inside each other",
				      DEPTH_MAX);
	parser->depth++;
	if (ss_parser_take(parser, "not") ||
	    (strncmp(start, "!=", 2) != 0 && ss_parser_take(parser, "!"))) {
		struct ss_expression *inner;

		r = parse_not(parser, &inner);
		if (r == 0)
			*ret = node_new(SS_EXPRESSION_NOT, inner, NULL);
	} else if (ss_parser_take(parser, "(")) {
		r = parse_or(parser, ret);
		if (r == 0) {
			ss_parser_skip_blanks(parser);
			if (!ss_parser_take(parser, ")")) {
				ss_expression_free(*ret);
				r = *parser->at ? fail_after_operand(
							  parser,
							  &(struct ss_operand){.start = start,
									       .end = start + 1},
							  parser->at)
						: ss_parser_fail(parser, start, "no ')' for this");
			}
		}
	} else {
		r = parse_test(parser, ret);
	}
	parser->depth--;
	return r;
}

static int parse_and(struct ss_parser *parser, struct ss_expression **ret)
{
	struct ss_expression *left, *right;
	int r = parse_not(parser, &left);

	while (r == 0 && take_either(parser, "and", "&&")) {
		r = parse_not(parser, &right);
		if (r < 0)
			ss_expression_free(left);
		else
			left = node_new(SS_EXPRESSION_AND, left, right);
	}
	if (r == 0)
		*ret = left;
	return r;
}

static int parse_or(struct ss_parser *parser, struct ss_expression **ret)
{
	struct ss_expression *left, *right;
	int r = parse_and(parser, &left);

	while (r == 0 && take_either(parser, "or", "||")) {
		r = parse_and(parser, &right);
		if (r < 0)
			ss_expression_free(left);
		else
			left = node_new(SS_EXPRESSION_OR, left, right);
	}
	if (r == 0)
		*ret = left;
	return r;
}

int ss_expression_parse(const char *text, struct ss_expression **ret, struct ss_error *error)
{
	struct ss_parser parser = {.text = text, .at = text, .error = error};
	struct ss_expression *expression;
	int r = parse_or(&parser, &expression);

	if (r < 0)
		return r;
	ss_parser_skip_blanks(&parser);
	if (*parser.at) {
		ss_expression_free(expression);
		if (*parser.at == ')')
			return ss_parser_fail(&parser, parser.at, "no '(' for this");
		return ss_parser_fail(&parser, parser.at, "'and' or 'or' is expected here");
	}
	*ret = expression;
	return 0;
}
