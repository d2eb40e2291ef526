/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An apostrophe may be a character of Wireshark's language, or stand inside a string. */
#include "quotes.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "token.h"

/* Where a quote begins that no filter has: those of word processors, and 'text'. NULL: nowhere. */
static const char *find_wrong_quote(const char *text, const char **ret_quote)
{
	static const char *const quotes[] = {"\u201c", "\u201d", "\u201e",
					     "\u2018", "\u2019", NULL};

	for (const char *p = text; *p; p++) {
		const char *end;

		if (*p == '"') { /* a string may have them */
			for (p++; *p && *p != '"'; p++)
				if (*p == '\\' && p[1])
					p++;
			if (!*p)
				return NULL;
			continue;
		}
		for (size_t i = 0; quotes[i]; i++) {
			*ret_quote = quotes[i];
			if (g_str_has_prefix(p, quotes[i]))
				return p;
		}
		*ret_quote = "'";
		if (*p != '\'' || (p > text && !strchr(" \t({,=", p[-1])))
			continue;
		end = strchr(p + 1, '\'');
		if (end && end > p + 2 && p[1] != '\\') /* else it may be a character */
			return p;
	}
	return NULL;
}

int ss_quotes_check(const char *text, struct ss_error *error)
{
	g_autofree char *message = NULL, *sentence = NULL;
	const char *quote, *at = find_wrong_quote(text, &quote);

	if (!at)
		return 0;
	message =
		g_strdup_printf("strings are written in plain double quotes, \", not in %s", quote);
	sentence = ss_filter_sentence("display", text, message, (size_t)(at - text));
	return ss_fail(error, -EINVAL, "%s", sentence);
}
