/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pods of this node from what the kubelet and the kernel show to everybody: log directories,
 * cgroups and /proc. No credentials, no runtime socket, no API server.
 */
#ifndef SS_K8S_NODE_H
#define SS_K8S_NODE_H

#include <stdbool.h>

#include <glib.h>

#include "error.h"
#include "k8s/pod.h"

struct ss_node_paths {
	const char *pod_logs;       /* /var/log/pods */
	const char *container_logs; /* /var/log/containers */
	const char *proc;           /* /proc */
	const char *cgroup;         /* /sys/fs/cgroup */
	const char *run;            /* /run */
};

/* NULL, or a NULL member: the real place. The strings are copied. */
struct ss_node *ss_node_new(const struct ss_node_paths *paths);
void ss_node_free(struct ss_node *node);

/* From now on, scans do not look at processes: no pod seems to live. A tenth of the cost. */
void ss_node_only_names(struct ss_node *node);

/* From now on, scans believe what one of this user's (in this process or an earlier one) read of a
 * living process some seconds ago: its addresses are as old. */
void ss_node_recall(struct ss_node *node);

/* Every pod that has a log directory, sorted by namespace and name, one per name: of several with
 * one name (a restart) the living one, then the newest. Sets *ret_pods to an array of pods, which
 * frees them. No pods is no error; log directories that may not be read are. */
int ss_node_scan(struct ss_node *node, GPtrArray **ret_pods, struct ss_error *error);

/* The same at a fraction of the cost for who already holds pods (uid → const struct ss_pod *) whose
 * process is known to live: only their containers are read again. */
int ss_node_scan_known(struct ss_node *node, GHashTable *known, GPtrArray **ret_pods,
		       struct ss_error *error);

/* Did the last scan meet a pod whose process is still being moved into the pod's namespaces? Such a
 * pod has no pid yet; look again in some milliseconds. */
bool ss_node_is_settling(const struct ss_node *node);

/* The directories whose changes may change the result of a scan (char *), as of the last scan.
 * Borrowed until the next. */
const GPtrArray *ss_node_directories(const struct ss_node *node);

const char *ss_node_proc(const struct ss_node *node);

#endif
