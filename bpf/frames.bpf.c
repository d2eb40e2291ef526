/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of a device or of a cgroup: filter, then write a finished pcapng Enhanced Packet Block
 * into the frame ring. Never touches, delays or drops a frame: every program passes it on.
 *
 * User space loads each program once per attachment point: it replaces the body of capture_filter
 * (it must stay the only, and so the last, subprogram), the immediate of SS_SLOT_PLACEHOLDER, and
 * what loads the maps of MAP_VALUE().
 * No CO-RE, no kfuncs, no direct packet access: loads with CAP_BPF + CAP_NET_ADMIN alone. For that
 * scalars that live long are 64 bits wide, too: Linux 6.1 refuses a 32-bit spill into a stack slot
 * that held a pointer before ("attempt to corrupt spilled pointer").
 */
#include "bpf/ring.h"
#include "bpf/sender.h"
#include "format/pcapng.h"

/* Write option 2989? Host devices alone have nothing to say there. */
const volatile __u32 with_metadata = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, SS_SLOTS_MAX * sizeof(struct ss_slot));
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

	asm volatile("" : : "r"(skb));
	return accept;
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

/*
 * The option epb_flags: direction as configured, and for what comes in the reception type as the
 * kernel saw it. pcapng section 4.3; PACKET_HOST 0, BROADCAST 1, MULTICAST 2, OTHERHOST 3 are
 * unicast 1, broadcast 3, multicast 2, promiscuous 4 there.
 */
static __always_inline __u64 packet_flags(struct __sk_buff *skb, struct ss_slot *slot)
{
	__u64 reception = 0x4231u >> ((skb->pkt_type & 7) * 4) & 7;
	__u64 option = READ_U64(&slot->options[0]);

	return option | reception * (option >> 32 & SS_EPB_FLAG_IN) << 34;
}

/* Copies the frame; with a tag, puts the VLAN tag, which the kernel keeps beside it, back at 12.
 * A tagged frame has an Ethernet header, and snap_len is at least SS_SNAPLEN_MIN: stored > 16. */
static __always_inline long copy_frame(struct __sk_buff *skb, struct ring_block *block,
				       __u64 stored, __u64 tag)
{
	if (tag) {
		bpf_skb_load_bytes(skb, 0, (void *)&AT(block, SS_EPB_HEADER_SIZE), 12);
		AT(block, SS_EPB_HEADER_SIZE + 12) =
			(skb->vlan_proto & 0xffff) | __builtin_bswap16((__u16)skb->vlan_tci) << 16;
		return bpf_skb_load_bytes(skb, 12, (void *)&AT(block, SS_EPB_HEADER_SIZE + 16),
					  ((stored - 17) & 0x3ffff) + 1);
	}
	return bpf_skb_load_bytes(skb, 0, (void *)&AT(block, SS_EPB_HEADER_SIZE), stored);
}

/* Bytes of a slot's constant options. */
static __always_inline __u64 option_size(void)
{
	return (with_metadata ? SS_SLOT_OPTION_WORDS : SS_SLOT_FLAG_WORDS) * 4;
}

static __always_inline void write_options(struct __sk_buff *skb, struct ring_block *block,
					  struct ss_slot *slot, __u64 at)
{
	AT64(block, at) = packet_flags(skb, slot);
	if (with_metadata) {
		AT64(block, at + 8) = *(__u64 *)&slot->options[2];
		AT64(block, at + 16) = *(__u64 *)&slot->options[4];
		AT64(block, at + 24) = *(__u64 *)&slot->options[6];
		AT64(block, at + 32) = *(__u64 *)&slot->options[8]; /* last word: written below */
	}
	if (block->lossy) {
		AT(block, at + option_size()) = 8 << 16 | SS_EPB_DROPCOUNT;
		AT64(block, at + option_size() + 4) = block->dropped;
	}
	AT64(block, block->size - 8) = PAIR(SS_OPT_END, block->size);
}

static __always_inline void frame(struct __sk_buff *skb, bool cgroup, bool ingress)
{
	struct ss_slot *slot = MAP_VALUE(slots);
	__u64 slot_flags, tag = 0, length, stored, padded;
	__u32 number = SLOT_NUMBER();
	struct ss_slot_counters *counter;
	struct ring_block block = {};
	int cause;

	slot_flags = slot->flags;
	if (cgroup && slot_flags & SS_SLOT_ONLY_LO && skb->ifindex != LOOPBACK_IFINDEX)
		return;
	counter = bpf_map_lookup_elem(&counters, &number);
	if (!counter)
		return;
	if (cgroup && skb->ifindex == LOOPBACK_IFINDEX) {
		if (!ingress)
			sender_leave_footprint(skb, slot->cgroup_id);
		else if (sender_left_footprint(skb, slot->cgroup_id))
			return;
	}
	add(&counter->seen, 1, cgroup);
	if (!capture_filter(skb))
		return;

	if (!(slot_flags & SS_SLOT_L3) && skb->vlan_present)
		tag = 4;
	length = skb->len + tag;
	add(&counter->accepted, 1, cgroup);
	add(&counter->bytes, length, cgroup);

	block.ring = MAP_VALUE(ring);
	stored = ring_snap_len(&block);
	if (stored > length)
		stored = length;
	stored = ((stored - 1) & 0x3ffff) + 1; /* no change, but bounds for the verifier */
	padded = (stored + 3) & ~3ull;
	cause = ring_reserve(&block, slot,
			     SS_EPB_HEADER_SIZE + padded + option_size() + 4 + SS_EPB_TRAILER_SIZE);
	if (cause) {
		/* Not counter->drops[cause - 1]: a computed map pointer is refused. */
		if (cause == 1 + SS_DROP_BUSY) {
			add(&counter->drops[SS_DROP_BUSY], 1, cgroup);
			barrier();
		} else {
			add(&counter->drops[SS_DROP_RING_FULL], 1, cgroup);
		}
		return;
	}
	AT64(&block, 0) = PAIR(SS_PCAPNG_EPB, block.size);
	AT64(&block, 8) = PAIR(slot->interface_id, block.time_ns >> 32);
	AT64(&block, 16) = PAIR(block.time_ns, stored);
	AT(&block, 24) = (__u32)length;
	AT(&block, SS_EPB_HEADER_SIZE + padded - 4) = 0; /* padding, before the bytes arrive */
	write_options(skb, &block, slot, SS_EPB_HEADER_SIZE + padded);
	if (copy_frame(skb, &block, stored, tag))
		add(&counter->drops[SS_DROP_COPY], 1, cgroup);
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
