/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tenants: the pods whose TLS is read, found by what names them: uid, cgroup, or an interface. */
#ifndef SS_TENANTS_H
#define SS_TENANTS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "k8s/pod.h"

#define SS_TENANT_NO_INTERFACE UINT32_MAX

struct ss_tenant {
	uint64_t cgroup_id;
	uint32_t interface_id; /* of its plaintext, or SS_TENANT_NO_INTERFACE */
	bool has_keys;         /* a library that gives keys is attached in one of its processes */
	struct ss_pod *facts;
};

struct ss_tenants;

struct ss_tenants *ss_tenants_new(void);
void ss_tenants_free(struct ss_tenants *tenants);

/* Pods are the table's, until it is freed: interfaces may still name those that are removed. */
struct ss_tenant *ss_tenants_add(struct ss_tenants *tenants, const struct ss_pod *facts);
void ss_tenants_remove(struct ss_tenants *tenants, struct ss_tenant *tenant);
void ss_tenants_set_interface(struct ss_tenants *tenants, uint32_t interface_id,
			      struct ss_tenant *tenant);

/* NULL: there is none. */
struct ss_tenant *ss_tenants_of_uid(const struct ss_tenants *tenants, const char *uid);
struct ss_tenant *ss_tenants_of_cgroup(const struct ss_tenants *tenants, uint64_t cgroup_id);
/* Also one that is removed. */
struct ss_tenant *ss_tenants_of_interface(const struct ss_tenants *tenants, uint32_t interface_id);

/* All that are not removed. */
void ss_tenants_each(const struct ss_tenants *tenants,
		     void (*each)(struct ss_tenant *tenant, void *user_data), void *user_data);

#endif
