/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that is known about pods, joined: the living pods of this node (watch.h), completed by
 * the providers, and what gives names to other addresses of the cluster.
 */
#ifndef SS_K8S_DIRECTORY_H
#define SS_K8S_DIRECTORY_H

#include "error.h"
#include "k8s/provider.h"
#include "k8s/watch.h"
#include "loop.h"

struct ss_directory_options {
	const struct ss_node_paths *paths; /* NULL: this machine's */
	bool needs_labels; /* a pod is told only when its labels (or owner) are known, or
			    * nobody can tell them: a selection needs them */
	bool needs_workload;
	bool needs_all; /* ... only when nobody is being asked about it any more: for lists */
	bool once;      /* only _prepare() and _pods(): nothing is watched, so that a list costs one
			 * look at the node */
	bool names;     /* with once: what lives is not looked at, only what there is */
};

struct ss_directory_callbacks {
	/* A living pod of this node, as soon as it may be captured; CHANGED when more is known. */
	ss_pod_callback pod;
	/* SET: a new one of which it is not known yet what the selection needs, so pod() comes
	 * later; GONE: it ended before. May be NULL. */
	void (*awaited)(enum ss_object_change change, const struct ss_pod *pod, void *user_data);
	/* As in provider.h; peers are pods of other nodes. */
	void (*peer)(enum ss_object_change change, const struct ss_pod *pod, void *user_data);
	void (*service)(enum ss_object_change change, const struct ss_service *service,
			void *user_data);
	void (*node)(enum ss_object_change change, const struct ss_cluster_node *node,
		     void *user_data);
	void *user_data;
};

struct ss_directory;

/* Copies options and callbacks. Nothing is told yet. */
struct ss_directory *ss_directory_new(struct ss_loop *loop,
				      const struct ss_directory_options *options,
				      const struct ss_directory_callbacks *callbacks);
void ss_directory_free(struct ss_directory *directory);

/* What a provider is to call, and the provider, which is taken over; all before the first of the
 * following. Of two that know a fact the later one is to know better. */
struct ss_provider_callbacks ss_directory_provider_callbacks(struct ss_directory *directory);
void ss_directory_add(struct ss_directory *directory, struct ss_provider *provider);

/* Looks at the node and asks the providers, without telling anything yet: runs the loop until the
 * facts that are needed are there or can't be had, at most wait_ms. A negative errno with a
 * sentence: the node's pods can't be seen. */
int ss_directory_prepare(struct ss_directory *directory, unsigned wait_ms, struct ss_error *error);
/* Tells what lives already (waiting at most wait_ms for providers that are needed), and from now on
 * by itself, on the loop. */
int ss_directory_start(struct ss_directory *directory, unsigned wait_ms, struct ss_error *error);

/* All pods, living or not, sorted by namespace and name: an array of struct ss_pod *, which frees
 * them. Providers are asked about ended ones by this; a second call after another _prepare() has
 * their answers. */
int ss_directory_pods(struct ss_directory *directory, GPtrArray **ret_pods, struct ss_error *error);
/* The providers, for their state: array of struct ss_provider *. Borrowed. */
const GPtrArray *ss_directory_providers(const struct ss_directory *directory);

#endif
