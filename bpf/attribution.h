/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which process a frame is of: the one that owns its socket. Unknown rather than wrong: what the
 * kernel itself says (resets, echo replies), and what no socket of a pod waits for, is nobody's.
 *
 * A frame that leaves has its socket with it. One that arrives has none yet: the kernel is asked
 * for the socket that will get it, as it will ask itself in a moment.
 */
#ifndef SS_BPF_ATTRIBUTION_H
#define SS_BPF_ATTRIBUTION_H

#include "bpf/owners.h"
#include "bpf/ring.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_TCP   6
#define PROTOCOL_UDP   17

/* Words of a packet from its IP header on, with those of a bpf_sock_tuple: addresses and ports. */
#define IPV4_TUPLE 3
#define IPV4_WORDS 6 /* without options */
#define IPV6_TUPLE 2
#define IPV6_WORDS 11 /* without extension headers */

/* Takes the owner that was found, NULL: none. */
typedef void write_owner_fn(struct __sk_buff *skb, struct ring_block *block,
			    const struct ss_owner *owner);

/* A packet for a look-up. */
struct packet {
	__u32 *tuple;
	__u64 address_words; /* 1 or 4 */
	__u64 protocol;
	bool sender;      /* the socket that sent it, not the one that it is for */
	bool only_closed; /* if that is none any more */
	__u64 netns_id;   /* where, by local id; -1: here */
	__u64 netns;      /* where, by cookie; 0: not known yet */
};

static __always_inline struct ss_owner *owner_of_socket(struct bpf_sock *sk)
{
	return bpf_sk_storage_get(&owners, sk, NULL, 0);
}

static __always_inline struct ss_owner *owner_of_frame(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct ss_owner *owner;

	if (!sk)
		return NULL;
	owner = owner_of_socket(sk);
	if (owner)
		return owner;
	sk = bpf_get_listener_sock(sk); /* of a SYN-ACK */
	return sk ? owner_of_socket(sk) : NULL;
}

/* Source for destination: the socket that sent has them the other way round. */
static __always_inline void swap_ends(const struct packet *packet)
{
	__u32 *tuple = packet->tuple, *ports = tuple + 2 * packet->address_words, saved;

	for (__u64 i = 0; i < packet->address_words; i++) {
		saved = tuple[i];
		tuple[i] = tuple[packet->address_words + i];
		tuple[packet->address_words + i] = saved;
	}
	*ports = *ports << 16 | *ports >> 16;
}

static __always_inline struct ss_owner *owner_of_closed(const struct packet *packet)
{
	const __u32 *tuple = packet->tuple;
	struct ss_flow flow = {.netns = packet->netns};

	if (packet->address_words == 1) {
		flow.remote[2] = flow.local[2] = __builtin_bswap32(0xffff);
		flow.remote[3] = tuple[0];
		flow.local[3] = tuple[1];
		flow.ports = tuple[2];
	} else {
		__builtin_memcpy(flow.remote, tuple, 36);
	}
	return bpf_map_lookup_elem(&closed, &flow);
}

static __always_inline void find_tcp(struct __sk_buff *skb, const struct packet *packet,
				     struct ring_block *block, write_owner_fn *write)
{
	__u32 size = packet->address_words == 1 ? 12 : 36;
	struct bpf_sock *sk =
		bpf_skc_lookup_tcp(skb, (void *)packet->tuple, size, packet->netns_id, 0);
	struct bpf_sock *listener;

	if (!sk)
		return;
	if (sk->state == BPF_TCP_TIME_WAIT) {
		write(skb, block, owner_of_closed(packet));
	} else if (packet->only_closed || (packet->sender && sk->state == BPF_TCP_LISTEN)) {
		/* A listener sends nothing; what has its address is a reset by the kernel. */
	} else if (sk->state == BPF_TCP_NEW_SYN_RECV) {
		listener = bpf_get_listener_sock(sk);
		if (listener)
			write(skb, block, owner_of_socket(listener));
	} else {
		write(skb, block, owner_of_socket(sk));
	}
	bpf_sk_release(sk);
}

static __always_inline void find_udp(struct __sk_buff *skb, const struct packet *packet,
				     struct ring_block *block, write_owner_fn *write)
{
	__u32 size = packet->address_words == 1 ? 12 : 36;
	struct bpf_sock *sk;

	if (packet->only_closed)
		return;
	sk = bpf_sk_lookup_udp(skb, (void *)packet->tuple, size, packet->netns_id, 0);
	if (!sk)
		return;
	write(skb, block, owner_of_socket(sk));
	bpf_sk_release(sk);
}

static __always_inline void find_by_tuple(struct __sk_buff *skb, const struct packet *packet,
					  struct ring_block *block, write_owner_fn *write)
{
	if (packet->sender)
		swap_ends(packet);
	if (packet->protocol == PROTOCOL_TCP)
		find_tcp(skb, packet, block, write);
	else if (packet->protocol == PROTOCOL_UDP)
		find_udp(skb, packet, block, write);
}

static __always_inline void find_ipv4(struct __sk_buff *skb, struct packet *packet,
				      struct ring_block *block, write_owner_fn *write)
{
	__u32 words[IPV4_WORDS];
	__u64 header;

	if (bpf_skb_load_bytes_relative(skb, 0, words, sizeof(words), BPF_HDR_START_NET))
		return;
	if (words[1] & __builtin_bswap32(0x3fff)) /* a fragment: ports are in the first only */
		return;
	header = (words[0] & 0xf) * 4;
	if (header != 20 && bpf_skb_load_bytes_relative(skb, (__u32)header, &words[IPV4_WORDS - 1],
							sizeof(*words), BPF_HDR_START_NET))
		return;
	packet->tuple = &words[IPV4_TUPLE];
	packet->address_words = 1;
	packet->protocol = words[2] >> 8 & 0xff;
	find_by_tuple(skb, packet, block, write);
}

static __always_inline void find_ipv6(struct __sk_buff *skb, struct packet *packet,
				      struct ring_block *block, write_owner_fn *write)
{
	__u32 words[IPV6_WORDS];

	if (bpf_skb_load_bytes_relative(skb, 0, words, sizeof(words), BPF_HDR_START_NET))
		return;
	packet->tuple = &words[IPV6_TUPLE];
	packet->address_words = 4;
	packet->protocol = words[1] >> 16 & 0xff;
	find_by_tuple(skb, packet, block, write);
}

static __always_inline void find_by_address(struct __sk_buff *skb, struct packet *packet,
					    struct ring_block *block, write_owner_fn *write)
{
	__u64 type = __builtin_bswap16((__u16)skb->protocol);

	if (type == ETHERTYPE_IPV4)
		find_ipv4(skb, packet, block, write);
	else if (type == ETHERTYPE_IPV6)
		find_ipv6(skb, packet, block, write);
}

#endif
