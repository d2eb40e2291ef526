/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS records from the kernel: loads the programs of bpf/tls.bpf.c, attaches them to functions of
 * files, hands out what they saw (format/tls.h) as it was completed. Everything in the kernel hangs
 * on descriptors of this process and goes with it. Needs cap_bpf and cap_perfmon; cap_sys_ptrace to
 * open files of other users' processes.
 */
#ifndef SS_SOURCE_TLS_H
#define SS_SOURCE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "format/tls.h"

struct ss_tls_source;
struct ss_tls_attachment;

struct ss_tls_source_options {
	bool keys, plaintext;  /* which programs are loaded at all */
	uint32_t ring_size;    /* bytes of the ring buffer; 0: enough for a call */
	uint32_t call_budget;  /* plaintext bytes copied at once per call; 0: the default, 24 MiB */
	bool no_return_probes; /* --no-uretprobe: only points that need none */
	bool perf_events;      /* attach as on kernels without uprobe_multi: for tests */
	/* Borrowed for the call. It lies in the kernel's ring, which cannot be wiped from here: the
	 * bytes stay until later records take their place, or the source is freed. */
	void (*record)(const struct ss_tls_record *record, void *user_data);
	void *user_data;
};

/* -EPERM with a sentence that names the missing capability and its setcap line. */
int ss_tls_source_new(const struct ss_tls_source_options *options,
		      struct ss_tls_source **ret_source, struct ss_error *error);
/* Detaches what is attached. Neither this nor ss_tls_source_detach() waits for the kernel to take
 * the probes away: a process without any output does, and ends some milliseconds later. */
void ss_tls_source_free(struct ss_tls_source *source);

/* Only processes in these cgroups (v2 ids; the pod's directory, its children count) are heard. */
int ss_tls_source_add_cgroup(struct ss_tls_source *source, uint64_t cgroup_id,
			     struct ss_error *error);
void ss_tls_source_remove_cgroup(struct ss_tls_source *source, uint64_t cgroup_id);

/*
 * Attaches to all points of the file, inode-wide. path may go through /proc/PID/. Points whose
 * programs are not loaded (options) are passed over; *ret_attachment is NULL if none is left.
 */
int ss_tls_source_attach(struct ss_tls_source *source, const char *path, uint32_t library,
			 const struct ss_tls_point *points, size_t count,
			 struct ss_tls_attachment **ret_attachment, struct ss_error *error);
void ss_tls_source_detach(struct ss_tls_source *source, struct ss_tls_attachment *attachment);

/* Readable when records wait: at once for secrets, execs and closes, otherwise when much has come;
 * call _dispatch every some milliseconds as well while plaintext is captured. */
int ss_tls_source_fd(const struct ss_tls_source *source);
/* Calls back for every record that is there, or for so many that others must have their turn. May
 * raise privileges for a moment, to attach what new programs need. */
void ss_tls_source_dispatch(struct ss_tls_source *source);

void ss_tls_source_count(struct ss_tls_source *source, struct ss_tls_counters *ret_counters);

#endif
