/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose the last frames of the same addresses and ports were: no call, where a look-up
 * (attribution.h) begins with one for the header. In programs that see holders alone: what follows
 * the copy of a frame is verified once more for each way to copy it, and without CAP_PERFMON the
 * verifier of Linux 6.1 finds no end.
 *
 * Each CPU has places of its own, and only who holds its first in-flight word uses them, so that
 * nobody reads what is half written. Void as what look-ups remember: by generation and time.
 */
#ifndef SS_BPF_RECENT_H
#define SS_BPF_RECENT_H

#include "bpf/attribution.h"

#define RECENT_SIZE 1024 /* a power of two */

/* Of a packet: ports, protocol, RECENT_*; then addresses as in its header. Of a socket: its address
 * as users.h has it, RECENT_SOCKET; then 0. */
#define RECENT_IPV6     (1ull << 40)
#define RECENT_SENDER   (1ull << 41)
#define RECENT_CLOSED   (1ull << 42)
#define RECENT_SOCKET   (1ull << 63)
#define RECENT_WORDS    5
#define RECENT_WORDS_V4 2

/* One cache line for IPv4: at a usual rate of frames a line that is not there is what costs. */
struct recent {
	__u64 generation;
	__u64 until_ns;
	__u64 netns;
	__u64 key[RECENT_WORDS_V4];
	__u64 process, container;
	__u64 unused;
	__u64 rest[8]; /* of the key of IPv6 */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* begins with a page, so with a cache line */
	__uint(max_entries, RECENT_SIZE);  /* at load: for each CPU */
	__type(key, __u32);
	__type(value, struct recent);
} recent SEC(".maps");

/* What the key is read from: the IP header in the frame's first piece, which is no call. */
struct header {
	char *at, *end;
};

#define HEADER_U64(header, offset) READ_U64((header)->at + (offset))
#define HEADER_U32(header, offset) (*(volatile __u32 *)((header)->at + (offset)))

/* Not of fragments and options. */
static __always_inline bool read_recent_ipv4(const struct header *header, __u64 *key)
{
	const __u64 plain = 0x45, which = 0xff | (__u64)__builtin_bswap32(0x3fff) << 32;

	if (header->at + 24 > header->end || (HEADER_U64(header, 0) ^ plain) & which)
		return false;
	key[0] |= HEADER_U32(header, 20) | (HEADER_U64(header, 8) >> 8 & 0xff) << 32;
	key[1] = HEADER_U64(header, 12);
	return true;
}

/* What is behind extension headers has no ports here: neither TCP nor UDP. */
static __always_inline bool read_recent_ipv6(const struct header *header, __u64 *key)
{
	__u64 first;

	if (header->at + 44 > header->end)
		return false;
	first = HEADER_U64(header, 0);
	if ((first & 0xf0) != 0x60)
		return false;
	key[0] |= HEADER_U32(header, 40) | (first >> 48 & 0xff) << 32 | RECENT_IPV6;
	for (__u64 i = 0; i < 4; i++)
		key[1 + i] = HEADER_U64(header, 8 + i * 8);
	return true;
}

/* link: bytes before the IP header, bounded. */
static __always_inline bool read_recent(struct __sk_buff *skb, const struct packet *packet,
					__u64 link, __u64 *key)
{
	const struct header header = {
		.at = (char *)(long)skb->data + link,
		.end = (char *)(long)skb->data_end,
	};
	__u64 type = skb->protocol;

	key[0] = packet->sender ? RECENT_SENDER : 0;
	if (packet->only_closed)
		key[0] |= RECENT_CLOSED;
	if (type == __builtin_bswap16(ETHERTYPE_IPV4))
		return read_recent_ipv4(&header, key);
	return type == __builtin_bswap16(ETHERTYPE_IPV6) && read_recent_ipv6(&header, key);
}

/* A place for the CPU that writes the block; NULL: of this CPU there is none. */
static __always_inline struct recent *recent_at(const struct ring_block *block, __u64 hash)
{
	__u64 cpu = block->writer / (SS_RING_STRIDE * 8);
	__u32 place = (__u32)(cpu * RECENT_SIZE + (hash >> 40 & (RECENT_SIZE - 1)));

	if (block->writer & (SS_RING_STRIDE * 8 - 1))
		return NULL;
	return bpf_map_lookup_elem(&recent, &place);
}

static __always_inline __u64 recent_hash(const __u64 *key, bool ipv6)
{
	__u64 hash = (key[0] << 17 ^ key[1]) * 0x9e3779b97f4a7c15ull;

	if (ipv6)
		hash = (hash ^ key[2] ^ key[3] << 1 ^ key[4] << 2) * 0x9e3779b97f4a7c15ull;
	return hash;
}

static __always_inline bool is_recent(const struct ring_block *block, const struct recent *recent,
				      __u64 netns, __u64 generation, const __u64 *key, bool ipv6)
{
	__u64 differ = (recent->netns ^ netns) | (recent->generation ^ generation);

	for (__u64 i = 0; i < RECENT_WORDS_V4; i++)
		differ |= recent->key[i] ^ key[i];
	if (ipv6)
		for (__u64 i = RECENT_WORDS_V4; i < RECENT_WORDS; i++)
			differ |= recent->rest[i - RECENT_WORDS_V4] ^ key[i];
	return !differ && block->time_ns < recent->until_ns;
}

static __always_inline void remember(const struct ring_block *block, struct recent *recent,
				     __u64 netns, __u64 generation, const __u64 *key, bool ipv6)
{
	recent->generation = generation;
	recent->until_ns = block->time_ns + CACHE_TIME_NS;
	recent->netns = netns;
	for (__u64 i = 0; i < RECENT_WORDS_V4; i++)
		recent->key[i] = key[i];
	if (ipv6)
		for (__u64 i = RECENT_WORDS_V4; i < RECENT_WORDS; i++)
			recent->rest[i - RECENT_WORDS_V4] = key[i];
}

/* Says whose the frame is, in the block's options. */
static __always_inline void say(char *options, __u64 process, __u64 container)
{
	PUT64(options, SS_SLOT_PROCESS_WORD * 4, process);
	PUT64(options, SS_SLOT_CONTAINER_WORD * 4, container);
}

/* As find_by_address(). place: of the block's options, which do not say a process yet. */
static __always_inline void find_recent(struct __sk_buff *skb, struct packet *packet,
					struct ring_block *block, __u64 link, __u64 place)
{
	__u64 key[RECENT_WORDS], process;
	__u64 *generation = generation_of(packet->netns);
	struct recent *recent = NULL;
	bool ipv6 = false;
	char *options;

	if (packet->netns && generation && read_recent(skb, packet, link, key)) {
		ipv6 = key[0] & RECENT_IPV6;
		recent = recent_at(block, recent_hash(key, ipv6));
	}
	if (recent) {
		packet->generation = READ_U64(generation);
		if (is_recent(block, recent, packet->netns, packet->generation, key, ipv6)) {
			say(ring_at(block, place), recent->process, recent->container);
			return;
		}
	}
	find_by_address(skb, packet, block);
	options = ring_at(block, place);
	process = READ_U64(options + SS_SLOT_PROCESS_WORD * 4);
	if (!recent || !process || (packet->owner && is_shared(packet->owner)))
		return;
	remember(block, recent, packet->netns, packet->generation, key, ipv6);
	recent->process = process;
	recent->container = READ_U64(options + SS_SLOT_CONTAINER_WORD * 4);
}

static __always_inline bool is_datagram(struct __sk_buff *skb, __u64 link)
{
	char *at = (char *)(long)skb->data + link, *end = (char *)(long)skb->data_end;
	__u64 first;

	if (at + 20 > end)
		return false;
	first = READ_U64(at);
	if ((first & 0xf0) == 0x60)
		return (first >> 48 & 0xff) == PROTOCOL_UDP;
	return (first & 0xf0) == 0x40 && (READ_U64(at + 8) >> 8 & 0xff) == PROTOCOL_UDP;
}

/*
 * The owner of a frame with a socket, as owner_of_frame() finds it; false: it has none.
 *
 * An address is a socket's until the socket is closed, which begins a generation. What leaves later
 * must not be remembered, because another socket may get the address: so only what is of a
 * connection that is established, or a datagram.
 */
static __always_inline bool find_recent_owner(struct __sk_buff *skb, struct ring_block *block,
					      bool ingress, __u64 netns, __u64 link, __u64 place,
					      write_owner_fn *write)
{
	__u64 key[RECENT_WORDS_V4] = {}, *generations = generation_of(netns), generation = 0, pid;
	struct bpf_sock *sk = skb->sk;
	struct recent *recent = NULL;
	struct ss_owner *owner;

	if (!sk)
		return false;
	pid = ingress ? 0 : current_pid();
	if (netns && generations) {
		generation = READ_U64(generations);
		key[0] = users_distance(MAP_VALUE(users), sk) >> USER_PLACE_SHIFT | RECENT_SOCKET;
		recent = recent_at(block, recent_hash(key, false));
	}
	if (recent && (ingress || (__u32)recent->process == pid) &&
	    is_recent(block, recent, netns, generation, key, false)) {
		say(ring_at(block, place), recent->process, recent->container);
		return true;
	}
	owner = owner_of_socket(sk);
	if (!owner) {
		sk = bpf_get_listener_sock(sk); /* of a SYN-ACK */
		owner = sk ? owner_of_socket(sk) : NULL;
		if (owner)
			write(skb, block, owner);
		return owner;
	}
	if (ingress)
		follow_receiver(sk, owner);
	if (!ingress && !is_holder(owner, pid)) {
		look_at_holder(sk, owner, pid);
	} else if (recent && owner->netns == netns && !is_shared(owner) &&
		   (sk->state == BPF_TCP_ESTABLISHED || is_datagram(skb, link))) {
		remember(block, recent, netns, generation, key, false);
		recent->process = READ_U64(&owner->process);
		recent->container = READ_U64(&owner->container);
	}
	write(skb, block, owner);
	return true;
}

#endif
