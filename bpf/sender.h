/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sent a frame that arrives on loopback: a cgroup that both sends and receives it runs its
 * egress and its ingress program on it. Ingress asks for the sender's socket and leaves the frame
 * to egress if that socket is of the same cgroup. Frames without a socket (resets of closed ports,
 * time-wait) have no egress run, so ingress keeps them.
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
		return false;
	id = bpf_sk_ancestor_cgroup_id(socket, (int)level);
	bpf_sk_release(socket);
	return id == cgroup_id;
}

#endif
