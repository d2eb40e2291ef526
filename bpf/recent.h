/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose the last frames of the same addresses and ports were, read from the copy in the ring: no
 * call, where a look-up (attribution.h) begins with one for the header. In programs that see
 * holders alone: what follows the copy of a frame is verified once more for each way to copy it,
 * and without CAP_PERFMON the verifier of Linux 6.1 finds no end.
 *
 * Each CPU has places of its own, and only who holds its first in-flight word uses them, so that
 * nobody reads what is half written. Void as what look-ups remember: by generation and time.
 */
#ifndef SS_BPF_RECENT_H
#define SS_BPF_RECENT_H

#include "bpf/attribution.h"

#define RECENT_SIZE 1024 /* a power of two */

/* Of a packet: ports, protocol, RECENT_*; then addresses as in its header. */
#define RECENT_IPV6     (1ull << 40)
#define RECENT_SENDER   (1ull << 41)
#define RECENT_CLOSED   (1ull << 42)
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

/* The header in a block: where it is, and where the frame's bytes end. */
struct header {
	__u64 at, end;
};

static __always_inline bool has(const struct header *header, __u64 bytes)
{
	return header->at + bytes <= header->end;
}

#define HEADER_U64(block, header, offset) READ_U64(ring_at(block, (header)->at + (offset)))
#define HEADER_U32(block, header, offset)                                                          \
	(*(volatile __u32 *)ring_at(block, (header)->at + (offset)))

/* Not of fragments and options. Where the copy failed there are zeros. */
static __always_inline bool read_recent_ipv4(struct ring_block *block, const struct header *header,
					     __u64 *key)
{
	__u64 first, second;

	if (!has(header, 24))
		return false;
	first = HEADER_U64(block, header, 0);
	if ((first & 0xff) != 0x45 || first >> 32 & __builtin_bswap32(0x3fff))
		return false;
	second = HEADER_U64(block, header, 8);
	key[0] |= HEADER_U32(block, header, 20) | (second >> 8 & 0xff) << 32;
	key[1] = HEADER_U64(block, header, 12);
	return true;
}

/* What is behind extension headers has no ports here: neither TCP nor UDP. */
static __always_inline bool read_recent_ipv6(struct ring_block *block, const struct header *header,
					     __u64 *key)
{
	__u64 first;

	if (!has(header, 44))
		return false;
	first = HEADER_U64(block, header, 0);
	if ((first & 0xf0) != 0x60)
		return false;
	key[0] |= HEADER_U32(block, header, 40) | (first >> 48 & 0xff) << 32 | RECENT_IPV6;
	for (__u64 i = 0; i < 4; i++)
		key[1 + i] = HEADER_U64(block, header, 8 + i * 8);
	return true;
}

static __always_inline bool read_recent(struct __sk_buff *skb, const struct packet *packet,
					struct ring_block *block, const struct header *header,
					__u64 *key)
{
	__u64 type = __builtin_bswap16((__u16)skb->protocol);

	key[0] = packet->sender ? RECENT_SENDER : 0;
	if (packet->only_closed)
		key[0] |= RECENT_CLOSED;
	if (type == ETHERTYPE_IPV4)
		return read_recent_ipv4(block, header, key);
	return type == ETHERTYPE_IPV6 && read_recent_ipv6(block, header, key);
}

/* The place of a packet, for the CPU that writes the block; NULL: of this CPU there is none. */
static __always_inline struct recent *recent_at(const struct ring_block *block, const __u64 *key)
{
	__u64 cpu = block->writer / (SS_RING_STRIDE * 8), hash = key[0] << 17 ^ key[1];
	__u32 place;

	if (block->writer & (SS_RING_STRIDE * 8 - 1))
		return NULL;
	hash *= 0x9e3779b97f4a7c15ull;
	if (key[0] & RECENT_IPV6)
		hash = (hash ^ key[2] ^ key[3] << 1 ^ key[4] << 2) * 0x9e3779b97f4a7c15ull;
	place = (__u32)(cpu * RECENT_SIZE + (hash >> 40 & (RECENT_SIZE - 1)));
	return bpf_map_lookup_elem(&recent, &place);
}

static __always_inline bool is_recent(const struct packet *packet, const struct ring_block *block,
				      const struct recent *recent, const __u64 *key)
{
	__u64 differ = recent->netns ^ packet->netns;

	differ |= recent->generation ^ packet->generation;
	for (__u64 i = 0; i < RECENT_WORDS_V4; i++)
		differ |= recent->key[i] ^ key[i];
	if (key[0] & RECENT_IPV6)
		for (__u64 i = RECENT_WORDS_V4; i < RECENT_WORDS; i++)
			differ |= recent->rest[i - RECENT_WORDS_V4] ^ key[i];
	return !differ && block->time_ns < recent->until_ns;
}

/* As find_by_address(), for a frame whose bytes are in the block. place: of its options, which do
 * not say a process yet. */
static __always_inline void find_recent(struct __sk_buff *skb, struct packet *packet,
					struct ring_block *block, const struct header *header,
					__u64 place)
{
	__u64 key[RECENT_WORDS], *generation = generation_of(packet->netns), process;
	struct recent *recent = NULL;

	if (packet->netns && generation && read_recent(skb, packet, block, header, key))
		recent = recent_at(block, key);
	if (recent) {
		packet->generation = READ_U64(generation);
		if (is_recent(packet, block, recent, key)) {
			PUT64(ring_at(block, place), SS_SLOT_PROCESS_WORD * 4, recent->process);
			PUT64(ring_at(block, place), SS_SLOT_CONTAINER_WORD * 4, recent->container);
			return;
		}
	}
	find_by_address(skb, packet, block);
	process = READ_U64(ring_at(block, place) + SS_SLOT_PROCESS_WORD * 4);
	if (!recent || !process)
		return;
	recent->generation = packet->generation;
	recent->until_ns = block->time_ns + CACHE_TIME_NS;
	recent->netns = packet->netns;
	for (__u64 i = 0; i < RECENT_WORDS_V4; i++)
		recent->key[i] = key[i];
	if (key[0] & RECENT_IPV6)
		for (__u64 i = RECENT_WORDS_V4; i < RECENT_WORDS; i++)
			recent->rest[i - RECENT_WORDS_V4] = key[i];
	recent->process = process;
	recent->container = READ_U64(ring_at(block, place) + SS_SLOT_CONTAINER_WORD * 4);
}

#endif
