/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pods' part of the cgroup file system: which pods have cgroups, and which processes. */
#ifndef SS_K8S_CGROUPFS_H
#define SS_K8S_CGROUPFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

struct ss_cgroup_container {
	char *id;
	const char *runtime; /* static, or NULL */
	char *path;          /* its directory; NULL when found by way of /proc */
	GArray *pids;        /* pid_t; NULL: not read yet */
};

struct ss_cgroup_pod {
	char *path;            /* version 2 directory, or NULL */
	uint64_t id;           /* its inode number */
	GPtrArray *containers; /* struct ss_cgroup_container * */
};

struct ss_cgroupfs {
	GHashTable *pods;       /* uid → struct ss_cgroup_pod * */
	GPtrArray *directories; /* char *: where pods and containers appear and vanish */
	bool found;             /* at least one tree with pods could be read */
};

/* root: /sys/fs/cgroup. proc: where to look instead when root shows no pods (NULL: do not). The
 * containers of pods in known (keys: uids; may be NULL) are not read. */
struct ss_cgroupfs *ss_cgroupfs_new(const char *root, const char *proc, GHashTable *known);
void ss_cgroupfs_free(struct ss_cgroupfs *cgroupfs);

/* The processes of a container, read at the first call. Borrowed; may be empty. */
const GArray *ss_cgroup_container_pids(struct ss_cgroup_container *container);

#endif
