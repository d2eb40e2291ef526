/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of finding sockets' owners that takes CAP_PERFMON (bpf/owner_trace.bpf.c): who uses a
 * socket that it did not make, and who has those older than the capture.
 */
#ifndef SS_SOURCE_OWNER_TRACE_H
#define SS_SOURCE_OWNER_TRACE_H

struct ss_owner_trace;

/* Descriptors of the maps of bpf/owner_process.h and owners.h; borrowed for the call. */
struct ss_owner_maps {
	int owners, containers, told, records;
};

/* As much of it as this kernel grants, in use from now on; NULL: nothing. */
struct ss_owner_trace *ss_owner_trace_new(const struct ss_owner_maps *maps);
void ss_owner_trace_free(struct ss_owner_trace *trace);

/* Names the owners of the sockets that processes in and below the cgroup v2 directory have open. */
void ss_owner_trace_seed(struct ss_owner_trace *trace, int cgroup_fd);

#endif
