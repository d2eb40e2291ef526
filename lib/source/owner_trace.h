/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of finding sockets' owners that takes CAP_PERFMON (bpf/owner_trace.h): who reads
 * from a connection that it did not accept, and who has those older than the capture.
 */
#ifndef SS_SOURCE_OWNER_TRACE_H
#define SS_SOURCE_OWNER_TRACE_H

struct owner;
struct bpf_link;

/* Sees readers of connections from now on; NULL, with errno, where the kernel refuses. */
struct bpf_link *ss_owner_trace_attach(struct owner *skeleton);
/* The same for datagrams, if that program was loaded. */
struct bpf_link *ss_owner_trace_attach_datagrams(struct owner *skeleton);

/* Names the owners of the sockets that processes in and below the cgroup v2 directory have open. */
void ss_owner_trace_seed(struct owner *skeleton, int cgroup_fd);

#endif
