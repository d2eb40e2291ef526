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

#include "bpf/holder.h"
#include "bpf/owners.h"
#include "bpf/ring.h"
#include "bpf/waiter.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_TCP   6
#define PROTOCOL_UDP   17

/* 64-bit words of a packet from its IP header on, up to the ports. */
#define IPV4_WORDS 3 /* 24 bytes: without options */
#define IPV6_WORDS 6
#define IPV6_BYTES 44 /* without extension headers */
/* Sizes that tell the families of a bpf_sock_tuple. */
#define IPV4_TUPLE 12
#define IPV6_TUPLE 36

#define CACHE_SIZE    1024 /* a power of two */
#define CACHE_TIME_NS 50000000ull

/*
 * What look-ups found, by hash of addresses and ports: a look-up costs as much as all else that is
 * done for a small frame. Per CPU, so that nobody reads what is half written. Void when the
 * namespace begins another generation; that is before a socket is connected or released, and a
 * look-up on another CPU may come between: hence the time.
 */
struct cached {
	__u64 generation;
	__u64 until_ns;
	__u64 kind; /* of the packet: protocol, family, which end */
	__u64 tuple[5];
	struct ss_owner owner; /* its netns is of the addresses */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CACHE_SIZE);
	__type(key, __u32);
	__type(value, struct cached);
} cache SEC(".maps");

/* Takes the owner that was found. */
typedef void write_owner_fn(struct __sk_buff *skb, struct ring_block *block,
			    const struct ss_owner *owner);

/* A packet for a look-up. On the stack are whole words only: see frames.bpf.c. */
struct packet {
	__u64 *tuple; /* a struct bpf_sock_tuple */
	__u64 size;   /* IPV4_TUPLE or IPV6_TUPLE */
	__u64 protocol;
	bool sender;      /* the socket that sent it, not the one that it is for */
	bool only_closed; /* if that is none any more */
	bool remembers;   /* what look-ups found; else another does (recent.h) */
	bool sees;        /* who waits for a datagram */
	__u64 netns_id;   /* where, by local id; -1: here */
	__u64 netns;      /* where, by cookie; 0: not known yet */
	__u64 generation; /* read before the look-up */
	write_owner_fn *write;
	/* What was found for a datagram: */
	struct ss_owner *owner; /* NULL: nothing */
	__u64 receiver;         /* the socket's address; 0: it is the sender's */
};

static __always_inline struct ss_owner *owner_of_socket(struct bpf_sock *sk)
{
	return bpf_sk_storage_get(&owners, sk, NULL, 0);
}

/* A frame that comes is not of the process that runs. */
static __always_inline void follow_receiver(struct bpf_sock *sk, struct ss_owner *owner)
{
	sk = bpf_sk_fullsock(sk);
	if (sk && sk->protocol == PROTOCOL_UDP)
		follow_waiter(address_of(sk), owner);
}

/* sees: and who holds its socket, or waits for it. */
static __always_inline struct ss_owner *owner_of_frame(struct __sk_buff *skb, bool ingress,
						       bool sees)
{
	struct bpf_sock *sk = skb->sk;
	struct ss_owner *owner;

	if (!sk)
		return NULL;
	owner = owner_of_socket(sk);
	if (owner) {
		if (sees && ingress)
			follow_receiver(sk, owner);
		else if (sees)
			follow_holder(sk, owner);
		return owner;
	}
	sk = bpf_get_listener_sock(sk); /* of a SYN-ACK */
	return sk ? owner_of_socket(sk) : NULL;
}

/* Words of the tuple, those with padding included. */
static __always_inline __u64 words_of(const struct packet *packet)
{
	return packet->size == IPV4_TUPLE ? 2 : 5;
}

/* An IPv6 packet's words are made the key in place: the stack is shared with filters. */
static __always_inline struct ss_owner *owner_of_closed(const struct packet *packet)
{
	const __u64 mapped = __builtin_bswap32(0xffff);
	__u64 *tuple = packet->tuple;
	struct ss_flow flow;

	if (packet->size == IPV6_TUPLE) {
		tuple[-1] = packet->netns;
		return bpf_map_lookup_elem(&closed, tuple - 1);
	}
	flow.netns = packet->netns;
	flow.remote[0] = flow.local[0] = 0;
	flow.remote[1] = mapped | tuple[0] << 32;
	flow.local[1] = mapped | tuple[0] >> 32 << 32;
	flow.ports = tuple[1];
	return bpf_map_lookup_elem(&closed, &flow);
}

static __always_inline __u64 kind_of(const struct packet *packet)
{
	return packet->protocol | packet->size << 8 | (__u64)packet->sender << 16 |
	       (__u64)packet->only_closed << 17;
}

static __always_inline struct cached *cached_at(const struct packet *packet)
{
	__u64 hash = packet->netns, key;

	for (__u64 i = 0; i < words_of(packet); i++)
		hash = (hash ^ hash >> 32 ^ packet->tuple[i]) * 0x9e3779b97f4a7c15ull;
	key = hash >> 40 & (CACHE_SIZE - 1);
	return bpf_map_lookup_elem(&cache, &key);
}

static __always_inline bool is_cached(const struct packet *packet, const struct cached *cached,
				      __u64 now_ns)
{
	__u64 differ = cached->owner.netns ^ packet->netns;

	differ |= cached->generation ^ packet->generation;
	differ |= cached->kind ^ kind_of(packet);
	for (__u64 i = 0; i < words_of(packet); i++)
		differ |= cached->tuple[i] ^ packet->tuple[i];
	return !differ && now_ns < cached->until_ns;
}

static __always_inline void found(struct __sk_buff *skb, const struct packet *packet,
				  struct ring_block *block, const struct ss_owner *owner)
{
	struct cached *cached;

	if (!owner)
		return;
	packet->write(skb, block, owner);
	cached =
		packet->remembers && !(packet->sees && is_shared(owner)) ? cached_at(packet) : NULL;
	if (!cached)
		return;
	cached->generation = packet->generation;
	cached->until_ns = block->time_ns + CACHE_TIME_NS;
	cached->kind = kind_of(packet);
	for (__u64 i = 0; i < words_of(packet); i++)
		cached->tuple[i] = packet->tuple[i];
	cached->owner = *owner;
}

/*
 * Nothing is written while a socket is held: the verifier of Linux 6.1 takes each look-up's
 * reference for another, so paths never meet until it is released. And no owner is the constant
 * NULL: without CAP_PERFMON verifiers follow it to where it is read.
 */
static __always_inline void find_tcp(struct __sk_buff *skb, const struct packet *packet,
				     struct ring_block *block)
{
	struct bpf_sock *sk = bpf_skc_lookup_tcp(skb, (void *)packet->tuple, (__u32)packet->size,
						 packet->netns_id, 0);
	struct bpf_sock *of = sk;
	struct ss_owner *owner;

	if (!sk)
		return;
	if (sk->state == BPF_TCP_TIME_WAIT) {
		bpf_sk_release(sk);
		found(skb, packet, block, owner_of_closed(packet));
		return;
	}
	if (sk->state == BPF_TCP_NEW_SYN_RECV)
		of = bpf_get_listener_sock(sk);
	else if (packet->only_closed || (packet->sender && sk->state == BPF_TCP_LISTEN))
		of = NULL; /* a listener sends nothing: that is a reset by the kernel */
	if (!of) {
		bpf_sk_release(sk);
		return;
	}
	owner = owner_of_socket(of);
	bpf_sk_release(sk);
	found(skb, packet, block, owner);
}

static __always_inline void find_udp(struct __sk_buff *skb, struct packet *packet,
				     struct ring_block *block)
{
	struct ss_owner *owner;
	struct bpf_sock *sk;

	if (packet->only_closed)
		return;
	sk = bpf_sk_lookup_udp(skb, (void *)packet->tuple, (__u32)packet->size, packet->netns_id,
			       0);
	if (!sk)
		return;
	owner = owner_of_socket(sk);
	if (owner && packet->sees) {
		packet->receiver = packet->sender ? 0 : address_of(sk);
		packet->owner = owner;
	}
	bpf_sk_release(sk);
	found(skb, packet, block, owner);
}

static __always_inline void find_by_tuple(struct __sk_buff *skb, struct packet *packet,
					  struct ring_block *block)
{
	__u64 *generation = generation_of(packet->netns);
	struct cached *cached;

	if (generation)
		packet->generation = READ_U64(generation);
	cached = packet->remembers ? cached_at(packet) : NULL;
	if (cached && is_cached(packet, cached, block->time_ns))
		packet->write(skb, block, &cached->owner);
	else if (packet->protocol == PROTOCOL_TCP)
		find_tcp(skb, packet, block);
	else if (packet->protocol == PROTOCOL_UDP)
		find_udp(skb, packet, block);
}

static __always_inline void find_ipv4(struct __sk_buff *skb, struct packet *packet,
				      struct ring_block *block)
{
	__u64 words[IPV4_WORDS], tuple[2], header, from, to, ports;
	__u32 behind_options;

	if (bpf_skb_load_bytes_relative(skb, 0, words, sizeof(words), BPF_HDR_START_NET))
		return;
	if (words[0] >> 32 & __builtin_bswap32(0x3fff)) /* a fragment: the first has ports only */
		return;
	header = (words[0] & 0xf) * 4;
	from = words[1] >> 32;
	to = words[2] & 0xffffffff;
	ports = words[2] >> 32;
	if (header != 20) {
		if (bpf_skb_load_bytes_relative(skb, (__u32)header, &behind_options,
						sizeof(behind_options), BPF_HDR_START_NET))
			return;
		ports = behind_options;
	}
	tuple[0] = packet->sender ? to | from << 32 : from | to << 32;
	tuple[1] = packet->sender ? (ports << 16 & 0xffffffff) | ports >> 16 : ports;
	packet->tuple = tuple;
	packet->size = IPV4_TUPLE;
	packet->protocol = words[1] >> 8 & 0xff;
	find_by_tuple(skb, packet, block);
}

static __always_inline void find_ipv6(struct __sk_buff *skb, struct packet *packet,
				      struct ring_block *block)
{
	__u64 words[IPV6_WORDS], *tuple = &words[1], ports, saved;

	if (bpf_skb_load_bytes_relative(skb, 0, words, IPV6_BYTES, BPF_HDR_START_NET))
		return;
	ports = *(__u32 *)&words[5];
	if (packet->sender) {
		saved = tuple[0];
		tuple[0] = tuple[2];
		tuple[2] = saved;
		saved = tuple[1];
		tuple[1] = tuple[3];
		tuple[3] = saved;
		ports = (ports << 16 & 0xffffffff) | ports >> 16;
	}
	tuple[4] = ports;
	packet->tuple = tuple;
	packet->size = IPV6_TUPLE;
	packet->protocol = words[0] >> 48 & 0xff;
	find_by_tuple(skb, packet, block);
}

/* Who waits is looked for last, once for all protocols: the code needs much of the stack. Another
 * owner than the one that was written begins a generation, so nothing remembers that one. */
static __always_inline void find_by_address(struct __sk_buff *skb, struct packet *packet,
					    struct ring_block *block)
{
	__u64 type = __builtin_bswap16((__u16)skb->protocol);

	if (type == ETHERTYPE_IPV4)
		find_ipv4(skb, packet, block);
	else if (type == ETHERTYPE_IPV6)
		find_ipv6(skb, packet, block);
	if (packet->sees && packet->receiver && follow_waiter(packet->receiver, packet->owner))
		packet->write(skb, block, packet->owner);
}

#endif
