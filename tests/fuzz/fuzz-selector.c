/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text as a label selector, matched with labels made of the same bytes. */
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "k8s/pod.h"
#include "k8s/selector.h"
#include "k8s/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autoptr(GPtrArray) labels = ss_labels_new();
	g_auto(GStrv) words = g_strsplit_set(text, "=!,() ", 8);
	struct ss_workload_name *workload;
	struct ss_selector *selector;
	struct ss_error error = {0};

	for (guint i = 0; words[i] && words[i + 1]; i++)
		ss_labels_set(labels, words[i], words[i + 1]);
	if (ss_selector_new(text, &selector, &error) == 0) {
		bool fits = ss_selector_match(selector, labels);

		g_assert_true(fits == (ss_selector_misfit(selector, labels) == NULL));
		ss_selector_free(selector);
	} else {
		g_assert_cmpint(error.message[0], !=, '\0');
	}
	if (ss_workload_name_parse(text, &workload, NULL) == 0)
		ss_workload_name_free(workload);
	return 0;
}
