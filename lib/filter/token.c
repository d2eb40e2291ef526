/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of a filter, and how a mistake in it is shown. */
#include "token.h"

#include <string.h>

#include <glib.h>

#define SHOWN_MAX 100 /* characters of the expression in a sentence */

static const char *const operators[] = {
	"===", "!==", "==", "!=", ">=", "<=", "&&", "||", "<<", ">>", "~=", NULL,
};

static bool is_word_byte(char c)
{
	return g_ascii_isalnum(c) || strchr("._:-\\$@#?'\",;{}`", c) || (c & 0x80);
}

char *ss_token_next(const char **position, const char **ret_start)
{
	const char *start = *position, *end;

	while (g_ascii_isspace(*start))
		start++;
	if (!*start)
		return NULL;
	end = start;
	while (*end && is_word_byte(*end))
		end++;
	for (size_t i = 0; end == start && operators[i]; i++)
		if (g_str_has_prefix(start, operators[i]))
			end = start + strlen(operators[i]);
	if (end == start)
		end++;
	*ret_start = start;
	*position = end;
	return g_strndup(start, (gsize)(end - start));
}

bool ss_token_is_field(const char *token)
{
	size_t length = strcspn(token, "#"); /* "ip.src#2": of the second layer */
	const char *dot = memchr(token, '.', length);

	if (!dot || !g_ascii_islower(token[0]) || token[length - 1] == '.')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!g_ascii_isalnum(token[i]) && !strchr("._-", token[i]))
			return false;
	return !token[length] ||
	       strspn(token + length + 1, "0123456789-") == strlen(token + length + 1);
}

/* One line for a message: no control characters, nothing that a terminal would act on. */
static char *printable(const char *text)
{
	char *line = g_utf8_make_valid(text, -1);

	for (char *p = line; *p; p++)
		if (g_ascii_iscntrl(*p))
			*p = ' ';
	return line;
}

/* The part of the expression around the error, and a caret under it. */
static void append_caret(GString *result, const char *line, size_t column)
{
	size_t length = strlen(line), from, to;

	if (!g_str_is_ascii(line)) /* columns would be a guess */
		return;
	from = column > SHOWN_MAX / 2 ? column - SHOWN_MAX / 2 : 0;
	to = MIN(from + SHOWN_MAX, length);
	g_string_append_printf(result, "\n  %.*s\n  %*s", (int)(to - from), line + from,
			       (int)(column - from) + 1, "^");
}

char *ss_filter_sentence(const char *kind, const char *text, const char *message, size_t column)
{
	g_autofree char *line = printable(text);
	GString *result = g_string_new(NULL);

	if (g_utf8_strlen(line, -1) <= SHOWN_MAX) {
		g_string_printf(result, "cannot parse %s filter '%s': %s", kind, line, message);
	} else {
		g_autofree char *shown = g_utf8_substring(line, 0, SHOWN_MAX);

		g_string_printf(result, "cannot parse %s filter '%s...': %s", kind, shown, message);
	}
	if (column != SS_TOKEN_NOWHERE)
		append_caret(result, line, column);
	return g_string_free(result, FALSE);
}

char *ss_filter_caret(const char *text, size_t column)
{
	g_autofree char *line = printable(text);
	GString *result = g_string_new(NULL);

	append_caret(result, line, column);
	return g_string_free(result, FALSE);
}
