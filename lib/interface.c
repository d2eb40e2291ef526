/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and descriptions of interfaces, as format/metadata.md defines them. */
#include "interface.h"

#include <string.h>

#include "format/metadata.h"

uint64_t ss_interface_delivered(const struct ss_interface_counters *counters)
{
	uint64_t gone = counters->dropped + counters->left_out + counters->unmatched;

	/* Not read all at one moment: what is gone may be ahead. */
	return counters->accepted - MIN(gone, counters->accepted);
}

uint64_t ss_interface_matched(const struct ss_interface_counters *counters)
{
	return counters->accepted - MIN(counters->unmatched, counters->accepted);
}

struct ss_interface *ss_interface_new(const char *name, uint16_t link_type)
{
	struct ss_interface *interface = g_new0(struct ss_interface, 1);

	interface->name = g_strdup(name);
	interface->description = g_strdup("");
	interface->link_type = link_type;
	return interface;
}

void ss_interface_free(struct ss_interface *interface)
{
	if (!interface)
		return;
	g_free(interface->name);
	g_free(interface->description);
	g_free(interface->filter);
	g_free(interface);
}

void ss_interface_describe(struct ss_interface *interface, const char *key, const char *value)
{
	GString *text;

	if (!value || !*value)
		return;
	text = g_string_new(interface->description);
	if (text->len)
		g_string_append(text, "; ");
	g_string_append_printf(text, "%s=", key);
	for (const char *p = value; *p; p++) {
		if ((unsigned char)*p < 0x20 || strchr("\x7f;=%", *p))
			g_string_append_printf(text, "%%%02X", (unsigned char)*p);
		else
			g_string_append_c(text, *p);
	}
	g_free(interface->description);
	interface->description = g_string_free(text, FALSE);
}

static char *unescape(const char *text)
{
	GString *plain = g_string_new(NULL);

	for (; *text; text++) {
		int high = *text == '%' ? g_ascii_xdigit_value(text[1]) : -1;
		int low = high < 0 ? -1 : g_ascii_xdigit_value(text[2]);

		g_string_append_c(plain, (char)(low < 0 ? *text : high << 4 | low));
		text += low < 0 ? 0 : 2;
	}
	return g_string_free(plain, FALSE);
}

char *ss_interface_value(const struct ss_interface *interface, const char *key)
{
	g_auto(GStrv) pairs = g_strsplit(interface->description, "; ", -1);
	size_t length = strlen(key);

	for (char **pair = pairs; *pair; pair++)
		if (strncmp(*pair, key, length) == 0 && (*pair)[length] == '=')
			return unescape(*pair + length + 1);
	return NULL;
}

char *ss_interface_pod_name(const char *namespace, const char *pod, const char *device)
{
	return g_strconcat(SS_INTERFACE_POD_PREFIX, namespace, "/", pod, device ? "/" : NULL,
			   device, NULL);
}
