/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines that are secrets: no copy stays behind when the text grows, or when it is wiped. */
#ifndef SS_SECRET_TEXT_H
#define SS_SECRET_TEXT_H

#include <string.h>

#include <glib.h>

static inline void ss_secret_text_wipe(GString *text)
{
	explicit_bzero(text->str, text->allocated_len);
	g_string_truncate(text, 0);
}

/* Appends the line and '\n'. */
static inline void ss_secret_text_add(GString *text, const char *line)
{
	gsize length = strlen(line), wanted = text->len + length + 2; /* '\n' and the end */

	if (wanted > text->allocated_len) {
		char *bytes = g_malloc0(2 * wanted);

		memcpy(bytes, text->str, text->len);
		explicit_bzero(text->str, text->allocated_len);
		g_free(text->str);
		text->str = bytes;
		text->allocated_len = 2 * wanted;
	}
	memcpy(text->str + text->len, line, length);
	text->str[text->len + length] = '\n';
	text->len += length + 1;
	text->str[text->len] = '\0';
}

#endif
