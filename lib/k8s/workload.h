/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds of workloads: their spellings, and what a pod's own labels say of its owner. */
#ifndef SS_K8S_WORKLOAD_H
#define SS_K8S_WORKLOAD_H

#include <stdbool.h>

#include <glib.h>

#include "error.h"
#include "k8s/pod.h"

struct ss_workload_name {
	char *namespace; /* NULL: any */
	const char *kind;
	char *name;
};

/* "deploy/api" or "production/deploy/api", kinds as kubectl spells them; -EINVAL with a sentence.
 */
int ss_workload_name_parse(const char *text, struct ss_workload_name **ret, struct ss_error *error);
void ss_workload_name_free(struct ss_workload_name *name);

/* Is the pod the workload's? A ReplicaSet's pods are its Deployment's, and a Job's its CronJob's.
 */
bool ss_workload_has_pod(const struct ss_workload_name *workload, const struct ss_pod *pod);

/* "deploy", "deployments", "Deployment", "deployment.apps" → "Deployment". NULL: no kind of
 * workload. Static. */
const char *ss_workload_kind(const char *text);
/*
 * The owner, from the labels that its controller puts on the pod: Deployment (pod-template-hash),
 * StatefulSet, DaemonSet, Job. False where they do not say, or where the name was cut (58 bytes).
 * A CronJob's pod shows its Job; only the API server knows more. Replaces the strings.
 */
bool ss_workload_from_labels(const char *pod_name, const GPtrArray *labels, char **ret_kind,
			     char **ret_name);

#endif
