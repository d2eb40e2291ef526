/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pods a person means. */
#ifndef SS_K8S_SELECT_H
#define SS_K8S_SELECT_H

#include <stdbool.h>

#include <glib.h>

#include "error.h"
#include "k8s/pod.h"
#include "options.h"

/* A pod is meant if it fits every list that is not empty: one of the namespaces, one of the names,
 * all of the label selectors, one of the workloads, one of the containers. */
struct ss_selection {
	GPtrArray *namespaces; /* char * */
	GPtrArray *names;      /* char *: "api" or "production/api" */
	GPtrArray *selectors;  /* struct ss_selector * */
	GPtrArray *workloads;  /* struct ss_workload_name * */
	GPtrArray *containers; /* char * */
};

void ss_selection_init(struct ss_selection *selection);
void ss_selection_deinit(struct ss_selection *selection);

/* Checks the spelling, so that a typing error is told before any pod is looked for. */
int ss_selection_add_namespace(struct ss_selection *selection, const char *name,
			       struct ss_error *error);
int ss_selection_add_name(struct ss_selection *selection, const char *name, struct ss_error *error);
int ss_selection_add_selector(struct ss_selection *selection, const char *text,
			      struct ss_error *error);
/* "deploy/api", "production/deploy/api" */
int ss_selection_add_workload(struct ss_selection *selection, const char *text,
			      struct ss_error *error);
int ss_selection_add_container(struct ss_selection *selection, const char *name,
			       struct ss_error *error);
/* All of it from the options; initializes the selection, which is to be deinitialized even after
 * an error. */
int ss_selection_from_options(struct ss_selection *selection, const struct ss_options *options,
			      struct ss_error *error);

/* What must be known of pods to decide. */
bool ss_selection_needs_labels(const struct ss_selection *selection);
bool ss_selection_needs_workload(const struct ss_selection *selection);

/* For pods that come while capturing. An empty selection means every pod. */
bool ss_selection_match(const struct ss_selection *selection, const struct ss_pod *pod);

/* Of one that matched: a container's name may be missing while it is started anew. */
bool ss_selection_still_match(const struct ss_selection *selection, const struct ss_pod *pod);
/* May a pod be meant of which labels, owner and containers are not known yet? */
bool ss_selection_may_match(const struct ss_selection *selection, const struct ss_pod *pod);

/* The pods that are meant, in their order: *ret_pods borrows from pods. Fails with -ENOENT when a
 * name, a namespace or the whole fits nothing, -ENOTUNIQ when a bare name fits pods of several
 * namespaces; the sentence names the fix. */
int ss_selection_resolve(const struct ss_selection *selection, const GPtrArray *pods,
			 GPtrArray **ret_pods, struct ss_error *error);

#endif
