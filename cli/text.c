/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stratoshark.h"

static char *clean(const char *text, const char *kept)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	GString *clean = g_string_new(NULL);

	for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		/* no separators either: U+2028, and what changes the direction of writing */
		if ((c < 0x80 && strchr(kept, (int)c)) ||
		    (g_unichar_isprint(c) && g_unichar_type(c) != G_UNICODE_FORMAT))
			g_string_append_unichar(clean, c);
		else
			g_string_append_c(clean, '?');
	}
	return g_string_free(clean, FALSE);
}

char *text_printable(const char *text)
{
	return clean(text, "");
}

void text_say(const char *message)
{
	g_autofree char *text = clean(message, "\n\t");

	/* a line of counts may stand there */
	fprintf(stderr, "%s" PROGRAM_NAME ": %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", text);
}
