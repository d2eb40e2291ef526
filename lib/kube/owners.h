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

struct ss_owners;
struct ss_owner;

struct ss_owners_callbacks {
	/* Of some owners the top became known: ss_owner_is_fresh() says which. */
	void (*resolved)(void *user_data);
	/* It may not be asked; owners are then what pods say. */
	void (*failed)(int status, const char *sentence, void *user_data);
	void *user_data;
};

struct ss_owners *ss_owners_new(struct ss_loop *loop, struct ss_client *client, unsigned silence_s,
				const struct ss_owners_callbacks *callbacks);
/* After every owner was put back. */
void ss_owners_free(struct ss_owners *owners);

/* NULL when there is none; else put it back. urgent: before all that are not. */
struct ss_owner *ss_owners_get(struct ss_owners *owners, const char *namespace,
			       const struct ss_object_owner *owner, bool urgent);
void ss_owner_put(struct ss_owner *owner);

/* As far as it is known. Borrowed; owner may be NULL. */
const char *ss_owner_kind(const struct ss_owner *owner);
const char *ss_owner_name(const struct ss_owner *owner);
/* Will it stay so? */
bool ss_owner_is_final(const struct ss_owner *owner);
bool ss_owner_is_fresh(const struct ss_owner *owner);

#endif
