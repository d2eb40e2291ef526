/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Joins what the runtime says with what the node shows: containers meet by id, else by name. */
#include "facts.h"

#include <string.h>

#include "k8s/workload.h"

#define ASKED_MAX 256 /* a container that restarts for ever is asked for that often */

struct ss_cri_facts *ss_cri_facts_new(const char *uid)
{
	struct ss_cri_facts *facts = g_new0(struct ss_cri_facts, 1);

	facts->uid = g_strdup(uid);
	facts->asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	facts->wants_sandbox = true;
	return facts;
}

void ss_cri_facts_free(struct ss_cri_facts *facts)
{
	g_free(facts->uid);
	g_free(facts->sandbox_id);
	g_clear_pointer(&facts->labels, g_ptr_array_unref);
	g_clear_pointer(&facts->annotations, g_ptr_array_unref);
	g_clear_pointer(&facts->addresses, g_ptr_array_unref);
	g_clear_pointer(&facts->containers, g_ptr_array_unref);
	g_hash_table_unref(facts->asked);
	g_free(facts);
}

static void replace(GPtrArray **place, GPtrArray *array)
{
	if (*place)
		g_ptr_array_unref(*place);
	*place = array;
}

void ss_cri_facts_set_sandbox(struct ss_cri_facts *facts, struct ss_answer_sandbox *sandbox)
{
	g_free(facts->sandbox_id);
	facts->sandbox_id = g_strdup(sandbox->id);
	replace(&facts->labels, g_ptr_array_ref(sandbox->labels));
	replace(&facts->annotations, g_ptr_array_ref(sandbox->annotations));
}

static void container_destroy(gpointer container)
{
	ss_answer_container_free(container);
}

void ss_cri_facts_set_containers(struct ss_cri_facts *facts, GPtrArray *containers)
{
	GPtrArray *own = g_ptr_array_new_with_free_func(container_destroy);

	for (guint i = 0; i < containers->len; i++) {
		struct ss_answer_container *container = containers->pdata[i];

		if (!container || strcmp(container->sandbox_id, facts->sandbox_id))
			continue;
		g_ptr_array_add(own, container);
		containers->pdata[i] = NULL;
	}
	replace(&facts->containers, own);
}

static bool has_container(const struct ss_cri_facts *facts, const char *id)
{
	for (guint i = 0; facts->containers && i < facts->containers->len; i++) {
		const struct ss_answer_container *container = facts->containers->pdata[i];

		if (g_str_has_prefix(container->id, id))
			return true;
	}
	return false;
}

bool ss_cri_facts_note_containers(struct ss_cri_facts *facts, const struct ss_pod *pod)
{
	bool unasked = false;

	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];
		const char *key = container->id ?: container->name;

		if (!key || g_hash_table_contains(facts->asked, key) ||
		    g_hash_table_size(facts->asked) >= ASKED_MAX)
			continue;
		g_hash_table_add(facts->asked, g_strdup(key));
		unasked |= !container->id || !has_container(facts, container->id);
	}
	return unasked;
}

bool ss_cri_facts_lack_one(const struct ss_cri_facts *facts)
{
	GHashTableIter iter;
	char *id;

	g_hash_table_iter_init(&iter, facts->asked);
	while (g_hash_table_iter_next(&iter, (gpointer *)&id, NULL))
		if (!has_container(facts, id))
			return true;
	return false;
}

/* The pod's container that this is, or NULL. The node may know a part of its id, or only its name.
 */
static struct ss_container *find_container(const struct ss_pod *pod,
					   const struct ss_answer_container *answer)
{
	for (guint i = 0; i < pod->containers->len; i++) {
		struct ss_container *container = pod->containers->pdata[i];

		if (container->id && g_str_has_prefix(answer->id, container->id))
			return container;
	}
	for (guint i = 0; i < pod->containers->len && answer->living; i++) {
		struct ss_container *container = pod->containers->pdata[i];

		if (!container->id && !g_strcmp0(container->name, answer->name))
			return container;
	}
	return NULL;
}

static void insert_in_order(GPtrArray *containers, struct ss_container *container)
{
	guint position = 0;

	while (position < containers->len &&
	       g_strcmp0(((const struct ss_container *)containers->pdata[position])->name,
			 container->name) <= 0)
		position++;
	g_ptr_array_insert(containers, (gint)position, container);
}

static void set_text(char **place, const char *text)
{
	g_free(*place);
	*place = g_strdup(text);
}

static void add_container(struct ss_pod *pod, const struct ss_answer_container *answer)
{
	struct ss_container *container = find_container(pod, answer);
	bool better = pod->sources[SS_FACT_CONTAINERS] <= SS_SOURCE_CRI;

	if (!container && answer->living && better) {
		container = ss_container_new(answer->name, answer->id);
		insert_in_order(pod->containers, container);
		pod->sources[SS_FACT_CONTAINERS] = SS_SOURCE_CRI;
	}
	if (!container)
		return;
	if (better && (!container->id || strlen(container->id) < strlen(answer->id))) {
		set_text(&container->id, answer->id);
		pod->sources[SS_FACT_CONTAINERS] = SS_SOURCE_CRI;
	}
	if (answer->image && pod->sources[SS_FACT_IMAGES] <= SS_SOURCE_CRI) {
		set_text(&container->image, answer->image);
		pod->sources[SS_FACT_IMAGES] = SS_SOURCE_CRI;
	}
}

static void add_labels(GPtrArray *to, const GPtrArray *from, uint8_t *source)
{
	if (!from || *source > SS_SOURCE_CRI)
		return;
	g_ptr_array_set_size(to, 0);
	for (guint i = 0; i < from->len; i++) {
		const struct ss_label *label = from->pdata[i];

		ss_labels_set(to, label->key, label->value);
	}
	*source = SS_SOURCE_CRI;
}

/* The node's come from the pod's own namespace, so they stay; these are the ones Kubernetes uses.
 */
static void add_addresses(struct ss_pod *pod, const GPtrArray *addresses)
{
	if (!addresses || pod->sources[SS_FACT_ADDRESSES] > SS_SOURCE_CRI)
		return;
	for (guint i = 0; i < addresses->len; i++) {
		if (g_ptr_array_find_with_equal_func(pod->addresses, addresses->pdata[i],
						     g_str_equal, NULL))
			continue;
		g_ptr_array_add(pod->addresses, g_strdup(addresses->pdata[i]));
		pod->sources[SS_FACT_ADDRESSES] = SS_SOURCE_CRI;
	}
}

void ss_cri_facts_add(const struct ss_cri_facts *facts, struct ss_pod *pod)
{
	add_labels(pod->labels, facts->labels, &pod->sources[SS_FACT_LABELS]);
	add_labels(pod->annotations, facts->annotations, &pod->sources[SS_FACT_ANNOTATIONS]);
	add_addresses(pod, facts->addresses);
	for (guint i = 0; facts->containers && i < facts->containers->len; i++)
		add_container(pod, facts->containers->pdata[i]);
	if (facts->labels && pod->sources[SS_FACT_WORKLOAD] < SS_SOURCE_CRI &&
	    ss_workload_from_labels(pod->name, pod->labels, &pod->workload_kind,
				    &pod->workload_name))
		pod->sources[SS_FACT_WORKLOAD] = SS_SOURCE_CRI;
}
