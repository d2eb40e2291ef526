/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of a pod: everything it points to is its own. */
#include "pod.h"

#include <string.h>

struct ss_container *ss_container_new(const char *name, const char *id)
{
	struct ss_container *container = g_new0(struct ss_container, 1);

	container->name = g_strdup(name);
	container->id = g_strdup(id);
	return container;
}

static void container_destroy(gpointer pointer)
{
	struct ss_container *container = pointer;

	g_free(container->name);
	g_free(container->id);
	g_free(container->image);
	g_free(container);
}

static void label_free(gpointer data)
{
	struct ss_label *label = data;

	g_free(label->key);
	g_free(label->value);
	g_free(label);
}

GPtrArray *ss_labels_new(void)
{
	return g_ptr_array_new_with_free_func(label_free);
}

/* The label's place, or where it would be. */
static bool find_label(const GPtrArray *labels, const char *key, guint *ret_position)
{
	guint low = 0, high = labels->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const struct ss_label *label = labels->pdata[middle];
		int order = strcmp(key, label->key);

		*ret_position = middle;
		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_position = low;
	return false;
}

void ss_labels_set(GPtrArray *labels, const char *key, const char *value)
{
	struct ss_label *label;
	guint position;

	if (find_label(labels, key, &position)) {
		label = labels->pdata[position];
		g_free(label->value);
		label->value = g_strdup(value);
		return;
	}
	label = g_new(struct ss_label, 1);
	*label = (struct ss_label){g_strdup(key), g_strdup(value)};
	g_ptr_array_insert(labels, (gint)position, label);
}

const char *ss_labels_get(const GPtrArray *labels, const char *key)
{
	guint position;

	if (!find_label(labels, key, &position))
		return NULL;
	return ((const struct ss_label *)labels->pdata[position])->value;
}

static GPtrArray *copy_labels(const GPtrArray *labels)
{
	GPtrArray *copy = ss_labels_new();

	for (guint i = 0; i < labels->len; i++) {
		const struct ss_label *label = labels->pdata[i];

		ss_labels_set(copy, label->key, label->value);
	}
	return copy;
}

const char *ss_fact_source_name(enum ss_fact_source source)
{
	static const char *const names[] = {"-", "node", "cri", "kube"};

	return source < G_N_ELEMENTS(names) ? names[source] : "-";
}

struct ss_pod *ss_pod_new(void)
{
	struct ss_pod *pod = g_new0(struct ss_pod, 1);

	pod->containers = g_ptr_array_new_with_free_func(container_destroy);
	pod->addresses = g_ptr_array_new_with_free_func(g_free);
	pod->labels = ss_labels_new();
	pod->annotations = ss_labels_new();
	return pod;
}

struct ss_pod *ss_pod_copy(const struct ss_pod *pod)
{
	struct ss_pod *copy = ss_pod_new();

	copy->namespace = g_strdup(pod->namespace);
	copy->name = g_strdup(pod->name);
	copy->uid = g_strdup(pod->uid);
	copy->runtime = g_strdup(pod->runtime);
	copy->pid = pod->pid;
	copy->pid_start = pod->pid_start;
	copy->cgroup_path = g_strdup(pod->cgroup_path);
	copy->cgroup_id = pod->cgroup_id;
	copy->host_network = pod->host_network;
	copy->netns_inode = pod->netns_inode;
	copy->log_time_ns = pod->log_time_ns;
	for (guint i = 0; pod->containers && i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];
		struct ss_container *same = ss_container_new(container->name, container->id);

		same->image = g_strdup(container->image);
		g_ptr_array_add(copy->containers, same);
	}
	for (guint i = 0; pod->addresses && i < pod->addresses->len; i++)
		g_ptr_array_add(copy->addresses, g_strdup(pod->addresses->pdata[i]));
	g_ptr_array_unref(copy->labels);
	g_ptr_array_unref(copy->annotations);
	copy->labels = copy_labels(pod->labels);
	copy->annotations = copy_labels(pod->annotations);
	copy->workload_kind = g_strdup(pod->workload_kind);
	copy->workload_name = g_strdup(pod->workload_name);
	copy->node_name = g_strdup(pod->node_name);
	memcpy(copy->sources, pod->sources, sizeof(copy->sources));
	return copy;
}

void ss_pod_free(struct ss_pod *pod)
{
	if (!pod)
		return;
	g_free(pod->namespace);
	g_free(pod->name);
	g_free(pod->uid);
	g_free(pod->runtime);
	g_free(pod->cgroup_path);
	g_clear_pointer(&pod->containers, g_ptr_array_unref);
	g_clear_pointer(&pod->addresses, g_ptr_array_unref);
	g_clear_pointer(&pod->labels, g_ptr_array_unref);
	g_clear_pointer(&pod->annotations, g_ptr_array_unref);
	g_free(pod->workload_kind);
	g_free(pod->workload_name);
	g_free(pod->node_name);
	g_free(pod);
}

static bool containers_equal(const GPtrArray *a, const GPtrArray *b)
{
	guint count = a ? a->len : 0;

	if (count != (b ? b->len : 0))
		return false;
	for (guint i = 0; i < count; i++) {
		const struct ss_container *left = a->pdata[i], *right = b->pdata[i];

		if (g_strcmp0(left->name, right->name) || g_strcmp0(left->id, right->id) ||
		    g_strcmp0(left->image, right->image))
			return false;
	}
	return true;
}

static bool labels_equal(const GPtrArray *a, const GPtrArray *b)
{
	if (a->len != b->len)
		return false;
	for (guint i = 0; i < a->len; i++) {
		const struct ss_label *left = a->pdata[i], *right = b->pdata[i];

		if (strcmp(left->key, right->key) || g_strcmp0(left->value, right->value))
			return false;
	}
	return true;
}

static bool strings_equal(const GPtrArray *a, const GPtrArray *b)
{
	guint count = a ? a->len : 0;

	if (count != (b ? b->len : 0))
		return false;
	for (guint i = 0; i < count; i++)
		if (g_strcmp0(a->pdata[i], b->pdata[i]))
			return false;
	return true;
}

bool ss_pod_equal(const struct ss_pod *a, const struct ss_pod *b)
{
	return !g_strcmp0(a->namespace, b->namespace) && !g_strcmp0(a->name, b->name) &&
	       !g_strcmp0(a->uid, b->uid) && !g_strcmp0(a->runtime, b->runtime) &&
	       a->pid == b->pid && a->pid_start == b->pid_start &&
	       !g_strcmp0(a->cgroup_path, b->cgroup_path) && a->cgroup_id == b->cgroup_id &&
	       a->host_network == b->host_network && a->netns_inode == b->netns_inode &&
	       !g_strcmp0(a->workload_kind, b->workload_kind) &&
	       !g_strcmp0(a->workload_name, b->workload_name) &&
	       !g_strcmp0(a->node_name, b->node_name) &&
	       containers_equal(a->containers, b->containers) &&
	       strings_equal(a->addresses, b->addresses) && labels_equal(a->labels, b->labels) &&
	       labels_equal(a->annotations, b->annotations);
}
