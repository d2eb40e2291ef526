/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoints stay with their slice; for the moment of telling, the service's array borrows them all.
 * A slice may come before its service and stay after it.
 */
#include "kube/services.h"

#include <string.h>

#define SERVICES_MAX 50000
#define SLICES_MAX   100000
#define NODES_MAX    20000
#define GATHER_NS    50000000ull

struct service {
	struct ss_service *object; /* NULL: only slices are known */
	struct ss_kube_mark mark;
	GPtrArray *slices; /* struct slice *; borrowed */
	bool dirty;
};

struct slice {
	struct ss_kube_object_slice *object;
	struct ss_kube_mark mark;
};

struct node {
	struct ss_cluster_node *object;
	struct ss_kube_mark mark;
};

struct ss_kube_services {
	const struct ss_provider_callbacks *callbacks;
	GHashTable *services; /* "namespace/name" → struct service * */
	GHashTable *slices;   /* "namespace/name" → struct slice * */
	GHashTable *nodes;    /* name → struct node * */
	struct ss_timer *timer;
};

static void service_free(gpointer data)
{
	struct service *service = data;

	ss_service_free(service->object);
	g_ptr_array_unref(service->slices);
	g_free(service);
}

static void slice_free(gpointer data)
{
	struct slice *slice = data;

	ss_kube_object_slice_free(slice->object);
	g_free(slice);
}

static void node_free(gpointer data)
{
	struct node *node = data;

	ss_cluster_node_free(node->object);
	g_free(node);
}

static char *key_of(const char *namespace, const char *name)
{
	return g_strjoin("/", namespace, name, NULL);
}

static void tell(struct ss_kube_services *services, struct service *service)
{
	GPtrArray *own = service->object->endpoints;
	g_autoptr(GPtrArray) joined = g_ptr_array_new();

	for (guint i = 0; i < service->slices->len; i++) {
		const struct slice *slice = service->slices->pdata[i];

		g_ptr_array_extend(joined, slice->object->endpoints, NULL, NULL);
	}
	service->object->endpoints = joined;
	if (services->callbacks->service)
		services->callbacks->service(SS_OBJECT_SET, service->object,
					     services->callbacks->user_data);
	service->object->endpoints = own;
}

static void on_gathered(uint32_t events, void *user_data)
{
	struct ss_kube_services *services = user_data;
	GHashTableIter i;
	gpointer value;

	(void)events;
	g_hash_table_iter_init(&i, services->services);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		struct service *service = value;

		if (service->dirty && service->object)
			tell(services, service);
		service->dirty = false;
	}
}

static void set_dirty(struct ss_kube_services *services, struct service *service)
{
	if (!service->dirty)
		ss_timer_once(services->timer, GATHER_NS);
	service->dirty = true;
}

struct ss_kube_services *ss_kube_services_new(struct ss_loop *loop,
					      const struct ss_provider_callbacks *callbacks)
{
	struct ss_kube_services *services = g_new0(struct ss_kube_services, 1);

	services->callbacks = callbacks;
	services->services = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, service_free);
	services->slices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, slice_free);
	services->nodes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, node_free);
	services->timer = ss_timer_new(loop, on_gathered, services);
	return services;
}

void ss_kube_services_free(struct ss_kube_services *services)
{
	if (!services)
		return;
	ss_timer_free(services->timer);
	g_hash_table_unref(services->services);
	g_hash_table_unref(services->slices);
	g_hash_table_unref(services->nodes);
	g_free(services);
}

/* NULL: there are too many. */
static struct service *need_service(struct ss_kube_services *services, const char *namespace,
				    const char *name)
{
	g_autofree char *key = key_of(namespace, name);
	struct service *service = g_hash_table_lookup(services->services, key);

	if (service || g_hash_table_size(services->services) >= SERVICES_MAX)
		return service;
	service = g_new0(struct service, 1);
	service->slices = g_ptr_array_new();
	g_hash_table_insert(services->services, g_steal_pointer(&key), service);
	return service;
}

/* Nothing is known of it any more? Then forget that. */
static void drop_empty(struct ss_kube_services *services, const char *namespace, const char *name)
{
	g_autofree char *key = key_of(namespace, name);
	const struct service *service = g_hash_table_lookup(services->services, key);

	if (service && !service->object && service->slices->len == 0)
		g_hash_table_remove(services->services, key);
}

bool ss_kube_services_set(struct ss_kube_services *services, struct ss_kube_mark mark,
			  struct ss_service *object)
{
	struct service *service = need_service(services, object->namespace, object->name);

	if (!service) {
		ss_service_free(object);
		return false;
	}
	ss_service_free(service->object);
	service->object = object;
	service->mark = mark;
	set_dirty(services, service);
	return true;
}

void ss_kube_services_remove(struct ss_kube_services *services, const char *namespace,
			     const char *name)
{
	g_autofree char *key = key_of(namespace, name);
	struct service *service = g_hash_table_lookup(services->services, key);

	if (!service || !service->object)
		return;
	if (services->callbacks->service)
		services->callbacks->service(SS_OBJECT_GONE, service->object,
					     services->callbacks->user_data);
	g_clear_pointer(&service->object, ss_service_free);
	drop_empty(services, namespace, name);
}

static void detach(struct ss_kube_services *services, struct slice *slice)
{
	g_autofree char *key = key_of(slice->object->namespace, slice->object->service);
	struct service *service = g_hash_table_lookup(services->services, key);

	if (!service)
		return;
	g_ptr_array_remove_fast(service->slices, slice);
	set_dirty(services, service);
	drop_empty(services, slice->object->namespace, slice->object->service);
}

void ss_kube_services_remove_slice(struct ss_kube_services *services, const char *namespace,
				   const char *name)
{
	g_autofree char *key = key_of(namespace, name);
	struct slice *slice = g_hash_table_lookup(services->slices, key);

	if (!slice)
		return;
	detach(services, slice);
	g_hash_table_remove(services->slices, key);
}

bool ss_kube_services_set_slice(struct ss_kube_services *services, struct ss_kube_mark mark,
				struct ss_kube_object_slice *object)
{
	struct service *service;
	struct slice *slice;

	ss_kube_services_remove_slice(services, object->namespace, object->name);
	service = g_hash_table_size(services->slices) < SLICES_MAX
			  ? need_service(services, object->namespace, object->service)
			  : NULL;
	if (!service) {
		ss_kube_object_slice_free(object);
		return false;
	}
	slice = g_new0(struct slice, 1);
	slice->object = object;
	slice->mark = mark;
	g_hash_table_insert(services->slices, key_of(object->namespace, object->name), slice);
	g_ptr_array_add(service->slices, slice);
	set_dirty(services, service);
	return true;
}

static bool is_same_node(const struct ss_cluster_node *a, const struct ss_cluster_node *b)
{
	if (a->addresses->len != b->addresses->len)
		return false;
	for (guint i = 0; i < a->addresses->len; i++)
		if (strcmp(a->addresses->pdata[i], b->addresses->pdata[i]))
			return false;
	return true;
}

bool ss_kube_services_set_node(struct ss_kube_services *services, struct ss_kube_mark mark,
			       struct ss_cluster_node *object)
{
	struct node *node = g_hash_table_lookup(services->nodes, object->name);
	bool same = node && is_same_node(node->object, object);

	if (!node && g_hash_table_size(services->nodes) >= NODES_MAX) {
		ss_cluster_node_free(object);
		return false;
	}
	if (!node) {
		node = g_new0(struct node, 1);
		g_hash_table_insert(services->nodes, g_strdup(object->name), node);
	}
	ss_cluster_node_free(node->object);
	node->object = object;
	node->mark = mark;
	if (!same && services->callbacks->node)
		services->callbacks->node(SS_OBJECT_SET, object, services->callbacks->user_data);
	return true;
}

void ss_kube_services_remove_node(struct ss_kube_services *services, const char *name)
{
	struct node *node = g_hash_table_lookup(services->nodes, name);

	if (!node)
		return;
	if (services->callbacks->node)
		services->callbacks->node(SS_OBJECT_GONE, node->object,
					  services->callbacks->user_data);
	g_hash_table_remove(services->nodes, name);
}

static void sweep_services(struct ss_kube_services *services, struct ss_kube_mark listed)
{
	g_autoptr(GPtrArray) stale = g_ptr_array_new();
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, services->services);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		const struct service *service = value;

		if (service->object && ss_kube_mark_is_stale(service->mark, listed))
			g_ptr_array_add(stale, service->object);
	}
	for (guint j = 0; j < stale->len; j++) {
		const struct ss_service *object = stale->pdata[j];

		ss_kube_services_remove(services, object->namespace, object->name);
	}
}

static void sweep_slices(struct ss_kube_services *services, struct ss_kube_mark listed)
{
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, services->slices);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		struct slice *slice = value;

		if (!ss_kube_mark_is_stale(slice->mark, listed))
			continue;
		detach(services, slice);
		g_hash_table_iter_remove(&i);
	}
}

static void sweep_nodes(struct ss_kube_services *services, struct ss_kube_mark listed)
{
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, services->nodes);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		const struct node *node = value;

		if (!ss_kube_mark_is_stale(node->mark, listed))
			continue;
		if (services->callbacks->node)
			services->callbacks->node(SS_OBJECT_GONE, node->object,
						  services->callbacks->user_data);
		g_hash_table_iter_remove(&i);
	}
}

void ss_kube_services_sweep(struct ss_kube_services *services, struct ss_kube_mark listed)
{
	sweep_services(services, listed);
	sweep_slices(services, listed);
	sweep_nodes(services, listed);
}

unsigned ss_kube_services_count(const struct ss_kube_services *services)
{
	return g_hash_table_size(services->services);
}

unsigned ss_kube_services_count_nodes(const struct ss_kube_services *services)
{
	return g_hash_table_size(services->nodes);
}
