/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nearly all texts need no change: those are looked at once and copied once.
 */
#include "text.h"

#include <string.h>

#include <epan/charsets.h>

#define REPLACEMENT "\xef\xbf\xbd"

static bool is_command(gunichar c)
{
	return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);
}

const char *ss_text(wmem_allocator_t *scope, const void *bytes, size_t length)
{
	const char *text =
		(const char *)get_utf_8_string(scope, (const uint8_t *)bytes, (int)length);
	wmem_strbuf_t *clean;
	const char *p = text;

	while (*p && !is_command(g_utf8_get_char(p)))
		p = g_utf8_next_char(p);
	if (!*p)
		return text;
	clean = wmem_strbuf_new(scope, NULL);
	for (p = text; *p; p = g_utf8_next_char(p)) {
		if (is_command(g_utf8_get_char(p)))
			wmem_strbuf_append(clean, REPLACEMENT);
		else
			wmem_strbuf_append_len(clean, p, (gsize)(g_utf8_next_char(p) - p));
	}
	return wmem_strbuf_finalize(clean);
}
