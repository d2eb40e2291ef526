/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pod and container a cgroup belongs to, from its path alone. */
#ifndef SS_K8S_CGROUP_H
#define SS_K8S_CGROUP_H

#include <stddef.h>

#include "k8s/podname.h"

struct ss_cgroup_identity {
	char pod_uid[SS_UID_MAX + 1];               /* as in /var/log/pods */
	char container_id[SS_CONTAINER_ID_LEN + 1]; /* empty: the pod's own cgroup */
	const char *runtime;                        /* static; NULL where the path does not say */
};

/* A path relative to the cgroup root: "/kubepods/besteffort/pod<uid>/<id>". 0, -ENOENT when it
 * names no pod (or a helper of the runtime, which lives in the host's namespaces), -EINVAL when it
 * is no path. */
int ss_cgroup_parse(const char *path, struct ss_cgroup_identity *ret);

/* The text of /proc/PID/cgroup: the line that says most, version 2 before version 1. */
int ss_cgroup_parse_proc(const char *text, size_t length, struct ss_cgroup_identity *ret);

#endif
