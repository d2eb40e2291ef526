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

static __always_inline struct ss_owner *owner_of_socket(struct bpf_sock *sk)
{
	return bpf_sk_storage_get(&owners, sk, NULL, 0);
}

static __always_inline struct ss_owner *owner_by_socket(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct ss_owner *owner;

	if (!sk)
		return NULL;
	owner = owner_of_socket(sk);
	if (owner)
		return owner;
	sk = bpf_sk_fullsock(sk); /* of a SYN-ACK: the listener */
	return sk ? owner_of_socket(sk) : NULL;
}

/* Source for destination: the socket that sent has them the other way round. */
static __always_inline void swap_ends(__u32 *tuple, int address_words)
{
	__u32 *ports = tuple + 2 * address_words, saved;

	for (int i = 0; i < address_words; i++) {
		saved = tuple[i];
		tuple[i] = tuple[address_words + i];
		tuple[address_words + i] = saved;
	}
	*ports = *ports << 16 | *ports >> 16;
}

static __always_inline struct bpf_sock *look_up(struct __sk_buff *skb, __u32 *tuple, __u32 size,
						__u64 protocol, __u64 netns)
{
	if (protocol == PROTOCOL_TCP)
		return bpf_sk_lookup_tcp(skb, (void *)tuple, size, netns, 0);
	if (protocol == PROTOCOL_UDP)
		return bpf_sk_lookup_udp(skb, (void *)tuple, size, netns, 0);
	return NULL;
}

static __always_inline struct bpf_sock *look_up_ipv4(struct __sk_buff *skb, bool sender,
						     __u64 netns)
{
	__u32 words[IPV4_WORDS];
	__u64 header;

	if (bpf_skb_load_bytes_relative(skb, 0, words, sizeof(words), BPF_HDR_START_NET))
		return NULL;
	if (words[1] & __builtin_bswap32(0x3fff)) /* a fragment: ports are in the first only */
		return NULL;
	header = (words[0] & 0xf) * 4;
	if (header != 20 && bpf_skb_load_bytes_relative(skb, (__u32)header, &words[IPV4_WORDS - 1],
							sizeof(*words), BPF_HDR_START_NET))
		return NULL;
	if (sender)
		swap_ends(&words[IPV4_TUPLE], 1);
	return look_up(skb, &words[IPV4_TUPLE], (IPV4_WORDS - IPV4_TUPLE) * sizeof(*words),
		       words[2] >> 8 & 0xff, netns);
}

static __always_inline struct bpf_sock *look_up_ipv6(struct __sk_buff *skb, bool sender,
						     __u64 netns)
{
	__u32 words[IPV6_WORDS];

	if (bpf_skb_load_bytes_relative(skb, 0, words, sizeof(words), BPF_HDR_START_NET))
		return NULL;
	if (sender)
		swap_ends(&words[IPV6_TUPLE], 4);
	return look_up(skb, &words[IPV6_TUPLE], (IPV6_WORDS - IPV6_TUPLE) * sizeof(*words),
		       words[1] >> 16 & 0xff, netns);
}

/*
 * The socket that a frame is for, or from; to be released. netns: id of the namespace that has it,
 * as this one calls it; -1: this one.
 */
static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb, bool sender, __u64 netns)
{
	__u64 protocol = __builtin_bswap16((__u16)skb->protocol);

	if (protocol == ETHERTYPE_IPV4)
		return look_up_ipv4(skb, sender, netns);
	if (protocol == ETHERTYPE_IPV6)
		return look_up_ipv6(skb, sender, netns);
	return NULL;
}

#endif
