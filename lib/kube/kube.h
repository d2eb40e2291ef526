/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The provider that asks the API server: labels, images and owners of this node's pods; pods of
 * other nodes, services with their endpoints, and nodes, which give names to addresses.
 *
 * It asks for the pods of this node first, then lists and watches what names peers. What it keeps
 * of a peer is a few hundred bytes. Nothing blocks; an API server that is slow, gone or wrong costs
 * facts, never frames. Where the cluster may not be listed it goes on with the namespaces of the
 * pods it was asked about.
 */
#ifndef SS_KUBE_KUBE_H
#define SS_KUBE_KUBE_H

#include <stdbool.h>

#include <glib.h>

#include "error.h"
#include "k8s/provider.h"
#include "loop.h"

struct ss_kube_options {
	const char *kubeconfig;      /* NULL: $KUBECONFIG, ~/.kube/config, in-cluster */
	const char *context;         /* NULL: the current one */
	const char *node_name;       /* NULL: $NODE_NAME, the host's name; corrected by what the API
				      * server says of a pod that complete() asked for */
	const GPtrArray *namespaces; /* char *: whose pods are asked for; NULL or empty: all.
				      * Services and nodes are the cluster's. */
	bool no_peers; /* only what complete() needs: no pods of other nodes, services, nodes */
	unsigned silence_s; /* give up when the server says nothing for so long; 0: 30 */
	unsigned watch_s;   /* how long it is asked to keep a watch, up to twice that; 0: 300 */
};

/* Reads the configuration; the first request is sent by the loop. Copies options and callbacks.
 * 0; -ENODATA when nothing says where an API server is (an ordinary machine; the sentence says
 * where it was looked for); another negative errno when the configuration can't be used, or
 * -EOPNOTSUPP in a build without WITH_KUBE.
 *
 * complete() fills pod->workload_* with the owner known so far and returns false until the topmost
 * one is known; so does every other fact that waits: look at pod->sources. It needs namespace, name
 * and uid. Peers are told with names, addresses, node and workload; without labels and containers.
 * A peer is told again when its workload becomes known. Free it before the loop, never from a
 * callback. */
int ss_kube_new(struct ss_loop *loop, const struct ss_kube_options *options,
		const struct ss_provider_callbacks *callbacks, struct ss_provider **ret,
		struct ss_error *error);

#endif
