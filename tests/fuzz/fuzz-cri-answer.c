/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as each of the runtime's answers. What is taken over is printable, and names are names.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "cri/answer.h"
#include "cri/facts.h"
#include "k8s/podname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_labels(const GPtrArray *labels)
{
	for (guint i = 0; i < labels->len; i++) {
		const struct ss_label *label = labels->pdata[i];

		g_assert_true(g_utf8_validate(label->value, -1, NULL));
		for (const char *p = label->key; *p; p++)
			g_assert_false(g_ascii_iscntrl(*p));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	G_GNUC_UNUSED g_autofree char *version = ss_answer_version(data, size);
	G_GNUC_UNUSED g_autofree char *image = ss_answer_image(data, size);
	g_autoptr(GPtrArray) sandboxes = ss_answer_sandboxes(data, size);
	g_autoptr(GPtrArray) containers = ss_answer_containers(data, size);
	G_GNUC_UNUSED g_autoptr(GPtrArray) addresses = ss_answer_addresses(data, size);

	for (guint i = 0; sandboxes && i < sandboxes->len; i++) {
		struct ss_answer_sandbox *sandbox = sandboxes->pdata[i];
		struct ss_cri_facts *facts = ss_cri_facts_new(sandbox->uid);
		struct ss_pod *pod = ss_pod_new();

		g_assert_true(ss_podname_is_container_id(sandbox->id, strlen(sandbox->id)));
		check_labels(sandbox->labels);
		check_labels(sandbox->annotations);
		pod->name = g_strdup("api-5d78c9869d-abcde");
		ss_cri_facts_set_sandbox(facts, sandbox);
		if (containers)
			ss_cri_facts_set_containers(facts, containers);
		ss_cri_facts_note_containers(facts, pod);
		ss_cri_facts_add(facts, pod);
		ss_pod_free(pod);
		ss_cri_facts_free(facts);
	}
	return 0;
}
