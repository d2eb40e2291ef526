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

#endif
