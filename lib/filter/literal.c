/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values as people write them. A string needs no quotes where the field's type or the operator says
 * that it must be one; in the text for Wireshark it gets them.
 */
#include "literal.h"

#include <errno.h>
#include <string.h>

#include "value.h"

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

void ss_literal_clear(struct ss_literal *literal)
{
	g_clear_pointer(&literal->value.string, g_bytes_unref);
	g_free(literal->text);
}

static int too_big(const struct ss_parser *parser, const char *at, const struct ss_test *test,
		   const char *word)
{
	return ss_parser_fail(parser, at,
			      "%s is too big for %s, which is at most %" G_GUINT64_FORMAT, word,
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
static int read_string(const struct ss_parser *parser, const struct ss_test *test,
		       const struct ss_operand *operand, struct ss_literal *ret)
{
	bool raw = *operand->start == 'r';
	const char *start = operand->start + 1 + raw;
	size_t length = (size_t)(operand->end - 1 - start);

	ret->start = start;
	ret->escaped = !raw;
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
			return ss_parser_fail(parser, operand->start,
					      "%s is not compared with strings", test->name);
		ret->understood = true;
		g_free(ret->text);
		ret->text = literal_text(test, word, &ret->value);
	}
	return 0;
}

static int read_bare_string(struct ss_parser *parser, const struct ss_test *test, bool in_set,
			    struct ss_literal *ret)
{
	const char *start = parser->at, *end = bare_string_end(start, in_set);
	g_autofree char *word = g_strndup(start, (gsize)(end - start));
	bool string = test->field && test->field->type == SS_FIELD_STRING;

	if (end == start)
		return ss_parser_fail(parser, start, "a value is expected here");
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
	if (!ret->text) {
		ret->start = start;
		ret->text = ss_value_quote(word);
	}
	ret->understood = true;
	return 0;
}

/* 'a' is the number 97. */
static void read_character(const struct ss_test *test, const struct ss_operand *operand,
			   struct ss_literal *ret)
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

static int read_word(const struct ss_parser *parser, const struct ss_test *test,
		     const struct ss_operand *operand, struct ss_literal *ret)
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
		return ss_parser_fail(parser, operand->start,
				      "an IPv6 address is compared with ipv6.%s",
				      strchr(test->name, '.') + 1);
	if (r < 0 && field->type == SS_FIELD_IPV6 && !strchr(word, ':'))
		return ss_parser_fail(parser, operand->start,
				      "an IPv4 address is compared with ip.%s",
				      strchr(test->name, '.') + 1);
	ret->understood = r == 0;
	ret->text = r == 0 && !test->sliced ? literal_text(test, word, &ret->value)
					    : g_steal_pointer(&word);
	return 0;
}

int ss_literal_parse(struct ss_parser *parser, const struct ss_test *test,
		     enum ss_test_operator comparison, bool in_set, struct ss_literal *ret)
{
	struct ss_operand operand;
	int r;

	*ret = (struct ss_literal){0};
	ss_parser_skip_blanks(parser);
	if (*parser->at && !strchr("\"'", *parser->at) &&
	    !(parser->at[0] == 'r' && parser->at[1] == '"') &&
	    wants_string(test, comparison, parser->at))
		return read_bare_string(parser, test, in_set, ret);
	r = in_set ? ss_operand_parse_primary(parser, &operand)
		   : ss_operand_parse(parser, &operand);
	if (r < 0)
		return r;
	if (operand.kind == SS_OPERAND_STRING)
		return read_string(parser, test, &operand, ret);
	if (operand.kind == SS_OPERAND_CHARACTER) {
		read_character(test, &operand, ret);
		return 0;
	}
	if (operand.kind == SS_OPERAND_WORD && !operand.sliced && !operand.mask)
		return read_word(parser, test, &operand, ret);
	ret->text = g_strndup(operand.start, (gsize)(operand.end - operand.start));
	return 0;
}
