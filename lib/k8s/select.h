/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pods a person means. */
#ifndef SS_K8S_SELECT_H
#define SS_K8S_SELECT_H

#include <stdbool.h>

#include <glib.h>

#include "error.h"
#include "k8s/pod.h"

/* Embedded in the front ends' options. A pod is meant if it fits every list that is not empty. */
struct ss_selection {
	GPtrArray *namespaces; /* char * */
	GPtrArray *names;      /* char *: "api" or "production/api" */
};

void ss_selection_init(struct ss_selection *selection);
void ss_selection_deinit(struct ss_selection *selection);

/* Checks the spelling, so that a typing error is told before any pod is looked for. */
int ss_selection_add_namespace(struct ss_selection *selection, const char *name,
			       struct ss_error *error);
int ss_selection_add_name(struct ss_selection *selection, const char *name, struct ss_error *error);

/* For pods that come while capturing. An empty selection means every pod. */
bool ss_selection_match(const struct ss_selection *selection, const struct ss_pod *pod);

/* The pods that are meant, in their order: *ret_pods borrows from pods. Fails with -ENOENT when a
 * name or a namespace fits nothing, -ENOTUNIQ when a bare name fits pods of several namespaces; the
 * sentence names the fix. */
int ss_selection_resolve(const struct ss_selection *selection, const GPtrArray *pods,
			 GPtrArray **ret_pods, struct ss_error *error);

#endif
