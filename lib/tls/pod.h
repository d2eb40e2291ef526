/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pods whose TLS is looked for: which processes are theirs, and what lies in their containers. */
#ifndef SS_TLS_POD_H
#define SS_TLS_POD_H

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

struct ss_tls_pod {
	char *uid, *cgroup_path; /* the latter may be NULL */
	bool found;              /* its processes, by way of the cgroup directory */
	GArray *roots;           /* struct ss_tls_root: of its containers, looked into */
	GPtrArray *files;        /* struct ss_tls_file *: libraries that lie there, used */
};

typedef void (*ss_tls_pod_saw)(struct ss_tls_pod *pod, pid_t pid, void *user_data);

struct ss_tls_pod *ss_tls_pod_new(const char *uid);
/* The files must not be used any more. */
void ss_tls_pod_free(struct ss_tls_pod *pod);

/* The pod's processes, by its cgroup directory: sets found if there are any. */
void ss_tls_pod_list(struct ss_tls_pod *pod, ss_tls_pod_saw saw, void *user_data);

/* pods: uid → struct ss_tls_pod *. Whose the process is, by its own word; NULL: nobody's. proc and
 * cgroup_root: where these file systems are. */
struct ss_tls_pod *ss_tls_pods_find(GHashTable *pods, const char *proc, const char *cgroup_root,
				    pid_t pid);
/* The processes of pods that were not found, by everybody's own word: where the cgroup file system
 * is not to be had. */
void ss_tls_pods_list(GHashTable *pods, const char *proc, const char *cgroup_root,
		      ss_tls_pod_saw saw, void *user_data);

#endif
