/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pods of this node as the API server has them, and which of them somebody waits for. */
#ifndef SS_KUBE_LOCAL_H
#define SS_KUBE_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "k8s/provider.h"
#include "kube/mark.h"
#include "kube/owners.h"

struct ss_kube_local;

/* Somebody asked for a pod that is not known. */
struct ss_kube_local_asked {
	char *uid, *namespace, *name;
	gint64 since_us;
	bool given_up; /* that it is not known is the answer */
};

/* Borrows callbacks. */
struct ss_kube_local *ss_kube_local_new(const struct ss_provider_callbacks *callbacks);
void ss_kube_local_free(struct ss_kube_local *local);

/* Takes pod and owner (may be NULL). The mark of what no list told is zero. */
void ss_kube_local_set(struct ss_kube_local *local, struct ss_kube_mark mark, struct ss_pod *pod,
		       struct ss_kube_owner *owner);
/* Gone from the API server: kept for a minute, since its processes may live on. */
void ss_kube_local_remove(struct ss_kube_local *local, const char *uid);
void ss_kube_local_sweep(struct ss_kube_local *local, struct ss_kube_mark listed);
void ss_kube_local_tell_owners(struct ss_kube_local *local);

/* Fills pod; true: all that will be known. False also when it is not known: now it is asked for. */
bool ss_kube_local_complete(struct ss_kube_local *local, struct ss_pod *pod);
void ss_kube_local_forget(struct ss_kube_local *local, const char *uid);

/* Those that are asked for, not known and not given up: struct ss_kube_local_asked *, borrowed
 * until somebody is told or forgotten. */
GPtrArray *ss_kube_local_asked(struct ss_kube_local *local);
/* Says so to whoever asked. */
void ss_kube_local_give_up(struct ss_kube_local *local, const char *uid);

unsigned ss_kube_local_count(const struct ss_kube_local *local);

#endif
