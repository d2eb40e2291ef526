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

#include "token.h"
#include "value.h"

#define DEPTH_MAX 200 /* of parentheses and negations */
#define TESTS_MAX 2000

struct parser {
	const char *text, *at;
	unsigned depth, tests;
	struct ss_error *error;
};

/* Of an operand: what it is, and where it stands. */
enum operand_kind {
	OPERAND_WORD,
	OPERAND_STRING,    /* "...", r"..." */
	OPERAND_CHARACTER, /* 'x' */
	OPERAND_OPAQUE,
};

struct operand {
	enum operand_kind kind;
	const char *start, *end;
	const char *word_end; /* WORD: before a slice or a mask */
	bool sliced;
	unsigned slice_start, slice_length;
	uint64_t mask;
};

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

static int fail(const struct parser *parser, const char *at, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

static int fail(const struct parser *parser, const char *at, const char *format, ...)
{
	g_autofree char *message = NULL, *sentence = NULL;
	va_list arguments;

	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	sentence =
		ss_filter_sentence("display", parser->text, message, (size_t)(at - parser->text));
	return ss_fail(parser->error, -EINVAL, "%s", sentence);
}

static void skip_blanks(struct parser *parser)
{
	while (g_ascii_isspace(*parser->at))
		parser->at++;
}

static bool is_word_byte(char c)
{
	return g_ascii_isalnum(c) || strchr("_.:-", c) || (c & 0x80);
}

/* Ends before "..", which stands between the ends of a range. */
static const char *word_end(const char *at)
{
	while (*at && is_word_byte(*at) && !(at[0] == '.' && at[1] == '.'))
		at++;
	/* A prefix length, of an address only: elsewhere it is a division. */
	if (at[0] == '/' && g_ascii_isdigit(at[1]))
		for (at++; g_ascii_isdigit(*at); at++)
			;
	return at;
}

/* A value without quotes that is to be a string: up to what must end it. */
static const char *bare_string_end(const char *at, bool in_set)
{
	const char *start = at;
	int depth = 0;

	for (; *at && !g_ascii_isspace(*at); at++) {
		if ((at[0] == '&' && at[1] == '&') || (at[0] == '|' && at[1] == '|'))
			break;
		if (in_set && (*at == ',' || *at == '}'))
			break;
		if (*at == '(')
			depth++;
		if (*at == ')' && depth-- == 0)
			break;
	}
	return at > start ? at : start;
}

static bool take_symbol(struct parser *parser, const char *symbol)
{
	size_t length = strlen(symbol);

	if (strncmp(parser->at, symbol, length) != 0)
		return false;
	if (g_ascii_isalpha(symbol[0]) && parser->at[length] && is_word_byte(parser->at[length]))
		return false;
	parser->at += length;
	return true;
}

static bool take_either(struct parser *parser, const char *word, const char *symbol)
{
	skip_blanks(parser);
	return take_symbol(parser, symbol) || take_symbol(parser, word);
}

/* Behind the text of a quoted thing whose quote stands at "at"; NULL: it does not end. */
static const char *quoted_end(const char *at)
{
	char quote = *at++;

	while (*at && *at != quote)
		at += at[0] == '\\' && at[1] ? 2 : 1;
	return *at ? at + 1 : NULL;
}

/* Behind the bracket that closes the one at "at"; NULL: none does. */
static const char *bracket_end(const char *at)
{
	int depth = 0;

	for (; *at; at++) {
		if (*at == '"') {
			at = quoted_end(at);
			if (!at)
				return NULL;
			at--;
		} else if (strchr("([{", *at)) {
			depth++;
		} else if (strchr(")]}", *at) && --depth == 0) {
			return at + 1;
		}
	}
	return NULL;
}

/* "[4]", "[0:3]", "[2-5]", "[:4]": of constant place and length. */
static bool understand_slice(const char *start, const char *end, struct operand *operand)
{
	g_autofree char *inside = g_strndup(start + 1, (gsize)(end - start - 2));
	char *separator = strpbrk(inside, ":-"), mark = '\0';
	guint64 first = 0, second = 1;

	if (separator) {
		mark = *separator;
		*separator++ = '\0';
		if (!g_ascii_string_to_unsigned(g_strstrip(separator), 10, 0, 65535, &second, NULL))
			return false;
	}
	g_strstrip(inside);
	if (!(mark == ':' && !*inside) &&
	    !g_ascii_string_to_unsigned(inside, 10, 0, 65535, &first, NULL))
		return false;
	if (mark == '-') {
		if (second < first)
			return false;
		second = second - first + 1;
	}
	if (second == 0)
		return false;
	operand->sliced = true;
	operand->slice_start = (unsigned)first;
	operand->slice_length = (unsigned)second;
	return true;
}

static int parse_operand(struct parser *parser, struct operand *ret);

/* The sign, function, group or word that an operand begins with. */
static int parse_primary(struct parser *parser, struct operand *ret)
{
	const char *start, *end;

	skip_blanks(parser);
	start = parser->at;
	*ret = (struct operand){.kind = OPERAND_WORD, .start = start};
	if (*start == '"' || (start[0] == 'r' && start[1] == '"')) {
		ret->kind = OPERAND_STRING;
		end = quoted_end(start + (*start == 'r'));
		if (!end)
			return fail(parser, start, "a string that does not end");
	} else if (*start == '\'') {
		ret->kind = OPERAND_CHARACTER;
		end = quoted_end(start);
		if (!end)
			return fail(parser, start, "a character that does not end");
	} else if (*start == '{' || (start[0] == '$' && start[1] == '{')) {
		ret->kind = OPERAND_OPAQUE;
		end = bracket_end(strchr(start, '{'));
		if (!end)
			return fail(parser, start, "no '}' for this");
	} else {
		end = word_end(start);
		if (end == start && (*start == '-' || *start == '+'))
			end = word_end(start + 1);
		if (end == start) {
			if (!*start)
				return fail(parser, start, "something is missing at the end");
			return fail(parser, start, "a field or a value is expected here");
		}
		if (*start == '-')
			ret->kind = OPERAND_OPAQUE;
		if (*end == '(') { /* a function */
			ret->kind = OPERAND_OPAQUE;
			end = bracket_end(end);
			if (!end)
				return fail(parser, start, "no ')' for this");
		}
	}
	parser->at = end;
	ret->word_end = ret->end = end;
	return 0;
}

/* Slices and layers behind it. */
static int parse_suffixes(struct parser *parser, struct operand *operand)
{
	while (*parser->at == '[' || *parser->at == '#') {
		const char *start = parser->at, *bracket = start + (*start == '#'), *end;

		if (*bracket == '[')
			end = bracket_end(bracket);
		else
			for (end = bracket; g_ascii_isdigit(*end); end++)
				;
		if (!end || end == bracket)
			return fail(parser, start, "no ']' for this");
		if (*start == '#' || operand->sliced || operand->kind != OPERAND_WORD ||
		    !understand_slice(start, end, operand))
			operand->kind = OPERAND_OPAQUE;
		parser->at = operand->end = end;
	}
	return 0;
}

static bool take_arithmetic(struct parser *parser, bool *ret_mask)
{
	const char *before = parser->at;

	skip_blanks(parser);
	*ret_mask = (parser->at[0] == '&' && parser->at[1] != '&');
	if (*ret_mask || (*parser->at && strchr("+-*/%", *parser->at))) {
		parser->at++;
		return true;
	}
	*ret_mask = take_symbol(parser, "bitwise_and");
	if (!*ret_mask)
		parser->at = before;
	return *ret_mask;
}

/* "& NUMBER" is a mask that the kernel part knows. */
static void understand_mask(struct operand *left, const struct operand *right, bool mask)
{
	g_autofree char *word = g_strndup(right->start, (gsize)(right->end - right->start));
	static const struct ss_field number = {.type = SS_FIELD_NUMBER, .bits = 64};
	struct ss_value value = {0};

	if (mask && left->kind == OPERAND_WORD && right->kind == OPERAND_WORD && !left->mask &&
	    !left->sliced && !right->sliced && ss_value_parse(word, &number, &value) == 0 &&
	    value.number)
		left->mask = value.number;
	else
		left->kind = OPERAND_OPAQUE;
}

static int parse_operand(struct parser *parser, struct operand *ret)
{
	bool mask;
	int r = parse_primary(parser, ret);

	if (r == 0)
		r = parse_suffixes(parser, ret);
	while (r == 0 && take_arithmetic(parser, &mask)) {
		struct operand right;

		r = parse_primary(parser, &right);
		if (r == 0)
			r = parse_suffixes(parser, &right);
		if (r == 0) {
			understand_mask(ret, &right, mask);
			ret->end = parser->at;
		}
	}
	return r;
}

static const struct relation *take_relation(struct parser *parser)
{
	skip_blanks(parser);
	for (size_t i = 0; i < G_N_ELEMENTS(relations); i++)
		if (take_symbol(parser, relations[i].word))
			return &relations[i];
	return NULL;
}

/* --- Tests --- */

static struct ss_test *test_new(const struct operand *left)
{
	struct ss_test *test = g_new0(struct ss_test, 1);

	test->ranges = g_array_new(FALSE, TRUE, sizeof(struct ss_range));
	g_array_set_clear_func(test->ranges, ss_range_clear);
	test->comparison = SS_TEST_PRESENT;
	if (left->kind != OPERAND_WORD) {
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

/* Is the right side of the test a string, quotes or not? */
static bool wants_string(const struct ss_test *test, enum ss_test_operator comparison,
			 const char *at)
{
	if (test->sliced || test->mask)
		return false;
	if (test->field && test->field->type == SS_FIELD_STRING)
		return true;
	if (comparison == SS_TEST_MATCHES)
		return true;
	return comparison == SS_TEST_CONTAINS && *at != '{' && *at != '$' && !strchr(at, '(');
}

/* Another field: known, or of the same protocol as the left one. */
static bool is_field(const struct ss_test *test, const char *word)
{
	const char *dot = strchr(word, '.');

	if (!dot)
		return false;
	if (ss_field_find(word, NULL))
		return true;
	return test->name && strncmp(test->name, word, (size_t)(dot - word) + 1) == 0;
}

struct literal {
	struct ss_value value;
	char *text;      /* in Wireshark's syntax */
	bool understood; /* value is set */
};

static void literal_clear(struct literal *literal)
{
	g_clear_pointer(&literal->value.string, g_bytes_unref);
	g_free(literal->text);
}

static int too_big(const struct parser *parser, const char *at, const struct ss_test *test,
		   const char *word)
{
	return fail(parser, at, "%s is too big for %s, which is at most %" G_GUINT64_FORMAT, word,
		    test->name, (guint64)((UINT64_C(1) << test->field->bits) - 1));
}

/* Names of numbers, which not all versions of Wireshark know in this form. */
static char *literal_text(const struct ss_test *test, const char *word,
			  const struct ss_value *value)
{
	bool number = test->field->type == SS_FIELD_BOOL || test->field->type == SS_FIELD_NUMBER;

	if (number && !g_ascii_isdigit(*word))
		return g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)value->number);
	return g_strdup(word);
}

/* A string in quotes. For other types than strings it is the bytes, if they can be compared. */
static int read_string(const struct parser *parser, const struct ss_test *test,
		       const struct operand *operand, struct literal *ret)
{
	bool raw = *operand->start == 'r';
	const char *start = operand->start + 1 + raw;
	size_t length = (size_t)(operand->end - 1 - start);

	ret->text = g_strndup(operand->start, (gsize)(operand->end - operand->start));
	if (raw)
		ret->value.string = g_bytes_new(start, length);
	else
		ret->value.string = ss_value_unescape(start, length);
	if (!ret->value.string)
		return 0; /* an escape of Unicode, or wrong: tshark says */
	ret->understood = !test->field || test->sliced || test->field->type == SS_FIELD_STRING ||
			  test->field->type == SS_FIELD_BYTES ||
			  test->field->type == SS_FIELD_PROTOCOL;
	if (!ret->understood) {
		g_autofree char *word = g_strndup(start, length);

		if (!ss_value_named(word, test->field, &ret->value))
			return fail(parser, operand->start, "%s is not compared with strings",
				    test->name);
		ret->understood = true;
		g_free(ret->text);
		ret->text = literal_text(test, word, &ret->value);
	}
	return 0;
}

static int read_bare_string(struct parser *parser, const struct ss_test *test, bool in_set,
			    struct literal *ret)
{
	const char *start = parser->at, *end = bare_string_end(start, in_set);
	g_autofree char *word = g_strndup(start, (gsize)(end - start));
	bool string = test->field && test->field->type == SS_FIELD_STRING;

	if (end == start)
		return fail(parser, start, "a value is expected here");
	parser->at = end;
	if (is_field(test, word)) {
		ret->text = g_steal_pointer(&word);
		return 0;
	}
	ret->value.string = string ? NULL : ss_value_bytes(word);
	if (ret->value.string)
		ret->text = g_steal_pointer(&word); /* bytes, for Wireshark as well */
	else
		ret->value.string = g_bytes_new(word, strlen(word));
	if (!ret->text)
		ret->text = ss_value_quote(word);
	ret->understood = true;
	return 0;
}

/* 'a' is the number 97. */
static void read_character(const struct ss_test *test, const struct operand *operand,
			   struct literal *ret)
{
	g_autoptr(GBytes) bytes =
		ss_value_unescape(operand->start + 1, (size_t)(operand->end - operand->start - 2));

	ret->text = g_strndup(operand->start, (gsize)(operand->end - operand->start));
	if (!bytes || g_bytes_get_size(bytes) != 1 || !test->field ||
	    test->field->type != SS_FIELD_NUMBER)
		return;
	ret->value.number = *(const guint8 *)g_bytes_get_data(bytes, NULL);
	ret->understood = true;
}

static int read_word(const struct parser *parser, const struct ss_test *test,
		     const struct operand *operand, struct literal *ret)
{
	g_autofree char *word = g_strndup(operand->start, (gsize)(operand->end - operand->start));
	static const struct ss_field bytes = {.type = SS_FIELD_BYTES};
	const struct ss_field *field = test->sliced ? &bytes : test->field;
	int r;

	if (!field) {
		ret->text = g_steal_pointer(&word);
		return 0;
	}
	r = ss_value_parse(word, field, &ret->value);
	if (r == -ERANGE)
		return too_big(parser, operand->start, test, word);
	if (r < 0 && field->type == SS_FIELD_IPV4 && strchr(word, ':'))
		return fail(parser, operand->start, "an IPv6 address is compared with ipv6.%s",
			    strchr(test->name, '.') + 1);
	if (r < 0 && field->type == SS_FIELD_IPV6 && !strchr(word, ':'))
		return fail(parser, operand->start, "an IPv4 address is compared with ip.%s",
			    strchr(test->name, '.') + 1);
	ret->understood = r == 0;
	ret->text = r == 0 && !test->sliced ? literal_text(test, word, &ret->value)
					    : g_steal_pointer(&word);
	return 0;
}

static int parse_literal(struct parser *parser, const struct ss_test *test,
			 enum ss_test_operator comparison, bool in_set, struct literal *ret)
{
	struct operand operand;
	int r;

	*ret = (struct literal){0};
	skip_blanks(parser);
	if (*parser->at && !strchr("\"'", *parser->at) &&
	    !(parser->at[0] == 'r' && parser->at[1] == '"') &&
	    wants_string(test, comparison, parser->at))
		return read_bare_string(parser, test, in_set, ret);
	r = in_set ? parse_primary(parser, &operand) : parse_operand(parser, &operand);
	if (r < 0)
		return r;
	if (operand.kind == OPERAND_STRING)
		return read_string(parser, test, &operand, ret);
	if (operand.kind == OPERAND_CHARACTER) {
		read_character(test, &operand, ret);
		return 0;
	}
	if (operand.kind == OPERAND_WORD && !operand.sliced && !operand.mask)
		return read_word(parser, test, &operand, ret);
	ret->text = g_strndup(operand.start, (gsize)(operand.end - operand.start));
	return 0;
}

static void take_value(struct ss_value *to, struct literal *literal)
{
	*to = literal->value;
	literal->value.string = NULL;
}

/* One element of a set: "80", "443..450". */
static int parse_range(struct parser *parser, struct ss_test *test, GString *text)
{
	struct literal from, to = {0};
	struct ss_range range = {.single = true};
	int r = parse_literal(parser, test, SS_TEST_IN, true, &from);

	if (r < 0) {
		literal_clear(&from);
		return r;
	}
	g_string_append(text, from.text);
	if (!from.understood)
		test->comparison = SS_TEST_OPAQUE;
	take_value(&range.from, &from);
	literal_clear(&from);
	skip_blanks(parser);
	if (take_symbol(parser, "..")) {
		range.single = false;
		r = parse_literal(parser, test, SS_TEST_IN, true, &to);
		if (r == 0) {
			g_string_append_printf(text, "..%s", to.text);
			if (!to.understood)
				test->comparison = SS_TEST_OPAQUE;
			take_value(&range.to, &to);
		}
		literal_clear(&to);
	}
	g_array_append_val(test->ranges, range);
	return r;
}

static int parse_set(struct parser *parser, struct ss_test *test, GString *text)
{
	const char *start;

	skip_blanks(parser);
	start = parser->at;
	if (!take_symbol(parser, "{"))
		return fail(parser, start, "'{' is expected: in {80, 443, 8000..8100}");
	g_string_append_c(text, '{');
	for (;;) {
		int r = parse_range(parser, test, text);

		if (r < 0)
			return r;
		skip_blanks(parser);
		if (take_symbol(parser, "}"))
			break;
		if (!*parser->at)
			return fail(parser, start, "no '}' for this");
		if (!take_symbol(parser, ",") && !g_ascii_isspace(parser->at[-1]))
			return fail(parser, parser->at, "',' or '}' is expected here");
		g_string_append(text, ", ");
	}
	g_string_append_c(text, '}');
	return 0;
}

static int parse_comparison(struct parser *parser, const struct relation *relation,
			    struct ss_test *test, GString *text)
{
	struct ss_range range = {.single = true};
	struct literal literal;
	int r = parse_literal(parser, test, relation->comparison, false, &literal);

	if (r < 0) {
		literal_clear(&literal);
		return r;
	}
	g_string_append(text, literal.text);
	if (!literal.understood)
		test->comparison = SS_TEST_OPAQUE;
	take_value(&range.from, &literal);
	literal_clear(&literal);
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

static int fail_after_operand(const struct parser *parser, const struct operand *left,
			      const char *at)
{
	g_autofree char *word = g_strndup(at, (gsize)(word_end(at) - at));

	if (*at == '=')
		return fail(parser, at, "'=' is written '==' in display filters");
	if (g_strv_contains(capture_words, word))
		return fail(parser, at,
			    "'%.*s %s' is pcap-filter syntax, which is not mixed with display "
			    "filter syntax: say it as tcp.port == 80, ip.addr == 10.0.0.1",
			    (int)(left->end - left->start), left->start, word);
	return fail(parser, at, "'and', 'or' or a comparison is expected here");
}

static bool ends_test(const char *at)
{
	return !*at || *at == ')' || strncmp(at, "&&", 2) == 0 || strncmp(at, "||", 2) == 0 ||
	       (word_end(at) - at == 3 && strncmp(at, "and", 3) == 0) ||
	       (word_end(at) - at == 2 && strncmp(at, "or", 2) == 0);
}

/* "any" and "all" before a field; they are no fields themselves. */
static const char *take_quantifier(struct parser *parser)
{
	static const char *const words[] = {"any", "all"};

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		const char *before = parser->at;

		if (!take_symbol(parser, words[i]))
			continue;
		skip_blanks(parser);
		if (!ends_test(parser->at))
			return words[i];
		parser->at = before;
	}
	return NULL;
}

/* The relation and what follows it. */
static int parse_relation(struct parser *parser, const struct operand *left, struct ss_test *test,
			  const char *quantifier, GString *text, bool *ret_negated)
{
	const struct relation *relation;
	const char *at;

	skip_blanks(parser);
	at = parser->at;
	if (take_symbol(parser, "not")) {
		skip_blanks(parser);
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
	if (left->kind == OPERAND_STRING || left->kind == OPERAND_CHARACTER)
		return fail(parser, left->start, "a field is expected on the left side");
	if (test->comparison != SS_TEST_OPAQUE) {
		test->comparison = relation->comparison;
		test->all = quantifier ? g_str_equal(quantifier, "all") : relation->all;
	}
	g_string_append_printf(text, " %s ", relation->canonical);
	if (relation->comparison == SS_TEST_IN)
		return parse_set(parser, test, text);
	return parse_comparison(parser, relation, test, text);
}

static int parse_alias(struct parser *parser, const struct operand *operand,
		       struct ss_expression **ret)
{
	g_autofree char *word = g_strndup(operand->start, (gsize)(operand->end - operand->start));

	for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++)
		if (g_str_equal(aliases[i].word, word))
			return ss_expression_parse(aliases[i].meaning, ret, parser->error);
	return -ENOENT;
}

static int parse_test(struct parser *parser, struct ss_expression **ret)
{
	g_autoptr(GString) text = g_string_new(NULL);
	const char *quantifier;
	struct ss_expression *node;
	struct operand left;
	bool negated = false;
	int r;

	if (++parser->tests > TESTS_MAX)
		return fail(parser, parser->at, "more than %d tests", TESTS_MAX);
	quantifier = take_quantifier(parser);
	if (quantifier)
		g_string_append_printf(text, "%s ", quantifier);
	r = parse_operand(parser, &left);
	if (r < 0)
		return r;
	skip_blanks(parser);
	if (left.kind == OPERAND_WORD && ends_test(parser->at)) {
		r = parse_alias(parser, &left, ret);
		if (r != -ENOENT)
			return r;
	}
	g_string_append_len(text, left.start, left.end - left.start);
	node = node_new(SS_EXPRESSION_TEST, NULL, NULL);
	node->test = test_new(&left);
	r = parse_relation(parser, &left, node->test, quantifier, text, &negated);
	if (r == 0 && node->test->comparison == SS_TEST_PRESENT && left.kind == OPERAND_WORD &&
	    !g_ascii_isalpha(*left.start) && *left.start != '_')
		r = fail(parser, left.start, "a field or protocol is expected here");
	if (r == 0 && (left.kind == OPERAND_STRING || left.kind == OPERAND_CHARACTER))
		r = fail(parser, left.start, "a field or protocol is expected here");
	node->test->text = g_string_free(g_steal_pointer(&text), FALSE);
	if (r < 0) {
		ss_expression_free(node);
		return r;
	}
	finish_mask(node->test);
	check_forms(node->test);
	*ret = negated ? node_new(SS_EXPRESSION_NOT, node, NULL) : node;
	return 0;
}

/* --- Logic --- */

static int parse_or(struct parser *parser, struct ss_expression **ret);

static int parse_not(struct parser *parser, struct ss_expression **ret)
{
	const char *start;
	int r;

	skip_blanks(parser);
	start = parser->at;
	if (parser->depth >= DEPTH_MAX)
		return fail(parser, start,
			    "more than %d parentheses and negations inside each other", DEPTH_MAX);
	parser->depth++;
	if (take_symbol(parser, "not") ||
	    (strncmp(start, "!=", 2) != 0 && take_symbol(parser, "!"))) {
		struct ss_expression *inner;

		r = parse_not(parser, &inner);
		if (r == 0)
			*ret = node_new(SS_EXPRESSION_NOT, inner, NULL);
	} else if (take_symbol(parser, "(")) {
		r = parse_or(parser, ret);
		if (r == 0) {
			skip_blanks(parser);
			if (!take_symbol(parser, ")")) {
				ss_expression_free(*ret);
				r = *parser->at ? fail_after_operand(
							  parser,
							  &(struct operand){.start = start,
									    .end = start + 1},
							  parser->at)
						: fail(parser, start, "no ')' for this");
			}
		}
	} else {
		r = parse_test(parser, ret);
	}
	parser->depth--;
	return r;
}

static int parse_and(struct parser *parser, struct ss_expression **ret)
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

static int parse_or(struct parser *parser, struct ss_expression **ret)
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
	struct parser parser = {.text = text, .at = text, .error = error};
	struct ss_expression *expression;
	int r = parse_or(&parser, &expression);

	if (r < 0)
		return r;
	skip_blanks(&parser);
	if (*parser.at) {
		ss_expression_free(expression);
		if (*parser.at == ')')
			return fail(&parser, parser.at, "no '(' for this");
		return fail(&parser, parser.at, "'and' or 'or' is expected here");
	}
	*ret = expression;
	return 0;
}
