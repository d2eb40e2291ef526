/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TLS libraries of the selected pods' processes: what is mapped and executed there is looked at
 * once per file (by inode and build-id, whatever path or overlay leads to it), attached once, and
 * let go when no process of a selected pod uses it any more. New processes are noticed by exec
 * records and by looking again; a library replaced by an upgrade is another file.
 */
#ifndef SS_TLS_DISCOVER_H
#define SS_TLS_DISCOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "error.h"
#include "tls/library.h"

struct ss_tls_discover;

struct ss_tls_discover_callbacks {
	/* Attach to the points of the file; *ret_attachment is given back to detach (not if it is
	 * NULL). path is /proc/self/fd/N, valid during the call. An error is kept for the report,
	 * said once, and the rest goes on. */
	int (*attach)(const char *path, uint32_t number, const struct ss_tls_library *library,
		      void **ret_attachment, void *user_data, struct ss_error *error);
	void (*detach)(void *attachment, void *user_data);
	void *user_data;
};

/* proc, cgroup_root: NULL for the real places. */
struct ss_tls_discover *ss_tls_discover_new(const char *proc, const char *cgroup_root,
					    const struct ss_tls_discover_callbacks *callbacks);
void ss_tls_discover_free(struct ss_tls_discover *discover);

/* A pod comes: cgroup_path is its cgroup directory (children count), uid names it. */
void ss_tls_discover_add_pod(struct ss_tls_discover *discover, const char *uid,
			     const char *cgroup_path);
void ss_tls_discover_remove_pod(struct ss_tls_discover *discover, const char *uid);

/* Is a library that gives keys attached for this pod, mapped already or not? */
bool ss_tls_discover_has_keys(const struct ss_tls_discover *discover, const char *uid);

/* A process of a selected pod began a program (exec record): it is looked at in the next
 * ss_tls_discover_run(), due now, and, because libraries are mapped after exec, again after some
 * milliseconds. */
void ss_tls_discover_exec(struct ss_tls_discover *discover, pid_t pid);
/* When ss_tls_discover_run() is wanted next, milliseconds from now; -1: not. */
int ss_tls_discover_next_ms(const struct ss_tls_discover *discover);
/* Looks at what is due, for some milliseconds at most: more may be due after it. Costs little when
 * nothing changed. */
void ss_tls_discover_run(struct ss_tls_discover *discover);
/* Looks at all that is due. */
void ss_tls_discover_run_all(struct ss_tls_discover *discover);

/* The part (SS_TLS_PART_*) of this file that was found by pattern proved itself, or was refuted:
 * then it gives nothing any more. Detaching it is the caller's affair. */
void ss_tls_discover_judge(struct ss_tls_discover *discover, uint32_t number, unsigned part,
			   bool proved);

/* For tests: another clock, milliseconds. */
void ss_tls_discover_set_clock(struct ss_tls_discover *discover, int64_t (*clock)(void *user_data),
			       void *user_data);

/* For the report: what a process of a selected pod has for TLS. Borrowed until the next call that
 * may change it. NULL: the process is not known. Worst first is the caller's affair. */
struct ss_tls_use {
	uint32_t number; /* of the file; the library number of records */
	const struct ss_tls_library *library;
	const char *path;  /* as the process sees it */
	const char *error; /* why it could not be attached, or NULL */
	bool attached;
};
struct ss_tls_process {
	pid_t pid;
	char comm[16];
	const char *pod_uid;
	GPtrArray *uses;   /* const struct ss_tls_use * */
	const char *error; /* its maps could not be read: sentence, or NULL */
};
void ss_tls_discover_processes(struct ss_tls_discover *discover,
			       void (*each)(const struct ss_tls_process *process, void *user_data),
			       void *user_data);
/* The file that has this number, NULL if it is gone. */
const struct ss_tls_use *ss_tls_discover_use(const struct ss_tls_discover *discover,
					     uint32_t number);

#endif
