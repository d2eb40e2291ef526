/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pods of other nodes, as small as they can be kept: a block of text and a few pointers each. */
#ifndef SS_KUBE_PEERS_H
#define SS_KUBE_PEERS_H

#include "k8s/provider.h"
#include "kube/mark.h"
#include "kube/owners.h"

struct ss_kube_peers;

/* Borrows callbacks. */
struct ss_kube_peers *ss_kube_peers_new(const struct ss_provider_callbacks *callbacks);
void ss_kube_peers_free(struct ss_kube_peers *peers);

/* Tells it if it is another than before. Takes the owner (may be NULL). False: there are too many.
 */
bool ss_kube_peers_set(struct ss_kube_peers *peers, struct ss_kube_mark mark,
		       const struct ss_pod *pod, struct ss_kube_owner *owner);
void ss_kube_peers_remove(struct ss_kube_peers *peers, const char *uid);
/* Drops what a complete list did not tell. */
void ss_kube_peers_sweep(struct ss_kube_peers *peers, struct ss_kube_mark listed);
/* Drops those of a node that turned out to be this one. */
void ss_kube_peers_remove_node(struct ss_kube_peers *peers, const char *node);
/* Tells again those whose owners are fresh. */
void ss_kube_peers_tell_owners(struct ss_kube_peers *peers);

unsigned ss_kube_peers_count(const struct ss_kube_peers *peers);

#endif
