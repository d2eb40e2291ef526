/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is at the top of a pod's owners: a ReplicaSet's Deployment, a Job's CronJob. Asked for when a
 * pod needs it, by metadata alone, and kept as long as a pod needs it.
 */
#ifndef SS_KUBE_OWNERS_H
#define SS_KUBE_OWNERS_H

#include <stdbool.h>

#include "kube/client.h"
#include "kube/object.h"
#include "loop.h"

struct ss_kube_owners;
struct ss_kube_owner;

struct ss_kube_owners_callbacks {
	/* Of some owners the top became known: ss_kube_owner_is_fresh() says which. */
	void (*resolved)(void *user_data);
	/* It may not be asked; owners are then what pods say. */
	void (*failed)(int status, const char *sentence, void *user_data);
	void *user_data;
};

struct ss_kube_owners *ss_kube_owners_new(struct ss_loop *loop, struct ss_kube_client *client,
					  unsigned silence_s,
					  const struct ss_kube_owners_callbacks *callbacks);
/* After every owner was put back. */
void ss_kube_owners_free(struct ss_kube_owners *owners);

/* NULL when there is none; else put it back. urgent: before all that are not. */
struct ss_kube_owner *ss_kube_owners_get(struct ss_kube_owners *owners, const char *namespace,
					 const struct ss_kube_object_owner *owner, bool urgent);
void ss_kube_owner_put(struct ss_kube_owner *owner);

/* As far as it is known. Borrowed; owner may be NULL. */
const char *ss_kube_owner_kind(const struct ss_kube_owner *owner);
const char *ss_kube_owner_name(const struct ss_kube_owner *owner);
/* Will it stay so? */
bool ss_kube_owner_is_final(const struct ss_kube_owner *owner);
bool ss_kube_owner_is_fresh(const struct ss_kube_owner *owner);

#endif
