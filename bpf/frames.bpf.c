/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of a device or of a cgroup: filter, then write a finished pcapng Enhanced Packet Block
 * into the frame ring. Never touches, delays or drops a frame: every program passes it on.
 *
 * User space loads each program once per attachment point: it puts the filter in the place of the
 * call of capture_filter, or of its body (it must stay the only, and so the last, subprogram), and
 * replaces what loads the maps of MAP_VALUE().
 *
 * No CO-RE, no kfuncs: loads with CAP_BPF + CAP_NET_ADMIN alone. Direct packet access is in filters
 * that asked whether it is allowed (lib/filter/linear.h), and where CAP_PERFMON is there anyway
 * (recent.h). Scalars that live long are 64 bits wide: Linux 6.1 refuses a 32-bit spill into a
 * stack slot that held a pointer before ("attempt to corrupt spilled pointer"), or whose other half
 * was written. For the same reason keys and structures on the stack are written as 64-bit words.
 */
#define SS_ADDRESSES /* of maps' values: see map_value.h */
#include "bpf/recent.h"
#include "bpf/ring.h"
#include "bpf/sender.h"
#include "format/pcapng.h"

#define ETHERNET_HEADER 14

/* Write option 2989? Host devices alone have nothing to say there. */
const volatile __u32 with_metadata = 1;
/* Say in it which process the frame is of? */
const volatile __u32 with_owners = 1;

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

/*
 * Replaced before load. Opaque to the compiler, so that the call stays. process: the value of
 * SS_METADATA_PROCESS, 0 if it is not known, or was not asked for.
 */
static __noinline int capture_filter(struct __sk_buff *skb, __u64 process)
{
	volatile int accept = 1;

	asm volatile("" : : "r"(skb), "r"(process));
	return accept;
}

#define SLOT() ((struct ss_slot *)MAP_VALUE(slots))

/* A CPU's counters have one writer at a time, but a cgroup program can be preempted. */
static __always_inline void add(__u64 *counter, __u64 value, bool preemptible)
{
	if (preemptible)
		__sync_fetch_and_add(counter, value);
	else
		*counter += value;
}

static __always_inline struct ss_slot_counters *slot_counters(void)
{
	/* A key on the stack would cost a speculation barrier (see ring.h). */
	return bpf_map_lookup_elem(&counters, &SLOT()->number);
}

static __always_inline void count_drop(enum ss_drop cause, bool cgroup)
{
	struct ss_slot_counters *counter = slot_counters();

	if (!counter)
		return;
	add(&counter->drops[cause], 1, cgroup);
	asm volatile("" : : "i"(cause)); /* known here: paths that differ in it stay apart */
}

static __always_inline void lose(enum ss_drop cause, bool cgroup)
{
	__sync_fetch_and_add(&SLOT()->dropped, 1);
	count_drop(cause, cgroup);
}

/* Lengths are cheaper to compute again than to keep (see ring.h), hence volatile. */
#define READ_FIELD(pointer, field) (*(volatile __u32 *)&(pointer)->field)

/* 0 or 1: a VLAN tag is to be put back. */
static __always_inline __u64 tags(struct __sk_buff *skb)
{
	return READ_FIELD(skb, vlan_present) & ~READ_FIELD(SLOT(), flags) & SS_SLOT_L3;
}

/* Before the IP header; a tag is not there but beside the frame. */
static __always_inline __u64 link_length(void)
{
	return OPAQUE(~READ_FIELD(SLOT(), flags) & SS_SLOT_L3) * ETHERNET_HEADER;
}

static __always_inline __u64 original_length(struct __sk_buff *skb)
{
	return READ_FIELD(skb, len) + tags(skb) * 4;
}

static __always_inline __u64 stored_length(__u64 length)
{
	__u64 snap_len = READ_U64(&CONSUMER()->snap_len);
	__u64 stored = MINIMUM(length, snap_len);

	return ((stored - 1) & 0x3ffff) + 1; /* no change, but bounds for the verifier */
}

/* Where a slot's options begin. */
static __always_inline __u64 options_at(__u64 stored)
{
	return SS_EPB_HEADER_SIZE + ((stored + 3) & ~3ull);
}

/* Of a block that reports no loss. */
static __always_inline __u64 block_size(__u64 stored)
{
	__u64 words = with_metadata ? SS_SLOT_OPTION_WORDS : SS_SLOT_FLAG_WORDS;

	return options_at(stored) + words * 4 + 4 + SS_EPB_TRAILER_SIZE;
}

/*
 * The option epb_flags: direction as configured, and for what comes in the reception type as the
 * kernel saw it. pcapng section 4.3; PACKET_HOST 0, BROADCAST 1, MULTICAST 2, OTHERHOST 3 are
 * unicast 1, broadcast 3, multicast 2, promiscuous 4 there.
 */
static __always_inline __u64 packet_flags(struct __sk_buff *skb)
{
	__u64 reception = 0x4231u >> ((skb->pkt_type & 7) * 4) & 7;
	__u64 option = READ_U64(&SLOT()->options[0]);

	return option | reception * (option >> 32 & SS_EPB_FLAG_IN) << 34;
}

/* The slot learns from the first owner in which namespace it is. */
static __always_inline void learn_namespace(const struct ss_owner *owner)
{
	if (!READ_U64(&SLOT()->netns))
		*(volatile __u64 *)&SLOT()->netns = READ_U64(&owner->netns);
}

/* Says whose the frame is. */
static __always_inline void write_owner(struct __sk_buff *skb, struct ring_block *block,
					const struct ss_owner *owner)
{
	char *place;

	place = ring_at(block, options_at(stored_length(original_length(skb))));
	PUT64(place, SS_SLOT_PROCESS_WORD * 4, READ_U64(&owner->process));
	PUT64(place, SS_SLOT_CONTAINER_WORD * 4, READ_U64(&owner->container));
	learn_namespace(owner);
}

static __always_inline void find_owner(struct __sk_buff *skb, struct ring_block *block, bool cgroup,
				       bool ingress, bool sees, write_owner_fn *write)
{
	__u64 flags = READ_FIELD(SLOT(), flags);
	struct packet packet = {};
	struct ss_owner *owner;

	if (flags & SS_SLOT_BY_SOCKET) {
		owner = owner_of_frame(skb, ingress, sees);
		if (owner)
			write(skb, block, owner);
		if (owner || cgroup)
			return;
	} else if (cgroup || !(flags & (SS_SLOT_BY_SENDER | SS_SLOT_BY_RECEIVER))) {
		return;
	}
	packet.only_closed = READ_FIELD(SLOT(), flags) & SS_SLOT_BY_SOCKET;
	packet.sender = !(READ_FIELD(SLOT(), flags) & SS_SLOT_BY_RECEIVER);
	packet.netns_id = (__u64)(__s64)SLOT()->netns_id;
	packet.netns = READ_U64(&SLOT()->netns);
	packet.write = write;
	packet.remembers = true;
	packet.sees = sees;
	find_by_address(skb, &packet, block);
}

/* The same for a frame that is in the block, where holders are seen. place: of its options. */
static __always_inline void find_owner_late(struct __sk_buff *skb, struct ring_block *block,
					    bool cgroup, bool ingress, __u64 place)
{
	__u64 flags = READ_FIELD(SLOT(), flags), link = link_length();
	struct packet packet = {
		.only_closed = flags & SS_SLOT_BY_SOCKET,
		.sender = !(flags & SS_SLOT_BY_RECEIVER),
		.netns_id = (__u64)(__s64)SLOT()->netns_id,
		.netns = READ_U64(&SLOT()->netns),
		.write = write_owner,
		.sees = true,
	};

	if (flags & SS_SLOT_BY_SOCKET &&
	    find_recent_owner(skb, block, ingress, packet.netns, link, place, write_owner))
		return;
	if (!cgroup && flags & (SS_SLOT_BY_SOCKET | SS_SLOT_BY_SENDER | SS_SLOT_BY_RECEIVER))
		find_recent(skb, &packet, block, link, place);
}

/* The owner of a frame that the filter asks for: found before there is a block. */
struct asked {
	struct ring_block block;  /* of which only the time is set */
	__u64 process, container; /* 0: not known */
};

static __always_inline void keep_owner(struct __sk_buff *skb, struct ring_block *block,
				       const struct ss_owner *owner)
{
	struct asked *asked = (struct asked *)block;

	(void)skb;
	*(volatile __u64 *)&asked->process = READ_U64(&owner->process);
	*(volatile __u64 *)&asked->container = READ_U64(&owner->container);
	learn_namespace(owner);
}

static __always_inline void ask_owner(struct __sk_buff *skb, struct asked *asked, bool cgroup,
				      bool ingress, bool sees)
{
	__u64 process, container, any;

	*(volatile __u64 *)&asked->process = 0;
	*(volatile __u64 *)&asked->container = 0;
	if (with_owners) {
		asked->block.time_ns = bpf_ktime_get_boot_ns() + READ_U64(&CONSUMER()->clock_ns);
		find_owner(skb, &asked->block, cgroup, ingress, sees, keep_owner);
	}
	any = READ_U64(&SLOT()->netns);
	process = READ_U64(&asked->process);
	container = READ_U64(&asked->container);
	UNKNOWN(process, any);
	UNKNOWN(container, any);
	*(volatile __u64 *)&asked->process = process;
	*(volatile __u64 *)&asked->container = container;
}

/* All but the bytes of the frame. */
static __always_inline void write_block(struct __sk_buff *skb, struct ring_block *block,
					bool cgroup, bool ingress, bool sees,
					const struct asked *asked)
{
	__u64 length = original_length(skb), stored = stored_length(length);
	char *place = ring_at(block, 0);

	PUT64(place, 0, PAIR(SS_PCAPNG_EPB, block->size));
	PUT64(place, 8, PAIR(READ_FIELD(SLOT(), interface_id), block->time_ns >> 32));
	PUT64(place, 16, PAIR(block->time_ns, stored));
	PUT32(place, 24, (__u32)length);

	place = ring_at(block, options_at(stored));
	PUT32(place, -4, 0); /* padding, before the bytes arrive */
	PUT64(place, 0, packet_flags(skb));
	if (with_metadata) {
		struct ss_slot *slot = SLOT();

		PUT64(place, 8, READ_U64(&slot->options[2]));
		PUT64(place, 16, READ_U64(&slot->options[4]));
		PUT64(place, 24, READ_U64(&slot->options[6]));
		PUT64(place, 32, READ_U64(&slot->options[8]));
	}
	if (asked && with_metadata) {
		place = ring_at(block, options_at(stored_length(original_length(skb))));
		PUT64(place, SS_SLOT_PROCESS_WORD * 4, READ_U64(&asked->process));
		PUT64(place, SS_SLOT_CONTAINER_WORD * 4, READ_U64(&asked->container));
	} else if (!asked && !sees && with_metadata && with_owners) {
		find_owner(skb, block, cgroup, ingress, false, write_owner);
	}

	place = ring_at(block, block->size - 8);
	PUT64(place, 0, PAIR(SS_OPT_END, block->size));
	if (OPAQUE(block->size ^ block_size(stored))) {
		/* 0 if another CPU was faster to report them. */
		PUT32(place, -12, 8 << 16 | SS_EPB_DROPCOUNT);
		PUT64(place, -8, atomic_exchange(&SLOT()->dropped, 0));
	}
}

/* Copies the frame; with a tag, puts the VLAN tag, which the kernel keeps beside it, back at 12.
 * A tagged frame has an Ethernet header, and snap_len is at least SS_SNAPLEN_MIN: stored > 16. */
static __always_inline long copy_frame(struct __sk_buff *skb, struct ring_block *block)
{
	__u64 stored = stored_length(original_length(skb));

	if (tags(skb)) {
		bpf_skb_load_bytes(skb, 0, ring_at(block, SS_EPB_HEADER_SIZE), 12);
		PUT32(ring_at(block, SS_EPB_HEADER_SIZE), 12,
		      (skb->vlan_proto & 0xffff) | __builtin_bswap16((__u16)skb->vlan_tci) << 16);
		return bpf_skb_load_bytes(skb, 12, ring_at(block, SS_EPB_HEADER_SIZE + 16),
					  ((stored - 17) & 0x3ffff) + 1);
	}
	return bpf_skb_load_bytes(skb, 0, ring_at(block, SS_EPB_HEADER_SIZE), stored);
}

/* Whether the slot is about this frame at all. */
static __always_inline bool concerns(struct __sk_buff *skb, bool ingress, bool sees)
{
	if (skb->ifindex != LOOPBACK_IFINDEX) {
		if (!(SLOT()->flags & SS_SLOT_ONLY_LO))
			return true;
		/* At the far end of the pod's cable it will have no socket, nor its sender. */
		if (!ingress && sees && with_owners)
			owner_of_frame(skb, ingress, sees);
		return false;
	}
	if (ingress)
		return !sender_left_footprint(skb, SLOT()->cgroup_id);
	sender_leave_footprint(skb, SLOT()->cgroup_id);
	return true;
}

static __always_inline void frame(struct __sk_buff *skb, bool cgroup, bool ingress, bool asks,
				  bool sees)
{
	struct ss_slot_counters *counter;
	struct asked asked;
	struct ring_block block;
	__u64 length, dropped, place;
	int accepted;

	if (cgroup && !concerns(skb, ingress, sees))
		return;
	if (asks)
		ask_owner(skb, &asked, cgroup, ingress, sees);
	/* Nothing but skb is needed behind the filter, which has the registers. */
	accepted = capture_filter(skb, asks ? READ_U64(&asked.process) : 0);
	counter = slot_counters();
	if (!counter)
		return;
	add(&counter->seen, 1, cgroup);
	if (!accepted)
		return;
	length = original_length(skb);
	add(&counter->accepted, 1, cgroup);
	add(&counter->bytes, length, cgroup);

	dropped = READ_U64(&SLOT()->dropped);
	block.size = block_size(stored_length(length)) + NONZERO(dropped) * SS_EPB_DROPCOUNT_SIZE;
	place = sees ? OPAQUE(options_at(stored_length(length))) : 0; /* else computed again */
	if (!ring_reserve(&block, cgroup, lose))
		return;
	write_block(skb, &block, cgroup, ingress, sees, asks ? &asked : NULL);
	if (copy_frame(skb, &block))
		count_drop(SS_DROP_COPY, cgroup);
	if (!asks && sees && with_metadata) /* see recent.h */
		find_owner_late(skb, &block, cgroup, ingress, place);
	ring_commit(&block);
}

/*
 * A program for filters that do not ask for owners, and one for those that do; each with and
 * without holder.h, because without CAP_PERFMON the verifier also follows what never runs.
 */
#define FRAME_PROGRAM(name, section, verdict, ...)                                                 \
	SEC(section)                                                                               \
	int name(struct __sk_buff *skb)                                                            \
	{                                                                                          \
		frame(skb, __VA_ARGS__);                                                           \
		return verdict;                                                                    \
	}

#define PASS_TC -1 /* TCX_NEXT, TC_ACT_UNSPEC: go on as if we were not here */

FRAME_PROGRAM(frame_tc, "ss/tc", PASS_TC, false, false, false, false)
FRAME_PROGRAM(frame_cgroup_egress, "ss/cgroup_egress", 1, true, false, false, false)
FRAME_PROGRAM(frame_cgroup_ingress, "ss/cgroup_ingress", 1, true, true, false, false)
FRAME_PROGRAM(owner_tc, "ss/owner_tc", PASS_TC, false, false, true, false)
FRAME_PROGRAM(owner_egress, "ss/owner_egress", 1, true, false, true, false)
FRAME_PROGRAM(owner_ingress, "ss/owner_ingress", 1, true, true, true, false)
FRAME_PROGRAM(holder_tc, "ss/holder_tc", PASS_TC, false, false, false, true)
FRAME_PROGRAM(holder_egress, "ss/holder_egress", 1, true, false, false, true)
FRAME_PROGRAM(holder_ingress, "ss/holder_ingress", 1, true, true, false, true)
FRAME_PROGRAM(holder_owner_tc, "ss/holder_owner_tc", PASS_TC, false, false, true, true)
FRAME_PROGRAM(holder_owner_egress, "ss/holder_owner_egress", 1, true, false, true, true)
FRAME_PROGRAM(holder_owner_ingress, "ss/holder_owner_ingress", 1, true, true, true, true)

char LICENSE[] SEC("license") = "GPL";
