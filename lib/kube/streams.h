/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which collections are listed and watched, in which namespaces, and where their objects go. Of the
 * whole cluster first; what may not be seen there is asked for in single namespaces.
 */
#ifndef SS_KUBE_STREAMS_H
#define SS_KUBE_STREAMS_H

#include <stdbool.h>

#include "kube/local.h"
#include "kube/owners.h"
#include "kube/peers.h"
#include "kube/services.h"

struct ss_kube_streams_options {
	struct ss_loop *loop;
	struct ss_kube_client *client;
	struct ss_kube_local *local;
	struct ss_kube_peers *peers; /* NULL: nobody wants what names other addresses */
	struct ss_kube_services *services;
	struct ss_kube_owners *owners;
	const char *node;            /* copied */
	const GPtrArray *namespaces; /* char *; borrowed; empty: all */
	unsigned silence_s, watch_s;
};

struct ss_kube_streams;

struct ss_kube_streams *ss_kube_streams_new(const struct ss_kube_streams_options *options);
void ss_kube_streams_free(struct ss_kube_streams *streams);

/* Somebody asks for a pod of this namespace: where the cluster may not be listed, it is. */
void ss_kube_streams_need_namespace(struct ss_kube_streams *streams, const char *namespace);

/* This node has another name than was thought. Not from a callback of a list. */
void ss_kube_streams_set_node(struct ss_kube_streams *streams, const char *node);
const char *ss_kube_streams_node(const struct ss_kube_streams *streams);

/* What is watched for the pods of this node in the namespace. */
enum ss_kube_streams_state { SS_STREAMS_BEGINNING, SS_STREAMS_CURRENT, SS_STREAMS_FAILING };
enum ss_kube_streams_state ss_kube_streams_local_state(const struct ss_kube_streams *streams,
						       const char *namespace);
/* When the last list of them was complete (monotonic, microseconds); 0: never. */
gint64 ss_kube_streams_listed_us(const struct ss_kube_streams *streams);

/* What went wrong last and was not made good: NULL: nothing. Borrowed. */
const char *ss_kube_streams_trouble(const struct ss_kube_streams *streams);
/* Is anything seen? */
bool ss_kube_streams_are_current(const struct ss_kube_streams *streams);
/* Is less than all of the cluster seen, for want of rights? */
bool ss_kube_streams_is_limited(const struct ss_kube_streams *streams);

#endif
