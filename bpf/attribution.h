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

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_TCP   6
#define PROTOCOL_UDP   17

/* Bytes of a packet from its IP header on, up to the ports. */
#define IPV4_BYTES 24 /* without options */
#define IPV6_BYTES 44 /* without extension headers */
/* A bpf_sock_tuple in a struct ss_flow: of IPv6 it is all behind netns. */
#define TUPLE(flow)      ((__u64 *)(flow) + 1)
#define TUPLE_SIZE(ipv6) ((ipv6) ? 36 : 12)

#define CACHE_TIME_NS 50000000ull

/*
 * What look-ups found, by hash of addresses and ports: a look-up costs as much as all else that is
 * done for a small frame. Void when the namespace begins another generation; that is before a
 * socket is connected or released, and a look-up on another CPU may come between: hence the time.
 *
 * Each CPU has places of its own, and only who holds its first in-flight word uses them, so that
 * nobody reads what is half written. A hit costs one cache line for IPv4, and no call.
 */
struct cached {
	__u64 generation;
	__u64 until_ns;
	__u64 netns;
	__u64 key, address;       /* as in struct packet */
	__u64 process, container; /* of the owner */
	__u64 rest[3];            /* of IPv6 addresses */
};

_Static_assert(sizeof(struct cached) <= SS_OWNER_CACHED_SIZE, "places overlap");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* whole pages: places begin with a cache line */
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, SS_OWNER_CACHED_SIZE); /* at load: more */
} cache SEC(".maps");

/* Which bits of an offset in the cache are of the hash, and which of that or the CPU. */
const volatile __u64 cache_hash_mask = 0;
const volatile __u64 cache_mask = 0;

/* Takes what was found. netns: of the owner, if that may be news. */
typedef void write_owner_fn(struct __sk_buff *skb, struct ring_block *block, __u64 process,
			    __u64 container, __u64 netns);

/* A packet for a look-up. On the stack are whole words only: see frames.bpf.c. */
struct packet {
	bool in_block;  /* that has its bytes; else its header is loaded to the stack */
	__u64 at;       /* where in the block its IP header is, */
	__u64 end;      /* ... and the end of the frame's bytes */
	__u64 netns;    /* where, by cookie; 0: not known yet */
	__u64 netns_id; /* ... by local id; -1: here */
	__u64 swap;     /* 1: it is the sender's, so source and destination change places */
	__u64 key;      /* the ports as in a tuple, then KEY_* */
	__u64 address;  /* both of IPv4, or the first half of one of IPv6, as in a tuple */
	write_owner_fn *write;
};
#define KEY_PROTOCOL(key) ((key) >> 32 & 0xff)
#define KEY_IPV6          (1ull << 40)
#define KEY_SLOT(flags)   ((__u64)(flags) << 40) /* of a slot: */
#define KEY_RECEIVER      KEY_SLOT(SS_SLOT_BY_RECEIVER)
#define KEY_CLOSED        KEY_SLOT(SS_SLOT_BY_SOCKET) /* the socket, if that is none any more */

static __always_inline struct ss_owner *owner_of_socket(struct bpf_sock *sk)
{
	return bpf_sk_storage_get(&owners, sk, NULL, 0);
}

/* sees: and who holds its socket. */
static __always_inline struct ss_owner *owner_of_frame(struct __sk_buff *skb, bool sees)
{
	struct bpf_sock *sk = skb->sk;
	struct ss_owner *owner;

	if (!sk)
		return NULL;
	owner = owner_of_socket(sk);
	if (owner) {
		if (sees)
			follow_holder(sk, owner);
		return owner;
	}
	sk = bpf_get_listener_sock(sk); /* of a SYN-ACK */
	return sk ? owner_of_socket(sk) : NULL;
}

/* A tuple of IPv4 is made the key in place: the stack is shared with filters. */
static __always_inline struct ss_owner *owner_of_closed(const struct packet *packet,
							struct ss_flow *flow, bool ipv6)
{
	const __u64 mapped = __builtin_bswap32(0xffff);

	flow->netns = packet->netns;
	if (!ipv6) {
		flow->ports = flow->remote[1];
		flow->remote[0] = flow->local[0] = 0;
		flow->remote[1] = mapped | packet->address << 32;
		flow->local[1] = mapped | packet->address >> 32 << 32;
	}
	return bpf_map_lookup_elem(&closed, flow);
}

/* What a look-up says; process 0: nothing. Read while the socket is held, because speculation would
 * also follow a pointer that is NULL behind that. */
struct found {
	__u64 process, container, netns;
};

static __always_inline void take(const struct ss_owner *owner, struct found *found)
{
	if (!owner)
		return;
	found->process = READ_U64(&owner->process);
	found->container = READ_U64(&owner->container);
	found->netns = READ_U64(&owner->netns);
}

static __always_inline void find_tcp(struct __sk_buff *skb, const struct packet *packet,
				     struct ss_flow *flow, bool ipv6, struct found *found)
{
	struct bpf_sock *sk =
		bpf_skc_lookup_tcp(skb, (void *)TUPLE(flow), TUPLE_SIZE(ipv6), packet->netns_id, 0);
	struct bpf_sock *listener;

	if (!sk)
		return;
	if (sk->state == BPF_TCP_TIME_WAIT) {
		take(owner_of_closed(packet, flow, ipv6), found);
	} else if (packet->key & KEY_CLOSED ||
		   (!(packet->key & KEY_RECEIVER) && sk->state == BPF_TCP_LISTEN)) {
		/* A listener sends nothing; what has its address is a reset by the kernel. */
	} else if (sk->state == BPF_TCP_NEW_SYN_RECV) {
		listener = bpf_get_listener_sock(sk);
		if (listener)
			take(owner_of_socket(listener), found);
	} else {
		take(owner_of_socket(sk), found);
	}
	bpf_sk_release(sk);
}

static __always_inline void find_udp(struct __sk_buff *skb, const struct packet *packet,
				     struct ss_flow *flow, bool ipv6, struct found *found)
{
	struct bpf_sock *sk;

	if (packet->key & KEY_CLOSED)
		return;
	sk = bpf_sk_lookup_udp(skb, (void *)TUPLE(flow), TUPLE_SIZE(ipv6), packet->netns_id, 0);
	if (!sk)
		return;
	take(owner_of_socket(sk), found);
	bpf_sk_release(sk);
}

/* One of the four halves of addresses of IPv6, as in a tuple. */
static __always_inline __u64 half_address(const struct packet *packet, struct ring_block *block,
					  const struct ss_flow *flow, __u64 number)
{
	if (packet->in_block)
		return READ_U64(ring_at(block, packet->at + 8 + (number * 8 ^ packet->swap * 16)));
	return TUPLE(flow)[number];
}

static __always_inline void make_tuple(const struct packet *packet, struct ring_block *block,
				       struct ss_flow *flow, bool ipv6)
{
	__u64 ports = packet->key & 0xffffffff;

	if (!ipv6) {
		flow->remote[0] = packet->address;
		flow->remote[1] = ports;
		return;
	}
	for (__u64 i = 0; i < 4 && packet->in_block; i++)
		TUPLE(flow)[i] = half_address(packet, block, flow, i);
	flow->ports = ports;
}

static __always_inline __u64 hash_of(const struct packet *packet, struct ring_block *block,
				     const struct ss_flow *flow, bool ipv6)
{
	const __u64 factor = 0x9e3779b97f4a7c15ull;
	__u64 hash = packet->address;

	if (ipv6) {
		hash = (hash ^ half_address(packet, block, flow, 2)) * factor;
		hash ^= half_address(packet, block, flow, 1) ^ half_address(packet, block, flow, 3);
	}
	return (hash ^ packet->key << 17 ^ packet->netns << 40) * factor >> 24;
}

/* The place of a hash, for the CPU that writes the block; those of all CPUs are side by side. */
static __always_inline struct cached *cached_at(const struct ring_block *block, __u64 hash)
{
	__u64 cpu = block->writer * (SS_OWNER_CACHED_SIZE / (SS_RING_STRIDE * 8));
	__u64 offset = OPAQUE(((hash & cache_hash_mask) | cpu) & cache_mask);

	return (struct cached *)((char *)MAP_VALUE(cache) + offset);
}

/* Bits of an in-flight word's offset: the CPU's places are not ours. */
#define NOT_FIRST (SS_RING_STRIDE * 8 - 1)

static __always_inline bool is_cached(const struct packet *packet, struct ring_block *block,
				      const struct ss_flow *flow, bool ipv6,
				      const struct cached *cached, __u64 generation)
{
	__u64 differ = block->writer & NOT_FIRST;

	differ |= READ_U64(&cached->netns) ^ packet->netns;
	differ |= READ_U64(&cached->generation) ^ generation;
	differ |= READ_U64(&cached->key) ^ packet->key;
	differ |= READ_U64(&cached->address) ^ packet->address;
	for (__u64 i = 1; i < 4 && ipv6; i++)
		differ |= READ_U64(&cached->rest[i - 1]) ^ half_address(packet, block, flow, i);
	differ |= LESS(block->time_ns, READ_U64(&cached->until_ns)) ^ 1;
	return !differ;
}

static __always_inline void find_by_key(struct __sk_buff *skb, const struct packet *packet,
					struct ring_block *block, struct ss_flow *flow, bool ipv6)
{
	__u64 hash = hash_of(packet, block, flow, ipv6);
	__u64 generation = READ_U64(generation_in(GENERATIONS(), packet->netns));
	struct cached *cached = cached_at(block, hash);
	struct found found = {};

	if (is_cached(packet, block, flow, ipv6, cached, generation)) {
		packet->write(skb, block, READ_U64(&cached->process), READ_U64(&cached->container),
			      0);
		return;
	}
	make_tuple(packet, block, flow, ipv6);
	if (KEY_PROTOCOL(packet->key) == PROTOCOL_TCP)
		find_tcp(skb, packet, flow, ipv6, &found);
	else if (KEY_PROTOCOL(packet->key) == PROTOCOL_UDP)
		find_udp(skb, packet, flow, ipv6, &found);
	if (!found.process)
		return;
	packet->write(skb, block, found.process, found.container, found.netns);
	if (!packet->netns || block->writer & NOT_FIRST)
		return;
	cached = cached_at(block, hash);
	cached->generation = generation;
	cached->until_ns = block->time_ns + CACHE_TIME_NS;
	cached->netns = packet->netns;
	cached->key = packet->key;
	cached->address = packet->address;
	cached->process = found.process;
	cached->container = found.container;
	for (__u64 i = 1; i < 4 && ipv6; i++)
		cached->rest[i - 1] = half_address(packet, block, flow, i);
}

/* Whether the block has so many bytes of the packet. */
static __always_inline bool has(const struct packet *packet, __u64 bytes)
{
	return !LESS(packet->end, packet->at + bytes);
}

static __always_inline __u64 swapped_ports(const struct packet *packet, __u64 ports)
{
	return SELECT(packet->swap, (ports << 16 & 0xffffffff) | ports >> 16, ports);
}

static __always_inline void find_ipv4(struct __sk_buff *skb, struct packet *packet,
				      struct ring_block *block, struct ss_flow *flow)
{
	__u64 first, second, ports, header;
	__u32 behind_options;

	if (packet->in_block) {
		if (!has(packet, IPV4_BYTES))
			return;
		first = READ_U64(ring_at(block, packet->at));
		second = READ_U64(ring_at(block, packet->at + 8));
		packet->address = READ_U64(ring_at(block, packet->at + 12));
	} else {
		if (bpf_skb_load_bytes_relative(skb, 0, flow, IPV4_BYTES, BPF_HDR_START_NET))
			return;
		first = flow->netns;
		second = flow->remote[0];
		packet->address = second >> 32 | flow->remote[1] << 32;
	}
	if (first >> 32 & __builtin_bswap32(0x3fff)) /* a fragment: the first has ports only */
		return;
	header = (first & 0xf) * 4;
	if (packet->in_block) {
		if ((first & 0xf0) != 0x40 || !has(packet, header + 4))
			return;
		ports = *(volatile __u32 *)ring_at(block, packet->at + header);
	} else if (header == 20) {
		ports = flow->remote[1] >> 32;
	} else {
		if (bpf_skb_load_bytes_relative(skb, (__u32)header, &behind_options,
						sizeof(behind_options), BPF_HDR_START_NET))
			return;
		ports = behind_options;
	}
	packet->address = SELECT(packet->swap, packet->address << 32 | packet->address >> 32,
				 packet->address);
	packet->key |= swapped_ports(packet, ports) | (second >> 8 & 0xff) << 32;
	find_by_key(skb, packet, block, flow, false);
}

static __always_inline void swap_addresses(const struct packet *packet, struct ss_flow *flow)
{
	for (__u64 i = 0; i < 2; i++) {
		__u64 change = (flow->remote[i] ^ flow->local[i]) & -OPAQUE(packet->swap);

		flow->remote[i] ^= change;
		flow->local[i] ^= change;
	}
}

static __always_inline void find_ipv6(struct __sk_buff *skb, struct packet *packet,
				      struct ring_block *block, struct ss_flow *flow)
{
	__u64 first, ports;

	if (packet->in_block) {
		if (!has(packet, IPV6_BYTES))
			return;
		first = READ_U64(ring_at(block, packet->at));
		ports = *(volatile __u32 *)ring_at(block, packet->at + 40);
		if ((first & 0xf0) != 0x60)
			return;
	} else {
		if (bpf_skb_load_bytes_relative(skb, 0, flow, IPV6_BYTES, BPF_HDR_START_NET))
			return;
		first = flow->netns;
		ports = *(__u32 *)&flow->ports;
		swap_addresses(packet, flow);
	}
	packet->address = half_address(packet, block, flow, 0);
	packet->key |= KEY_IPV6 | swapped_ports(packet, ports) | (first >> 48 & 0xff) << 32;
	find_by_key(skb, packet, block, flow, true);
}

static __always_inline void find_by_address(struct __sk_buff *skb, struct packet *packet,
					    struct ring_block *block)
{
	__u64 type = __builtin_bswap16((__u16)skb->protocol);
	struct ss_flow flow;

	if (type == ETHERTYPE_IPV4)
		find_ipv4(skb, packet, block, &flow);
	else if (type == ETHERTYPE_IPV6)
		find_ipv6(skb, packet, block, &flow);
}

#endif
