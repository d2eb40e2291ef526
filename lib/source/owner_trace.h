/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of finding sockets' owners that takes CAP_PERFMON (bpf/owner_trace.bpf.c): who reads
 * from a connection that it did not accept, and who has those older than the capture.
 */
#ifndef SS_SOURCE_OWNER_TRACE_H
#define SS_SOURCE_OWNER_TRACE_H

struct ss_owner_trace;

/* Descriptors of the maps of bpf/owner_process.h and owners.h; borrowed for the call. */
struct ss_owner_maps {
	int owners, generations, containers, told, records;
};

/* In use from now on; NULL, with a note, where the kernel refuses. */
struct ss_owner_trace *ss_owner_trace_new(const struct ss_owner_maps *maps);
void ss_owner_trace_free(struct ss_owner_trace *trace);

/* Names the owners of the sockets that processes in and below the cgroup v2 directory have open. */
void ss_owner_trace_seed(struct ss_owner_trace *trace, int cgroup_fd);

#endif
