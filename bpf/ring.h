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

#include <bpf/bpf_helpers.h> /* needs the types of linux/bpf.h */

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
	__u64 head;     /* position word */
	__u64 produced; /* bytes */
	__u64 last_ns;  /* newest timestamp given out */
	__u64 served;   /* the wake_at that has been answered */
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

/*
 * Stores in x86 become visible in order; arm64 needs a release, which BPF has as an exchange. As
 * bytes (r2 = xchg_64(r1 + 0, r2)), because clang knows it only together with 32-bit registers,
 * which we avoid (cmake/BpfObject.cmake).
 */
#if defined(__TARGET_ARCH_x86)
#define ring_publish(pointer, value)                                                               \
	({                                                                                         \
		barrier();                                                                         \
		*(volatile __u64 *)(pointer) = (value);                                            \
	})
#else
#define ring_publish(pointer, value)                                                               \
	({                                                                                         \
		register __u64 *place_ asm("r1") = (__u64 *)(pointer);                             \
		register __u64 published_ asm("r2") = (value);                                     \
		asm volatile(".byte 0xdb, 0x21, 0, 0, 0xe1, 0, 0, 0"                               \
			     : "+r"(published_)                                                    \
			     : "r"(place_)                                                         \
			     : "memory");                                                          \
	})
#endif

#define READ_U64(pointer) (*(volatile __u64 *)(pointer))

/*
 * Arithmetic without branches, for values below 2^63. Not for speed: without CAP_PERFMON the
 * verifier does not merge paths whose scalars differ, so each branch doubles its work, and it wants
 * the same bounds for a map pointer on every path.
 */
#define OPAQUE(value)                                                                              \
	({                                                                                         \
		__u64 opaque_ = (value);                                                           \
		barrier_var(opaque_); /* keeps the compiler from making a branch of it */          \
		opaque_;                                                                           \
	})
#define LESS(a, b)        OPAQUE(OPAQUE((a) - (b)) >> 63)          /* 0 or 1 */
#define NONZERO(value)    OPAQUE(OPAQUE((value) | -(value)) >> 63) /* 0 or 1 */
#define SELECT(bit, a, b) ((b) ^ (((a) ^ (b)) & -OPAQUE(bit)))     /* bit ? a : b */
#define MINIMUM(a, b)     SELECT(LESS(a, b), a, b)
#define MAXIMUM(a, b)     SELECT(LESS(a, b), b, a)

/* One block being written. */
struct ring_block {
	char *ring;    /* the map value */
	__u64 offset;  /* of the block in the data area, <= ring_mask */
	__u64 size;    /* of the block, drop count option included */
	__u64 time_ns; /* UTC */
	__u64 dropped; /* frames to report as lost before this one */
	__u64 writer;  /* index of the in-flight word */
	__u64 wake;    /* ring the doorbell after commit */
};

/*
 * The word, or two, at byte "at" of the block, which must be bounded by SS_RING_SPILL - 8. Blocks
 * are aligned to 4 only: x86-64 and arm64 store two words there as well. Few accesses matter: each
 * is one more path for the verifier.
 */
#define AT_TYPE(block, at, type)                                                                   \
	(*(volatile type *)({                                                                      \
		__u64 position_ = (block)->offset;                                                 \
		barrier_var(position_);                                                            \
		(block)->ring + SS_RING_DATA_OFFSET + (position_ + (at));                          \
	}))
#define AT(block, at)   AT_TYPE(block, at, __u32)
#define AT64(block, at) AT_TYPE(block, at, __u64)
/* Two little-endian words in memory order. */
#define PAIR(first, second) ((__u64)(__u32)(first) | (__u64)(second) << 32)

#define SS_EPB_DROPCOUNT_SIZE 12u

/* Reserves size bytes, more if frames were lost before. Returns 0 or 1 + the cause of the drop. */
static __always_inline int ring_reserve(struct ring_block *block, struct ss_slot *slot, __u64 size)
{
	struct ss_ring_producer *producer;
	struct ss_ring_consumer *consumer;
	struct ring_state *state;
	__u64 now, head, tail, end, wraps, wake_at, wake, full, busy0, busy1, busy2, busy3;
	__u32 zero = 0;
	__u64 writer;

	block->ring = bpf_map_lookup_elem(&ring, &zero);
	if (!block->ring)
		return 1 + SS_DROP_BUSY;
	state = bpf_map_lookup_elem(&ring_states, &zero);
	if (!state)
		return 1 + SS_DROP_BUSY;
	producer = (struct ss_ring_producer *)block->ring;
	consumer = (struct ss_ring_consumer *)(block->ring + SS_RING_CONSUMER_OFFSET);

	now = bpf_ktime_get_boot_ns() + READ_U64(&consumer->clock_ns);
	writer = (bpf_get_smp_processor_id() & (SS_RING_CPUS - 1ull)) * SS_RING_NESTING;

	bpf_spin_lock(&state->lock);
	head = state->head;
	tail = READ_U64(&consumer->tail);
	block->dropped = slot->dropped;
	size += NONZERO(block->dropped) * SS_EPB_DROPCOUNT_SIZE;
	block->offset = (__u32)head & ring_mask;
	end = block->offset + size;
	wraps = LESS(ring_mask, end);
	full = NONZERO((tail ^ head) >> 32) & (wraps | LESS(tail & 0xffffffff, end));
	busy0 = NONZERO(READ_U64(&producer->inflight[writer]) + 1); /* SS_RING_IDLE + 1 is 0 */
	busy1 = busy0 & NONZERO(READ_U64(&producer->inflight[writer + 1]) + 1);
	busy2 = busy1 & NONZERO(READ_U64(&producer->inflight[writer + 2]) + 1);
	busy3 = busy2 & NONZERO(READ_U64(&producer->inflight[writer + 3]) + 1);
	writer = (writer + busy0 + busy1 + busy2) & (SS_RING_WRITERS - 1);
	if (OPAQUE(full | busy3)) {
		slot->dropped++;
		bpf_spin_unlock(&state->lock);
		return busy3 ? 1 + SS_DROP_BUSY : 1 + SS_DROP_RING_FULL;
	}
	*(volatile __u64 *)&producer->inflight[writer] = head;
	*(volatile __u64 *)&producer->wrap_end = SELECT(wraps, end, producer->wrap_end);
	now = MAXIMUM(now, state->last_ns);
	now = MAXIMUM(now, READ_U64(&consumer->floor_ns));
	state->last_ns = now;
	state->head = SELECT(wraps, ((head >> 32) + 1) << 32, head + size);
	state->produced += size;
	slot->dropped = 0;
	wake_at = READ_U64(&consumer->wake_at) & SS_RING_NEVER;
	wake = (1 ^ LESS(state->produced, wake_at)) & NONZERO(state->served ^ wake_at);
	state->served = SELECT(wake, wake_at, state->served);
	*(volatile __u64 *)&producer->produced = state->produced;
	ring_publish(&producer->head, state->head);
	bpf_spin_unlock(&state->lock);

	block->size = size;
	block->time_ns = now;
	block->writer = writer;
	block->wake = wake;
	return 0;
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
