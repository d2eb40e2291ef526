/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on loopback pass a cgroup's egress and its ingress program when it both sends and receives
 * them, and are to be stored once: by egress, because a socket that ends with its last frame (the
 * ACK before time-wait, a reset) is gone when ingress could ask for it. So egress leaves a
 * footprint of what it saw, and ingress passes over frames with one. Frames that no socket of the
 * cgroup sent (resets of closed ports, other senders on the host) have none: ingress keeps them.
 */
#ifndef SS_BPF_SENDER_H
#define SS_BPF_SENDER_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h> /* needs the types of linux/bpf.h */
#include <stdbool.h>

#include "bpf/ring.h"

#define LOOPBACK_IFINDEX 1 /* of every network namespace */

/* A power of two. Frames between egress and ingress of lo are far fewer. */
#define FOOTPRINTS 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FOOTPRINTS);
	__type(key, __u32);
	__type(value, __u64);
} footprints SEC(".maps");

/* What a footprint is made of; its words lie on the stack as a helper may write them. */
struct steps {
	__u32 unused;
	__u8 header[20]; /* of IP: the first 20 bytes */
	__u64 words[2];  /* behind it */
} __attribute__((aligned(8)));

#define IPV4_START (20 + 16) /* bytes: IPv4 without options, and what is behind it */

/* One call for what most frames are, because calls are what it costs. */
static __always_inline void read_steps(struct __sk_buff *skb, struct steps *steps)
{
	__u64 header, first;

	if (!bpf_skb_load_bytes(skb, 0, steps->header, IPV4_START) && steps->header[0] == 0x45)
		return;
	bpf_skb_load_bytes(skb, 0, steps->header, 8);
	first = OPAQUE(steps->header[0]);
	/* 4: the header's length; 6: always 40 */
	header = SELECT(NONZERO((first >> 4) ^ 4), 40, (first & 15) * 4);
	bpf_skb_load_bytes(skb, (__u32)header, &steps->words[0], 8);
	bpf_skb_load_bytes(skb, (__u32)header + 8, &steps->words[1], 8);
}

/*
 * Of a frame that a cgroup sent: never 0. Ports and sequence number, then acknowledgement and
 * flags; ports and checksum of UDP. Bytes that are not there count as 0.
 */
static __always_inline __u64 footprint(struct __sk_buff *skb, __u64 cgroup_id)
{
	__u64 hash = cgroup_id, id;
	struct steps steps;

	read_steps(skb, &steps);
	id = *(__u32 *)&steps.header[0] | (__u64) * (__u32 *)&steps.header[4] << 32;
	hash = (hash ^ id) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 32 ^ steps.words[0]) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 32 ^ steps.words[1]) * 0x9e3779b97f4a7c15ull;
	return hash | 1;
}

static __always_inline void sender_leave_footprint(struct __sk_buff *skb, __u64 cgroup_id)
{
	__u64 print = footprint(skb, cgroup_id), *place;
	__u32 key = (__u32)(print >> 40) & (FOOTPRINTS - 1);

	place = bpf_map_lookup_elem(&footprints, &key);
	if (place)
		*place = print;
}

/*
 * Whether egress saw this frame. The footprint stays until another one takes its place: TCP may
 * show a frame to ingress twice, when it looks for its socket again.
 */
static __always_inline bool sender_left_footprint(struct __sk_buff *skb, __u64 cgroup_id)
{
	__u64 print = footprint(skb, cgroup_id), *place;
	__u32 key = (__u32)(print >> 40) & (FOOTPRINTS - 1);

	place = bpf_map_lookup_elem(&footprints, &key);
	return place && *place == print;
}

#endif
