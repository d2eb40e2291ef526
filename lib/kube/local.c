/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two tables by uid: what is known, and what was asked for. */
#include "kube/local.h"

#include <string.h>

#define PODS_MAX  10000 /* of one node; the kubelet's default is 110 */
#define LINGER_US (60 * G_USEC_PER_SEC)

struct entry {
	struct ss_pod *pod;
	struct ss_kube_owner *owner;
	struct ss_kube_mark mark;
	gint64 gone_us; /* 0: it is there */
};

struct ss_kube_local {
	const struct ss_provider_callbacks *callbacks;
	GHashTable *pods;  /* uid → struct entry * */
	GHashTable *asked; /* uid → struct ss_kube_local_asked * */
};

static void entry_free(gpointer data)
{
	struct entry *entry = data;

	ss_pod_free(entry->pod);
	ss_kube_owner_put(entry->owner);
	g_free(entry);
}

static void asked_free(gpointer data)
{
	struct ss_kube_local_asked *asked = data;

	g_free(asked->uid);
	g_free(asked->namespace);
	g_free(asked->name);
	g_free(asked);
}

struct ss_kube_local *ss_kube_local_new(const struct ss_provider_callbacks *callbacks)
{
	struct ss_kube_local *local = g_new0(struct ss_kube_local, 1);

	local->callbacks = callbacks;
	local->pods = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
	local->asked = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, asked_free);
	return local;
}

void ss_kube_local_free(struct ss_kube_local *local)
{
	if (!local)
		return;
	g_hash_table_unref(local->pods);
	g_hash_table_unref(local->asked);
	g_free(local);
}

static void tell(const struct ss_kube_local *local, const char *uid)
{
	if (local->callbacks->changed && g_hash_table_contains(local->asked, uid))
		local->callbacks->changed(uid, local->callbacks->user_data);
}

static void drop_gone(struct ss_kube_local *local)
{
	gint64 now_us = g_get_monotonic_time();
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, local->pods);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		const struct entry *entry = value;

		if (entry->gone_us && now_us - entry->gone_us > LINGER_US)
			g_hash_table_iter_remove(&i);
	}
}

void ss_kube_local_set(struct ss_kube_local *local, struct ss_kube_mark mark, struct ss_pod *pod,
		       struct ss_kube_owner *owner)
{
	struct entry *entry = g_hash_table_lookup(local->pods, pod->uid);
	bool same;

	if (!entry && g_hash_table_size(local->pods) >= PODS_MAX) {
		ss_pod_free(pod);
		ss_kube_owner_put(owner);
		return;
	}
	same = entry && entry->owner == owner && ss_pod_equal(entry->pod, pod);
	entry = g_new0(struct entry, 1);
	*entry = (struct entry){pod, owner, mark, 0};
	g_hash_table_replace(local->pods, pod->uid, entry);
	if (!same)
		tell(local, pod->uid);
}

void ss_kube_local_remove(struct ss_kube_local *local, const char *uid)
{
	struct entry *entry = g_hash_table_lookup(local->pods, uid);

	if (entry)
		entry->gone_us = g_get_monotonic_time();
	drop_gone(local);
}

void ss_kube_local_sweep(struct ss_kube_local *local, struct ss_kube_mark listed)
{
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, local->pods);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		struct entry *entry = value;

		if (ss_kube_mark_is_stale(entry->mark, listed) && !entry->gone_us)
			entry->gone_us = g_get_monotonic_time();
	}
	drop_gone(local);
}

/* Callbacks may ask for more pods, therefore not while going through the table. */
void ss_kube_local_tell_owners(struct ss_kube_local *local)
{
	g_autoptr(GPtrArray) uids = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter i;
	gpointer key, value;

	g_hash_table_iter_init(&i, local->pods);
	while (g_hash_table_iter_next(&i, &key, &value))
		if (ss_kube_owner_is_fresh(((const struct entry *)value)->owner))
			g_ptr_array_add(uids, g_strdup(key));
	for (guint j = 0; j < uids->len; j++)
		tell(local, uids->pdata[j]);
}

static const struct ss_container *find_container(const GPtrArray *containers,
						 const struct ss_container *wanted)
{
	const struct ss_container *by_name = NULL;

	for (guint i = 0; i < containers->len; i++) {
		const struct ss_container *container = containers->pdata[i];

		if (container->id && !g_strcmp0(container->id, wanted->id))
			return container;
		if (container->name && !g_strcmp0(container->name, wanted->name))
			by_name = container;
	}
	return by_name;
}

/* What runs is the node's to say; how it is called, and of which image, is ours. */
static void fill_containers(struct ss_pod *pod, const struct ss_pod *known)
{
	bool images = false;

	if (pod->containers->len == 0) {
		for (guint i = 0; i < known->containers->len; i++) {
			const struct ss_container *from = known->containers->pdata[i];

			if (from->id)
				g_ptr_array_add(pod->containers,
						ss_container_new(from->name, from->id));
		}
		if (pod->containers->len > 0)
			pod->sources[SS_FACT_CONTAINERS] = SS_SOURCE_KUBE;
	}
	for (guint i = 0; i < pod->containers->len; i++) {
		struct ss_container *container = pod->containers->pdata[i];
		const struct ss_container *from = find_container(known->containers, container);

		if (!from)
			continue;
		if (!container->name)
			container->name = g_strdup(from->name);
		if (from->image) {
			g_free(container->image);
			container->image = g_strdup(from->image);
			images = true;
		}
	}
	if (images)
		pod->sources[SS_FACT_IMAGES] = SS_SOURCE_KUBE;
}

static void fill_labels(GPtrArray *labels, const GPtrArray *known)
{
	g_ptr_array_set_size(labels, 0);
	for (guint i = 0; i < known->len; i++) {
		const struct ss_label *label = known->pdata[i];

		ss_labels_set(labels, label->key, label->value);
	}
}

static void fill(struct ss_pod *pod, const struct entry *entry)
{
	const struct ss_pod *known = entry->pod;

	fill_labels(pod->labels, known->labels);
	pod->sources[SS_FACT_LABELS] = SS_SOURCE_KUBE;
	fill_labels(pod->annotations, known->annotations);
	pod->sources[SS_FACT_ANNOTATIONS] = SS_SOURCE_KUBE;
	fill_containers(pod, known);
	if (pod->addresses->len == 0 && known->addresses->len > 0) {
		for (guint i = 0; i < known->addresses->len; i++)
			g_ptr_array_add(pod->addresses, g_strdup(known->addresses->pdata[i]));
		pod->sources[SS_FACT_ADDRESSES] = SS_SOURCE_KUBE;
	}
	if (known->node_name) {
		g_free(pod->node_name);
		pod->node_name = g_strdup(known->node_name);
		pod->sources[SS_FACT_NODE] = SS_SOURCE_KUBE;
	}
	g_free(pod->workload_kind);
	g_free(pod->workload_name);
	pod->workload_kind = g_strdup(ss_kube_owner_kind(entry->owner));
	pod->workload_name = g_strdup(ss_kube_owner_name(entry->owner));
	if (ss_kube_owner_is_final(entry->owner))
		pod->sources[SS_FACT_WORKLOAD] = SS_SOURCE_KUBE;
}

static struct ss_kube_local_asked *need_asked(struct ss_kube_local *local, const struct ss_pod *pod)
{
	struct ss_kube_local_asked *asked = g_hash_table_lookup(local->asked, pod->uid);

	if (asked || g_hash_table_size(local->asked) >= PODS_MAX)
		return asked;
	asked = g_new0(struct ss_kube_local_asked, 1);
	asked->uid = g_strdup(pod->uid);
	asked->namespace = g_strdup(pod->namespace);
	asked->name = g_strdup(pod->name);
	asked->since_us = g_get_monotonic_time();
	g_hash_table_insert(local->asked, asked->uid, asked);
	return asked;
}

bool ss_kube_local_complete(struct ss_kube_local *local, struct ss_pod *pod)
{
	const struct ss_kube_local_asked *asked;
	const struct entry *entry;

	if (!pod->uid || !pod->namespace || !pod->name)
		return true;
	asked = need_asked(local, pod);
	entry = g_hash_table_lookup(local->pods, pod->uid);
	if (!entry)
		return !asked || asked->given_up;
	fill(pod, entry);
	return ss_kube_owner_is_final(entry->owner);
}

void ss_kube_local_forget(struct ss_kube_local *local, const char *uid)
{
	const struct entry *entry = g_hash_table_lookup(local->pods, uid);

	if (entry && (entry->gone_us || !entry->mark.stream))
		g_hash_table_remove(local->pods, uid);
	g_hash_table_remove(local->asked, uid);
}

GPtrArray *ss_kube_local_asked(struct ss_kube_local *local)
{
	GPtrArray *result = g_ptr_array_new();
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, local->asked);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		const struct ss_kube_local_asked *asked = value;

		if (!asked->given_up && !g_hash_table_contains(local->pods, asked->uid))
			g_ptr_array_add(result, value);
	}
	return result;
}

void ss_kube_local_give_up(struct ss_kube_local *local, const char *uid)
{
	struct ss_kube_local_asked *asked = g_hash_table_lookup(local->asked, uid);

	if (!asked || asked->given_up)
		return;
	asked->given_up = true;
	tell(local, uid);
}

unsigned ss_kube_local_count(const struct ss_kube_local *local)
{
	return g_hash_table_size(local->pods);
}
