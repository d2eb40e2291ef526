/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writer's side of the frame ring (format/ring.h): reserve, fill, commit.
 *
 * Without CAP_PERFMON the verifier also follows speculative paths: every offset is bounded by a
 * mask, and each access computes base + offset anew (AT), because it refuses a variable-offset map
 * pointer that was copied between registers.
 */
#ifndef SS_BPF_RING_H
#define SS_BPF_RING_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "format/ring.h"

const volatile __u32 ring_mask = SS_RING_SIZE_MIN - 1; /* ring size - 1 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, SS_RING_DATA_OFFSET + SS_RING_SIZE_MIN + SS_RING_SPILL); /* at load */
} ring SEC(".maps");

/* What writers share under the lock; user space never maps it. */
struct ring_state {
	struct bpf_spin_lock lock;
	__u32 unused;
	__u64 head;	/* position word */
	__u64 produced; /* bytes */
	__u64 last_ns;	/* newest timestamp given out */
	__u64 served;	/* the wake_at that has been answered */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring_state);
} ring_states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* rounded up to a page at load */
} doorbell SEC(".maps");

/* Stores in x86 become visible in order; arm64 needs a release, which BPF has as an exchange. */
#if defined(__TARGET_ARCH_x86)
#define ring_publish(pointer, value)                                                               \
	({                                                                                         \
		barrier();                                                                         \
		*(volatile __u64 *)(pointer) = (value);                                            \
	})
#else
#define ring_publish(pointer, value) ((void)__sync_lock_test_and_set((__u64 *)(pointer), (value)))
#endif

#define READ_U64(pointer) (*(volatile __u64 *)(pointer))

/* One block being written. */
struct ring_block {
	char *ring;	/* the map value */
	__u32 offset;	/* of the block in the data area, <= ring_mask */
	__u32 size;	/* of the block, drop count option included */
	__u64 time_ns;	/* UTC */
	__u64 dropped;	/* frames to report as lost before this one */
	__u32 writer;	/* index of the in-flight word */
	__u32 wake;	/* ring the doorbell after commit */
};

/* Word at byte "at" of the block; "at" must be bounded by SS_RING_SPILL - 4. */
#define AT(block, at)                                                                              \
	(*(volatile __u32 *)({                                                                     \
		__u32 position_ = (block)->offset;                                                 \
		barrier_var(position_);                                                            \
		(block)->ring + SS_RING_DATA_OFFSET + (position_ & ring_mask) + (at);              \
	}))

#define SS_EPB_DROPCOUNT_SIZE 12u

/* Reserves size bytes, more if frames were lost before. Returns 0 or 1 + the cause of the drop. */
static __always_inline int ring_reserve(struct ring_block *block, struct ss_slot *slot, __u32 size)
{
	struct ss_ring_producer *producer;
	struct ss_ring_consumer *consumer;
	struct ring_state *state;
	__u32 zero = 0, writer, offset, end;
	__u64 now, head, next, tail, floor, wake_at;
	int cause = 0;

	block->ring = bpf_map_lookup_elem(&ring, &zero);
	if (!block->ring)
		return 1 + SS_DROP_BUSY;
	state = bpf_map_lookup_elem(&ring_states, &zero);
	if (!state)
		return 1 + SS_DROP_BUSY;
	producer = (struct ss_ring_producer *)block->ring;
	consumer = (struct ss_ring_consumer *)(block->ring + SS_RING_CONSUMER_OFFSET);

	now = bpf_ktime_get_boot_ns() + READ_U64(&consumer->clock_ns);
	writer = (bpf_get_smp_processor_id() & (SS_RING_CPUS - 1)) * SS_RING_NESTING;

	bpf_spin_lock(&state->lock);
	head = state->head;
	tail = READ_U64(&consumer->tail);
	offset = (__u32)head & ring_mask;
	block->dropped = slot->dropped;
	if (block->dropped)
		size += SS_EPB_DROPCOUNT_SIZE;
	end = offset + size;
	if (READ_U64(&producer->inflight[writer]) != SS_RING_IDLE)
		writer++;
	if (READ_U64(&producer->inflight[writer]) != SS_RING_IDLE)
		writer++;
	if (READ_U64(&producer->inflight[writer]) != SS_RING_IDLE)
		writer++;
	if (READ_U64(&producer->inflight[writer]) != SS_RING_IDLE) {
		cause = 1 + SS_DROP_BUSY;
	} else if (tail >> 32 != head >> 32 && (end > (__u32)tail || end > ring_mask)) {
		cause = 1 + SS_DROP_RING_FULL;
	} else {
		*(volatile __u64 *)&producer->inflight[writer] = head;
		next = head + size;
		if (end > ring_mask) {
			*(volatile __u64 *)&producer->wrap_end = end;
			next = ((head >> 32) + 1) << 32;
		}
		if (now < state->last_ns)
			now = state->last_ns;
		floor = READ_U64(&consumer->floor_ns);
		if (now < floor)
			now = floor;
		state->last_ns = now;
		state->head = next;
		state->produced += size;
		slot->dropped = 0;
		wake_at = READ_U64(&consumer->wake_at);
		block->wake = state->produced >= wake_at && state->served != wake_at;
		if (block->wake)
			state->served = wake_at;
		*(volatile __u64 *)&producer->produced = state->produced;
		ring_publish(&producer->head, next);
	}
	if (cause)
		slot->dropped++;
	bpf_spin_unlock(&state->lock);

	block->offset = offset;
	block->size = size;
	block->time_ns = now;
	block->writer = writer;
	return cause;
}

static __always_inline void ring_commit(struct ring_block *block)
{
	struct ss_ring_producer *producer = (struct ss_ring_producer *)block->ring;

	ring_publish(&producer->inflight[block->writer & (SS_RING_WRITERS - 1)], SS_RING_IDLE);
	if (block->wake) {
		__u64 byte = 0;

		bpf_ringbuf_output(&doorbell, &byte, sizeof(byte), BPF_RB_FORCE_WAKEUP);
	}
}

#endif
