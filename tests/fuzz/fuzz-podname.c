/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as log names: what is accepted is exactly what the kubelet would make of its parts. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "k8s/podname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	struct ss_podname_directory directory;
	struct ss_podname_link link;
	unsigned attempt;

	if (ss_podname_parse_directory(text, &directory) == 0) {
		g_autofree char *again = g_strdup_printf("%s_%s_%s", directory.namespace,
							 directory.pod, directory.uid);

		g_assert_cmpstr(again, ==, text);
		g_assert_null(strchr(text, '/'));
	}
	if (ss_podname_parse_link(text, &link) == 0) {
		g_autofree char *again = g_strdup_printf("%s_%s_%s-%s.log", link.pod,
							 link.namespace, link.container, link.id);

		g_assert_cmpstr(again, ==, text);
		g_assert_null(strchr(text, '/'));
	}
	if (ss_podname_parse_target(text, &directory, &attempt) == 0)
		g_assert_true(ss_podname_is_uid(directory.uid, strlen(directory.uid)));
	return 0;
}
