/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 8259, as far as our records need it. Keys are ours and need no escape. */
#include "json.h"

static void put_key(GString *json, const char *key)
{
	g_string_append_printf(json, "%s\"%s\":", json->len > 1 ? "," : "", key);
}

void ss_json_text(GString *json, const char *key, const char *value)
{
	g_autofree char *text = value ? g_utf8_make_valid(value, -1) : NULL;

	if (!text)
		return;
	put_key(json, key);
	g_string_append_c(json, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_c(json, '\\');
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			g_string_append_printf(json, "\\u%04x", (unsigned char)*p);
		else
			g_string_append_c(json, *p);
	}
	g_string_append_c(json, '"');
}

void ss_json_number(GString *json, const char *key, uint64_t value)
{
	put_key(json, key);
	g_string_append_printf(json, "%" G_GUINT64_FORMAT, (guint64)value);
}

void ss_json_bool(GString *json, const char *key, bool value)
{
	put_key(json, key);
	g_string_append(json, value ? "true" : "false");
}
