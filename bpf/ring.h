/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writer's side of the frame ring (format/ring.h): reserve, fill, commit.
 *
 * Without CAP_PERFMON the verifier also follows speculative paths: every offset is bounded by a
 * mask, the same on every path, and each access computes base + offset anew. It also puts a barrier
 * of some 5 ns behind each spill to the stack. So what is cheap to compute is computed again.
 */
#ifndef SS_BPF_RING_H
#define SS_BPF_RING_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h> /* needs the types of linux/bpf.h */
#include <stdbool.h>
#include <stddef.h>

#include "bpf/atomic.h"
#include "bpf/map_value.h"
#include "format/ring.h"

const volatile __u32 ring_mask = SS_RING_SIZE_MIN - 1; /* ring size - 1 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, SS_RING_DATA_OFFSET + SS_RING_SIZE_MIN + SS_RING_SPILL); /* at load */
} ring SEC(".maps");

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
#define ring_publish(pointer, value) atomic_exchange(pointer, value)
#endif

#define READ_U64(pointer) (*(volatile __u64 *)(pointer))

/*
 * Arithmetic without branches, for values below 2^63. Not for speed: without CAP_PERFMON the
 * verifier wants the same bounds for a map pointer on every path, and it does not merge paths whose
 * scalars differ, so each branch doubles its work.
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

/*
 * Where paths meet. Scalars that were copied have an identity, and older kernels take those of two
 * paths for different; any operation removes it. They compare paths behind jumps only, before the
 * next copies: this one goes nowhere, and kernels remove it.
 */
#define FORGET(value) asm volatile("%0 += 0" : "+r"(value))
#define MEET()        asm volatile("goto +0")

/* The same for the verifier on all paths that led here: it would follow each to the end. any: a
 * number of which it knows nothing. */
#define UNKNOWN(value, any) asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(value) : "r"(any))

/* One block being written: few values, which registers hold across calls. */
struct ring_block {
	__u64 head;    /* its position */
	__u64 size;    /* drop count option included */
	__u64 writer;  /* offset of the in-flight word */
	__u64 time_ns; /* UTC */
};

/*
 * The word, or two, at a place in the data area, which must be bounded. Blocks are aligned to 4
 * only: x86-64 and arm64 store two words there as well.
 */
#define PUT(place, at, type, value) (*(volatile type *)((place) + (at)) = (value))
#define PUT32(place, at, value)     PUT(place, at, __u32, value)
#define PUT64(place, at, value)     PUT(place, at, __u64, value)
/* Two little-endian words in memory order. */
#define PAIR(first, second) ((__u64)(__u32)(first) | (__u64)(second) << 32)

#define SS_EPB_DROPCOUNT_SIZE 12u
/*
 * Reservations that may come before ours while we read the clock. At 3 million frames a second on
 * all CPUs, one of some 50,000 needs more. Unrolled, because for the verifier's speculation a loop
 * has no end: Linux 6.1 processes 20,000 instructions for each.
 */
#define RING_TRIES 8

#define PRODUCER() ((struct ss_ring_producer *)MAP_VALUE(ring))
#define CONSUMER() ((struct ss_ring_consumer *)(MAP_VALUE(ring) + SS_RING_CONSUMER_OFFSET))

/* A place in the block, which must be bounded by SS_RING_SPILL - 8. */
static __always_inline char *ring_at(struct ring_block *block, __u64 at)
{
	__u64 offset = OPAQUE((block->head & ring_mask) + at);

	return (char *)MAP_VALUE(ring) + SS_RING_DATA_OFFSET + offset;
}

/* In-flight words, in bytes from the first one. */
#define WRITERS_MASK (SS_RING_CPUS * SS_RING_STRIDE * 8 - 8)
static __always_inline __u64 *ring_in_flight(__u64 writer)
{
	writer = OPAQUE(writer & WRITERS_MASK);
	return (__u64 *)((char *)MAP_VALUE(ring) + offsetof(struct ss_ring_producer, inflight) +
			 writer);
}

/*
 * Claims a word, which is another task's or program's own as long as it is not idle, and announces
 * a position. What was found tells the verifier nothing once it is mixed in: the word's bounds are
 * the same, whichever it is.
 */
static __always_inline bool ring_announce(struct ring_block *block)
{
	__u64 writer = (bpf_get_smp_processor_id() & (SS_RING_CPUS - 1)) * SS_RING_STRIDE * 8;
	__u64 found, zero;

#pragma unroll
	for (int i = 0; i < SS_RING_NESTING; i++) {
		block->writer = writer + i * 8;
		found = atomic_compare_exchange(ring_in_flight(block->writer), SS_RING_IDLE,
						block->head);
		zero = OPAQUE(~found);
		if (found == SS_RING_IDLE) {
			block->writer += zero;
			FORGET(block->writer);
			FORGET(block->head);
			FORGET(block->size);
			return true;
		}
	}
	return false;
}

/* A time stamp, not below those before it. Read after head, or it proves nothing. */
static __always_inline __u64 ring_stamp(void)
{
	__u64 now = bpf_ktime_get_boot_ns() + READ_U64(&CONSUMER()->clock_ns);
	__u64 other = READ_U64(&PRODUCER()->last_ns);

	now = MAXIMUM(now, other);
	other = READ_U64(&CONSUMER()->floor_ns);
	now = MAXIMUM(now, other);
	*(volatile __u64 *)&PRODUCER()->last_ns = now;
	return now;
}

static __always_inline bool ring_is_full(struct ring_block *block)
{
	return block->head + block->size > READ_U64(&CONSUMER()->tail) + ring_mask + 1;
}

/*
 * Reserves block->size bytes, or calls lost() with the cause. That is no result: it would take a
 * register on the way to success.
 */
static __always_inline bool ring_reserve(struct ring_block *block, bool cgroup,
					 void (*lost)(enum ss_drop cause, bool cgroup))
{
	__u64 found;

	block->head = READ_U64(&PRODUCER()->head);
	if (ring_is_full(block))
		goto full;
	if (!ring_announce(block))
		goto busy;
#pragma unroll
	for (int i = 0; i < RING_TRIES; i++) {
		block->time_ns = ring_stamp();
		found = atomic_compare_exchange(&PRODUCER()->head, block->head,
						block->head + block->size);
		if (found == block->head)
			goto reserved;
		/* An instruction for clang, or it gives found a register across the call. */
		asm volatile("%0 = %1" : "=r"(block->head) : "r"(found));
		if (ring_is_full(block)) {
			ring_publish(ring_in_flight(block->writer), SS_RING_IDLE);
			goto full;
		}
		atomic_exchange(ring_in_flight(block->writer), block->head);
	}
	ring_publish(ring_in_flight(block->writer), SS_RING_IDLE);
busy:
	lost(SS_DROP_BUSY, cgroup);
	return false;
full:
	lost(SS_DROP_RING_FULL, cgroup);
	return false;

reserved:
	FORGET(block->writer);
	FORGET(block->head);
	FORGET(block->size);
	FORGET(block->time_ns);
	MEET();
	if ((block->head & ring_mask) + block->size > ring_mask)
		*(volatile __u64 *)&PRODUCER()->wrap_end = block->head + block->size;
	return true;
}

static __always_inline void ring_commit(struct ring_block *block)
{
	ring_publish(ring_in_flight(block->writer), SS_RING_IDLE);
	if (READ_U64(&CONSUMER()->wake_at) - block->head < block->size) {
		__u64 byte = 0;

		bpf_ringbuf_output(&doorbell, &byte, sizeof(byte), BPF_RB_FORCE_WAKEUP);
	}
}

#endif
