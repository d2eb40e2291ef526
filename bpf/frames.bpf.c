/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of a device or of a cgroup: filter, then write a finished pcapng Enhanced Packet Block
 * into the frame ring. Never touches, delays or drops a frame: every program passes it on.
 *
 * User space loads each program once per attachment point: it replaces the body of capture_filter
 * (it must stay the only, and so the last, subprogram) and the immediate of SS_SLOT_PLACEHOLDER.
 * No CO-RE, no kfuncs, no direct packet access: loads with CAP_BPF + CAP_NET_ADMIN alone.
 */
#include "bpf/ring.h"
#include "bpf/sender.h"
#include "format/pcapng.h"

const volatile __u32 snap_len = SS_SNAPLEN_MAX;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SS_SLOTS_MAX);
	__type(key, __u32);
	__type(value, struct ss_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SS_SLOTS_MAX);
	__type(key, __u32);
	__type(value, struct ss_slot_counters);
} counters SEC(".maps");

/* Replaced before load. Opaque to the compiler, so that the call stays. */
static __noinline int capture_filter(struct __sk_buff *skb)
{
	volatile int accept = 1;

	return skb ? accept : 0;
}

#define SLOT_NUMBER()                                                                              \
	({                                                                                         \
		__u64 number_;                                                                     \
		asm volatile("%0 = %1" : "=r"(number_) : "i"(SS_SLOT_PLACEHOLDER));                \
		(__u32) number_;                                                                   \
	})

/* A CPU's counters have one writer at a time, but a cgroup program can be preempted. */
static __always_inline void add(__u64 *counter, __u64 value, bool preemptible)
{
	if (preemptible)
		__sync_fetch_and_add(counter, value);
	else
		*counter += value;
}

/* Direction as configured, reception type as the kernel saw it. pcapng section 4.3. */
static __always_inline __u32 packet_flags(struct __sk_buff *skb, __u32 flags)
{
	if (flags & SS_EPB_FLAG_OUT)
		return flags;
	switch (skb->pkt_type) {
	case 0: /* PACKET_HOST */
		return flags | SS_EPB_FLAG_UNICAST;
	case 1: /* PACKET_BROADCAST */
		return flags | SS_EPB_FLAG_BROADCAST;
	case 2: /* PACKET_MULTICAST */
		return flags | SS_EPB_FLAG_MULTICAST;
	case 3: /* PACKET_OTHERHOST */
		return flags | SS_EPB_FLAG_PROMISC;
	}
	return flags;
}

/* Copies the frame; with a tag, puts the VLAN tag, which the kernel keeps beside it, back at 12.
 * A tagged frame has an Ethernet header, and snap_len is at least SS_SNAPLEN_MIN: stored > 16. */
static __always_inline long copy_frame(struct __sk_buff *skb, struct ring_block *block,
				       __u32 stored, __u32 tag)
{
	__u32 from = 0, to = SS_EPB_HEADER_SIZE, length = stored;

	if (tag) {
		bpf_skb_load_bytes(skb, 0, (void *)&AT(block, SS_EPB_HEADER_SIZE), 12);
		AT(block, SS_EPB_HEADER_SIZE + 12) =
			(skb->vlan_proto & 0xffff) | __builtin_bswap16((__u16)skb->vlan_tci) << 16;
		from = 12;
		to += 16;
		length -= 16;
	}
	length = (length - 1) & 0x3ffff;
	length += 1;
	return bpf_skb_load_bytes(skb, from, (void *)&AT(block, to), length);
}

static __always_inline void write_options(struct ring_block *block, struct ss_slot *slot,
					  __u32 slot_flags, __u32 flags, __u32 at)
{
	AT(block, at) = slot->options[0];
	AT(block, at + 4) = flags;
	at += 8;
	if (slot_flags & SS_SLOT_METADATA) {
		AT(block, at) = slot->options[2];
		AT(block, at + 4) = slot->options[3];
		AT(block, at + 8) = slot->options[4];
		AT(block, at + 12) = slot->options[5];
		AT(block, at + 16) = slot->options[6];
		AT(block, at + 20) = slot->options[7];
		AT(block, at + 24) = slot->options[8];
		at += 28;
	}
	if (block->dropped) {
		AT(block, at) = 8 << 16 | SS_EPB_DROPCOUNT;
		AT(block, at + 4) = (__u32)block->dropped;
		AT(block, at + 8) = (__u32)(block->dropped >> 32);
		at += SS_EPB_DROPCOUNT_SIZE;
	}
	AT(block, at) = SS_OPT_END;
	AT(block, at + 4) = block->size;
}

static __always_inline void frame(struct __sk_buff *skb, bool cgroup, bool ingress)
{
	__u32 number = SLOT_NUMBER(), length, stored, padded, tag = 0, size, slot_flags;
	struct ss_slot_counters *counter;
	struct ring_block block = {};
	struct ss_slot *slot;
	int cause;

	slot = bpf_map_lookup_elem(&slots, &number);
	if (!slot)
		return;
	slot_flags = slot->flags;
	if (cgroup && slot_flags & SS_SLOT_ONLY_LO && skb->ifindex != LOOPBACK_IFINDEX)
		return;
	counter = bpf_map_lookup_elem(&counters, &number);
	if (!counter)
		return;
	if (cgroup && ingress && slot_flags & SS_SLOT_LO_DEDUPE &&
	    sender_in_cgroup(skb, slot->cgroup_id, slot->cgroup_level))
		return;
	add(&counter->seen, 1, cgroup);
	if (!capture_filter(skb))
		return;

	length = skb->len;
	if (!(slot_flags & SS_SLOT_L3) && skb->vlan_present)
		tag = 4;
	add(&counter->accepted, 1, cgroup);
	add(&counter->bytes, length + tag, cgroup);

	stored = length + tag;
	if (stored > snap_len)
		stored = snap_len;
	if (!stored || !length)
		return;
	stored = ((stored - 1) & 0x3ffff) + 1; /* at most 262144, for the verifier */
	padded = (stored + 3) & ~3u;
	size = SS_EPB_HEADER_SIZE + padded + SS_SLOT_FLAG_WORDS * 4 + 4 + SS_EPB_TRAILER_SIZE;
	if (slot_flags & SS_SLOT_METADATA)
		size += (SS_SLOT_OPTION_WORDS - SS_SLOT_FLAG_WORDS) * 4;

	cause = ring_reserve(&block, slot, size);
	if (cause) {
		add(&counter->drops[cause == 1 + SS_DROP_BUSY ? SS_DROP_BUSY : SS_DROP_RING_FULL],
		    1, cgroup);
		return;
	}
	AT(&block, 0) = SS_PCAPNG_EPB;
	AT(&block, 4) = block.size;
	AT(&block, 8) = slot->interface_id;
	AT(&block, 12) = (__u32)(block.time_ns >> 32);
	AT(&block, 16) = (__u32)block.time_ns;
	AT(&block, 20) = stored;
	AT(&block, 24) = length + tag;
	AT(&block, SS_EPB_HEADER_SIZE + padded - 4) = 0; /* padding, before the bytes arrive */
	if (copy_frame(skb, &block, stored, tag))
		add(&counter->drops[SS_DROP_COPY], 1, cgroup);
	write_options(&block, slot, slot_flags, packet_flags(skb, slot->options[1]),
		      SS_EPB_HEADER_SIZE + padded);
	ring_commit(&block);
}

SEC("ss/tc")
int frame_tc(struct __sk_buff *skb)
{
	frame(skb, false, false);
	return -1; /* TCX_NEXT, TC_ACT_UNSPEC: go on as if we were not here */
}

SEC("ss/cgroup_egress")
int frame_cgroup_egress(struct __sk_buff *skb)
{
	frame(skb, true, false);
	return 1;
}

SEC("ss/cgroup_ingress")
int frame_cgroup_ingress(struct __sk_buff *skb)
{
	frame(skb, true, true);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
