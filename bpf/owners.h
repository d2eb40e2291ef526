/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The owners of sockets: written by the programs of owner.bpf.c and owner_trace.bpf.c, read by
 * those of frames.bpf.c. Maps of all these objects, one each in the kernel (lib/source/owner.c).
 */
#ifndef SS_BPF_OWNERS_H
#define SS_BPF_OWNERS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h> /* needs the types of linux/bpf.h */

#include "format/owner.h"

/* A connection that comes in has the owner of its listener until somebody accepts or uses it. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct ss_owner);
} owners SEC(".maps");

/* Of connections in time-wait, which have no socket that could keep anything. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SS_OWNER_CLOSED_MAX);
	__type(key, struct ss_flow);
	__type(value, struct ss_owner);
} closed SEC(".maps");

/*
 * Processes that were told, by the value of SS_METADATA_PROCESS. Told again when their state
 * changed: their name, because they executed another program; or, where tasks may not be read, each
 * second, because the pid may have been used again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SS_OWNER_PROCESSES_MAX);
	__type(key, __u64);
	__type(value, struct ss_owner_told);
} told SEC(".maps");

/*
 * By cookie of the network namespace: changes whenever an address there may mean another process
 * than before, so that what frame programs remember of look-ups is void.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SS_OWNER_GENERATIONS);
	__type(key, __u32);
	__type(value, __u64);
} generations SEC(".maps");

static __always_inline __u64 *generation_of(__u64 netns)
{
	__u64 key = netns & (SS_OWNER_GENERATIONS - 1); /* its low half; see frames.bpf.c */

	return bpf_map_lookup_elem(&generations, &key);
}

#endif
