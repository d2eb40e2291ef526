/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text as /proc/PID/maps: absolute paths of files, each once. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "tls/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autoptr(GArray) mappings = ss_tls_maps_parse(text);

	for (guint i = 0; i < mappings->len; i++) {
		const struct ss_tls_mapping *mapping =
			&g_array_index(mappings, struct ss_tls_mapping, i);

		g_assert_cmpint(mapping->path[0], ==, '/');
		g_assert_cmpuint(strspn(mapping->range, "0123456789abcdef-"), ==,
				 strlen(mapping->range));
		g_assert_cmpuint(mapping->inode, !=, 0);
	}
	return 0;
}
