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

void ss_container_free(struct ss_container *container)
{
	if (!container)
		return;
	g_free(container->name);
	g_free(container->id);
	g_free(container);
}

static void container_destroy(gpointer container)
{
	ss_container_free(container);
}

struct ss_pod *ss_pod_new(void)
{
	struct ss_pod *pod = g_new0(struct ss_pod, 1);

	pod->containers = g_ptr_array_new_with_free_func(container_destroy);
	pod->addresses = g_ptr_array_new_with_free_func(g_free);
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

		g_ptr_array_add(copy->containers, ss_container_new(container->name, container->id));
	}
	for (guint i = 0; pod->addresses && i < pod->addresses->len; i++)
		g_ptr_array_add(copy->addresses, g_strdup(pod->addresses->pdata[i]));
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
	g_free(pod);
}

static bool containers_equal(const GPtrArray *a, const GPtrArray *b)
{
	guint count = a ? a->len : 0;

	if (count != (b ? b->len : 0))
		return false;
	for (guint i = 0; i < count; i++) {
		const struct ss_container *left = a->pdata[i], *right = b->pdata[i];

		if (g_strcmp0(left->name, right->name) || g_strcmp0(left->id, right->id))
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
	       containers_equal(a->containers, b->containers) &&
	       strings_equal(a->addresses, b->addresses);
}
