/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sent a frame that arrives on loopback: a cgroup that both sends and receives it runs its
 * egress and its ingress program on it. Ingress asks for the sender's socket and leaves the frame
 * to egress if that socket is of the same cgroup. Frames without a socket (resets of closed ports,
 * time-wait) have no egress run, so ingress keeps them.
 *
 * A socket may end with its last frame (the ACK before time-wait, a reset, a datagram before
 * close): when ingress asks, it is gone. So egress leaves a footprint of what it saw.
 */
#ifndef SS_BPF_SENDER_H
#define SS_BPF_SENDER_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "bpf/ring.h"

#define LOOPBACK_IFINDEX 1 /* of every network namespace */

/* Fills the tuple of the sender's socket; returns its IP protocol, 0 for what has no ports. */
static __always_inline __u8 sender_tuple(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					 __u64 *ret_size)
{
	__u8 byte, protocol;
	__u64 first, header; /* 64 bits, and kept so: see bpf/frames.bpf.c */

	if (bpf_skb_load_bytes(skb, 0, &byte, 1))
		return 0;
	first = OPAQUE(byte);
	header = OPAQUE((first & 15) * 4);
	if (first >> 4 == 4) {
		if (bpf_skb_load_bytes(skb, 9, &protocol, 1) ||
		    bpf_skb_load_bytes(skb, 12, &tuple->ipv4.daddr, 4) ||
		    bpf_skb_load_bytes(skb, 16, &tuple->ipv4.saddr, 4) ||
		    bpf_skb_load_bytes(skb, (__u32)header, &tuple->ipv4.dport, 2) ||
		    bpf_skb_load_bytes(skb, (__u32)header + 2, &tuple->ipv4.sport, 2))
			return 0;
		*ret_size = sizeof(tuple->ipv4);
		return protocol;
	}
	/* Sockets on loopback send no IPv6 extension headers of note: only the plain case. */
	if (first >> 4 == 6) {
		if (bpf_skb_load_bytes(skb, 6, &protocol, 1) ||
		    bpf_skb_load_bytes(skb, 8, tuple->ipv6.daddr, 16) ||
		    bpf_skb_load_bytes(skb, 24, tuple->ipv6.saddr, 16) ||
		    bpf_skb_load_bytes(skb, 40, &tuple->ipv6.dport, 2) ||
		    bpf_skb_load_bytes(skb, 42, &tuple->ipv6.sport, 2))
			return 0;
		*ret_size = sizeof(tuple->ipv6);
		return protocol;
	}
	return 0;
}

#define FOOTPRINTS 4096 /* a power of two; frames between egress and ingress of lo are far fewer */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FOOTPRINTS);
	__type(key, __u32);
	__type(value, __u64);
} footprints SEC(".maps");

/*
 * Of a frame that a cgroup sent: never 0. Ports and sequence number, then acknowledgement and flags;
 * ports and checksum of UDP. Bytes that are not there count as 0.
 */
static __always_inline __u64 footprint(struct __sk_buff *skb, __u64 cgroup_id)
{
	__u64 hash = cgroup_id, header, first, words[2] = {}, id = 0;
	__u8 byte;

	if (bpf_skb_load_bytes(skb, 0, &byte, 1))
		return 0;
	first = OPAQUE(byte);
	/* 4: the header's length; 6: always 40 */
	header = SELECT(NONZERO((first >> 4) ^ 4), 40, (first & 15) * 4);
	bpf_skb_load_bytes(skb, 0, &id, 8);
	bpf_skb_load_bytes(skb, (__u32)header, &words[0], 8);
	bpf_skb_load_bytes(skb, (__u32)header + 8, &words[1], 8);
	hash = (hash ^ id) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 32 ^ words[0]) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 32 ^ words[1]) * 0x9e3779b97f4a7c15ull;
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

/* Whether egress saw this frame; says so once. */
static __always_inline bool sender_left_footprint(struct __sk_buff *skb, __u64 cgroup_id)
{
	__u64 print = footprint(skb, cgroup_id), *place;
	__u32 key = (__u32)(print >> 40) & (FOOTPRINTS - 1);

	place = bpf_map_lookup_elem(&footprints, &key);
	if (!place || *place != print)
		return false;
	*place = 0;
	return true;
}

static __always_inline bool sender_in_cgroup(struct __sk_buff *skb, __u64 cgroup_id, __u64 level)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket = NULL;
	__u64 size = 0, id;

	if (skb->ifindex != LOOPBACK_IFINDEX)
		return false;
	switch (sender_tuple(skb, &tuple, &size)) {
	case 6: /* TCP */
		socket = size == sizeof(tuple.ipv4)
				 ? bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4),
						     BPF_F_CURRENT_NETNS, 0)
				 : bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6),
						     BPF_F_CURRENT_NETNS, 0);
		break;
	case 17: /* UDP */
		socket = size == sizeof(tuple.ipv4)
				 ? bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv4),
						     BPF_F_CURRENT_NETNS, 0)
				 : bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv6),
						     BPF_F_CURRENT_NETNS, 0);
		break;
	}
	if (!socket)
		return sender_left_footprint(skb, cgroup_id);
	id = bpf_sk_ancestor_cgroup_id(socket, (int)level);
	bpf_sk_release(socket);
	return id == cgroup_id;
}

#endif
