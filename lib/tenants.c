/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tenants.h"

#include <string.h>

struct ss_tenants {
	GPtrArray *all;         /* struct ss_tenant *, also those that are removed */
	GHashTable *by_cgroup;  /* without these */
	GHashTable *interfaces; /* interface id + 1 → struct ss_tenant * */
};

static void tenant_free(void *pointer)
{
	struct ss_tenant *tenant = pointer;

	ss_pod_free(tenant->facts);
	g_free(tenant);
}

struct ss_tenants *ss_tenants_new(void)
{
	struct ss_tenants *tenants = g_new0(struct ss_tenants, 1);

	tenants->all = g_ptr_array_new_with_free_func(tenant_free);
	tenants->by_cgroup = g_hash_table_new(g_int64_hash, g_int64_equal);
	tenants->interfaces = g_hash_table_new(NULL, NULL);
	return tenants;
}

void ss_tenants_free(struct ss_tenants *tenants)
{
	if (!tenants)
		return;
	g_hash_table_unref(tenants->by_cgroup);
	g_hash_table_unref(tenants->interfaces);
	g_ptr_array_unref(tenants->all);
	g_free(tenants);
}

struct ss_tenant *ss_tenants_add(struct ss_tenants *tenants, const struct ss_pod *facts)
{
	struct ss_tenant *tenant = g_new0(struct ss_tenant, 1);

	tenant->cgroup_id = facts->cgroup_id;
	tenant->interface_id = SS_TENANT_NO_INTERFACE;
	tenant->facts = ss_pod_copy(facts);
	g_ptr_array_add(tenants->all, tenant);
	g_hash_table_insert(tenants->by_cgroup, &tenant->cgroup_id, tenant);
	return tenant;
}

void ss_tenants_remove(struct ss_tenants *tenants, struct ss_tenant *tenant)
{
	g_hash_table_remove(tenants->by_cgroup, &tenant->cgroup_id);
	tenant->has_keys = false;
}

void ss_tenants_set_interface(struct ss_tenants *tenants, uint32_t interface_id,
			      struct ss_tenant *tenant)
{
	g_hash_table_insert(tenants->interfaces, GUINT_TO_POINTER(interface_id + 1), tenant);
}

struct ss_tenant *ss_tenants_of_uid(const struct ss_tenants *tenants, const char *uid)
{
	GHashTableIter iter;
	void *tenant;

	g_hash_table_iter_init(&iter, tenants->by_cgroup);
	while (g_hash_table_iter_next(&iter, NULL, &tenant))
		if (strcmp(((struct ss_tenant *)tenant)->facts->uid, uid) == 0)
			return tenant;
	return NULL;
}

struct ss_tenant *ss_tenants_of_cgroup(const struct ss_tenants *tenants, uint64_t cgroup_id)
{
	return g_hash_table_lookup(tenants->by_cgroup, &cgroup_id);
}

struct ss_tenant *ss_tenants_of_interface(const struct ss_tenants *tenants, uint32_t interface_id)
{
	return g_hash_table_lookup(tenants->interfaces, GUINT_TO_POINTER(interface_id + 1));
}

void ss_tenants_each(const struct ss_tenants *tenants,
		     void (*each)(struct ss_tenant *tenant, void *user_data), void *user_data)
{
	GHashTableIter iter;
	void *tenant;

	g_hash_table_iter_init(&iter, tenants->by_cgroup);
	while (g_hash_table_iter_next(&iter, NULL, &tenant))
		each(tenant, user_data);
}
