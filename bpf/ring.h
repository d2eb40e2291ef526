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
#include <stdbool.h>
#include <stddef.h>

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

/*
 * The address of a map's only value, without a look-up: user space turns the instruction that loads
 * the map into one that loads the address (lib/source/bpf.c).
 */
#define MAP_VALUE(map)                                                                             \
	({                                                                                         \
		void *value_ = &(map);                                                             \
		barrier_var(value_);                                                               \
		value_;                                                                            \
	})

/*
 * Atomic operations, fully ordered. As bytes, because clang knows them only together with 32-bit
 * registers, which we avoid (cmake/BpfObject.cmake):
 * r2 = xchg_64(r1 + 0, r2) and r0 = cmpxchg_64(r1 + 0, r0, r2).
 */
#define ring_exchange(pointer, value)                                                              \
	({                                                                                         \
		__u64 *to_ = (__u64 *)(pointer);                                                   \
		__u64 new_ = (value);                                                              \
		register __u64 *place_ asm("r1") = to_;                                            \
		register __u64 exchanged_ asm("r2") = new_;                                        \
		asm volatile(".byte 0xdb, 0x21, 0, 0, 0xe1, 0, 0, 0"                               \
			     : "+r"(exchanged_)                                                    \
			     : "r"(place_)                                                         \
			     : "memory");                                                          \
		exchanged_;                                                                        \
	})
#define ring_compare_exchange(pointer, old, new)                                                   \
	({                                                                                         \
		__u64 *to_ = (__u64 *)(pointer);                                                   \
		__u64 old_ = (old), new_ = (new);                                                  \
		register __u64 *place_ asm("r1") = to_;                                            \
		register __u64 value_ asm("r2") = new_;                                            \
		register __u64 found_ asm("r0") = old_;                                            \
		asm volatile(".byte 0xdb, 0x21, 0, 0, 0xf1, 0, 0, 0"                               \
			     : "+r"(found_)                                                        \
			     : "r"(place_), "r"(value_)                                            \
			     : "memory");                                                          \
		found_;                                                                            \
	})

/* Stores in x86 become visible in order; arm64 needs a release, which BPF has as an exchange. */
#if defined(__TARGET_ARCH_x86)
#define ring_publish(pointer, value)                                                               \
	({                                                                                         \
		barrier();                                                                         \
		*(volatile __u64 *)(pointer) = (value);                                            \
	})
#else
#define ring_publish(pointer, value) ring_exchange(pointer, value)
#endif

#define READ_U64(pointer) (*(volatile __u64 *)(pointer))

/*
 * Arithmetic without branches, for values below 2^63. Not for speed: without CAP_PERFMON the
 * verifier wants the same bounds for a map pointer on every path, and a branch would narrow them.
 */
#define OPAQUE(value)                                                                              \
	({                                                                                         \
		__u64 opaque_ = (value);                                                           \
		barrier_var(opaque_); /* keeps the compiler from making a branch of it */          \
		opaque_;                                                                           \
	})
#define NONZERO(value)    OPAQUE(OPAQUE((value) | -(value)) >> 63) /* 0 or 1 */
#define SELECT(bit, a, b) ((b) ^ (((a) ^ (b)) & -OPAQUE(bit)))     /* bit ? a : b */

/* One block being written. */
struct ring_block {
	char *ring;    /* the map value */
	__u64 offset;  /* of the block in the data area, <= ring_mask */
	__u64 size;    /* of the block, drop count option included */
	__u64 head;    /* its position */
	__u64 time_ns; /* UTC */
	__u64 lossy;   /* 1: there is an option epb_dropcount, else 0 */
	__u64 dropped; /* its value: frames lost before this one */
	__u64 writer;  /* offset of the in-flight word */
};

/*
 * The word, or two, at byte "at" of the block, which must be bounded by SS_RING_SPILL - 8. Blocks
 * are aligned to 4 only: x86-64 and arm64 store two words there as well.
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
/* Reservations that may come before ours while we read the clock. */
#define RING_TRIES 16

/* In-flight words, in bytes from the first one. */
#define WRITERS_MASK (SS_RING_CPUS * SS_RING_STRIDE * 8 - 8)
#define IN_FLIGHT(block)                                                                           \
	({                                                                                         \
		__u64 writer_ = (block)->writer & WRITERS_MASK;                                    \
		barrier_var(writer_);                                                              \
		(__u64 *)((block)->ring + offsetof(struct ss_ring_producer, inflight) + writer_);  \
	})

/*
 * Claims a word, which is another task's or program's own as long as it is not idle, and announces
 * a position. What was found tells the verifier nothing once it is mixed in: the word's bounds are
 * the same, whichever it is.
 */
static __always_inline bool ring_announce(struct ring_block *block, __u64 head)
{
	__u64 writer = (bpf_get_smp_processor_id() & (SS_RING_CPUS - 1)) * SS_RING_STRIDE * 8;
	__u64 found, zero;

#pragma unroll
	for (int i = 0; i < SS_RING_NESTING; i++) {
		block->writer = writer + i * 8;
		found = ring_compare_exchange(IN_FLIGHT(block), SS_RING_IDLE, head);
		zero = OPAQUE(~found);
		if (found == SS_RING_IDLE) {
			block->writer += zero;
			return true;
		}
	}
	return false;
}

static __always_inline __u64 ring_snap_len(struct ring_block *block)
{
	return READ_U64(
		&((struct ss_ring_consumer *)(block->ring + SS_RING_CONSUMER_OFFSET))->snap_len);
}

/* A time stamp, not below those before it. Read after head, or it proves nothing. */
static __always_inline __u64 ring_stamp(struct ss_ring_producer *producer,
					struct ss_ring_consumer *consumer)
{
	__u64 now = bpf_ktime_get_boot_ns() + READ_U64(&consumer->clock_ns);
	__u64 last = READ_U64(&producer->last_ns), floor = READ_U64(&consumer->floor_ns);

	if (now < last)
		now = last;
	if (now < floor)
		now = floor;
	*(volatile __u64 *)&producer->last_ns = now;
	return now;
}

/* Reserves size bytes, more if frames were lost before. Returns 0 or 1 + the cause of the drop. */
static __always_inline int ring_reserve(struct ring_block *block, struct ss_slot *slot, __u64 size)
{
	struct ss_ring_producer *producer = (struct ss_ring_producer *)block->ring;
	struct ss_ring_consumer *consumer =
		(struct ss_ring_consumer *)(block->ring + SS_RING_CONSUMER_OFFSET);
	int cause = 1 + SS_DROP_RING_FULL;
	__u64 head, found, limit;

	block->dropped = READ_U64(&slot->dropped);
	block->lossy = NONZERO(block->dropped);
	size += block->lossy * SS_EPB_DROPCOUNT_SIZE;
	block->size = size;
	if (block->dropped)
		block->dropped = ring_exchange(&slot->dropped, 0);
	head = READ_U64(&producer->head);
	limit = READ_U64(&consumer->tail) + ring_mask + 1;
	if (head + size > limit)
		goto lost;
	if (!ring_announce(block, head)) {
		cause = 1 + SS_DROP_BUSY;
		goto lost;
	}
	/* Unrolled: for the verifier's speculation, a loop has no end. */
#pragma unroll
	for (int i = 0; i < RING_TRIES; i++) {
		block->time_ns = ring_stamp(producer, consumer);
		found = ring_compare_exchange(&producer->head, head, head + size);
		if (found == head)
			goto reserved;
		head = found;
		if (head + size > limit)
			goto withdraw;
		ring_exchange(IN_FLIGHT(block), head);
	}
	cause = 1 + SS_DROP_BUSY;
withdraw:
	ring_publish(IN_FLIGHT(block), SS_RING_IDLE);
lost:
	__sync_fetch_and_add(&slot->dropped, block->dropped + 1);
	return cause;

reserved:
	block->head = head;
	block->offset = head & ring_mask;
	if (block->offset + size > ring_mask)
		*(volatile __u64 *)&producer->wrap_end = head + size;
	return 0;
}

static __always_inline void ring_commit(struct ring_block *block)
{
	struct ss_ring_consumer *consumer;

	ring_publish(IN_FLIGHT(block), SS_RING_IDLE);
	consumer = (struct ss_ring_consumer *)(block->ring + SS_RING_CONSUMER_OFFSET);
	if (READ_U64(&consumer->wake_at) - block->head < block->size) {
		__u64 byte = 0;

		bpf_ringbuf_output(&doorbell, &byte, sizeof(byte), BPF_RB_FORCE_WAKEUP);
	}
}

#endif
