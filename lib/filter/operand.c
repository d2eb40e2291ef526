/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operands of display filters. Those with functions, arithmetic, layers or references are
 * delimited, not understood.
 */
#include "operand.h"

#include <errno.h>
#include <string.h>

#include "token.h"
#include "value.h"

int ss_parser_fail(const struct ss_parser *parser, const char *at, const char *format, ...)
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

void ss_parser_skip_blanks(struct ss_parser *parser)
{
	while (g_ascii_isspace(*parser->at))
		parser->at++;
}

static bool is_word_byte(char c)
{
	return g_ascii_isalnum(c) || strchr("_.:-", c) || (c & 0x80);
}

/* Ends before "..", which stands between the ends of a range. */
const char *ss_parser_word_end(const char *at)
{
	while (*at && is_word_byte(*at) && !(at[0] == '.' && at[1] == '.'))
		at++;
	/* A prefix length, of an address only: elsewhere it is a division. */
	if (at[0] == '/' && g_ascii_isdigit(at[1]))
		for (at++; g_ascii_isdigit(*at); at++)
			;
	return at;
}

bool ss_parser_take(struct ss_parser *parser, const char *symbol)
{
	size_t length = strlen(symbol);

	if (strncmp(parser->at, symbol, length) != 0)
		return false;
	if (g_ascii_isalpha(symbol[0]) && parser->at[length] && is_word_byte(parser->at[length]))
		return false;
	parser->at += length;
	return true;
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
static bool understand_slice(const char *start, const char *end, struct ss_operand *operand)
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

/* The sign, function, group or word that an operand begins with. */
int ss_operand_parse_primary(struct ss_parser *parser, struct ss_operand *ret)
{
	const char *start, *end;

	ss_parser_skip_blanks(parser);
	start = parser->at;
	*ret = (struct ss_operand){.kind = SS_OPERAND_WORD, .start = start};
	if (*start == '"' || (start[0] == 'r' && start[1] == '"')) {
		ret->kind = SS_OPERAND_STRING;
		end = quoted_end(start + (*start == 'r'));
		if (!end)
			return ss_parser_fail(parser, start, "a string that does not end");
	} else if (*start == '\'') {
		ret->kind = SS_OPERAND_CHARACTER;
		end = quoted_end(start);
		if (!end)
			return ss_parser_fail(parser, start, "a character that does not end");
	} else if (*start == '{' || (start[0] == '$' && start[1] == '{')) {
		ret->kind = SS_OPERAND_OPAQUE;
		end = bracket_end(strchr(start, '{'));
		if (!end)
			return ss_parser_fail(parser, start, "no '}' for this");
	} else {
		end = ss_parser_word_end(start);
		if (end == start && (*start == '-' || *start == '+'))
			end = ss_parser_word_end(start + 1);
		if (end == start) {
			if (!*start)
				return ss_parser_fail(parser, start,
						      "something is missing at the end");
			return ss_parser_fail(parser, start, "a field or a value is expected here");
		}
		if (*start == '-')
			ret->kind = SS_OPERAND_OPAQUE;
		if (*end == '(') { /* a function */
			ret->kind = SS_OPERAND_OPAQUE;
			end = bracket_end(end);
			if (!end)
				return ss_parser_fail(parser, start, "no ')' for this");
		}
	}
	parser->at = end;
	ret->word_end = ret->end = end;
	return 0;
}

/* Slices and layers behind it. */
static int parse_suffixes(struct ss_parser *parser, struct ss_operand *operand)
{
	while (*parser->at == '[' || *parser->at == '#') {
		const char *start = parser->at, *bracket = start + (*start == '#'), *end;

		if (*bracket == '[')
			end = bracket_end(bracket);
		else
			for (end = bracket; g_ascii_isdigit(*end); end++)
				;
		if (!end || end == bracket)
			return ss_parser_fail(parser, start, "no ']' for this");
		if (*start == '#' || operand->sliced || operand->kind != SS_OPERAND_WORD ||
		    !understand_slice(start, end, operand))
			operand->kind = SS_OPERAND_OPAQUE;
		parser->at = operand->end = end;
	}
	return 0;
}

static bool take_arithmetic(struct ss_parser *parser, bool *ret_mask)
{
	const char *before = parser->at;

	ss_parser_skip_blanks(parser);
	*ret_mask = (parser->at[0] == '&' && parser->at[1] != '&');
	if (*ret_mask || (*parser->at && strchr("+-*/%", *parser->at))) {
		parser->at++;
		return true;
	}
	*ret_mask = ss_parser_take(parser, "bitwise_and");
	if (!*ret_mask)
		parser->at = before;
	return *ret_mask;
}

/* "& NUMBER" is a mask that the kernel part knows. */
static void understand_mask(struct ss_operand *left, const struct ss_operand *right, bool mask)
{
	g_autofree char *word = g_strndup(right->start, (gsize)(right->end - right->start));
	static const struct ss_field number = {.type = SS_FIELD_NUMBER, .bits = 64};
	struct ss_value value = {0};

	if (mask && left->kind == SS_OPERAND_WORD && right->kind == SS_OPERAND_WORD &&
	    !left->mask && !left->sliced && !right->sliced &&
	    ss_value_parse(word, &number, &value) == 0 && value.number)
		left->mask = value.number;
	else
		left->kind = SS_OPERAND_OPAQUE;
}

int ss_operand_parse(struct ss_parser *parser, struct ss_operand *ret)
{
	bool mask;
	int r = ss_operand_parse_primary(parser, ret);

	if (r == 0)
		r = parse_suffixes(parser, ret);
	while (r == 0 && take_arithmetic(parser, &mask)) {
		struct ss_operand right;

		r = ss_operand_parse_primary(parser, &right);
		if (r == 0)
			r = parse_suffixes(parser, &right);
		if (r == 0) {
			understand_mask(ret, &right, mask);
			ret->end = parser->at;
		}
	}
	return r;
}
