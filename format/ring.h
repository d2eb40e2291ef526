/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame ring, shared by bpf/frames.bpf.c and lib/source/bpf.c.
 *
 * One BPF_F_MMAPABLE array element: two control pages, then SIZE bytes (a power of two) of finished
 * pcapng Enhanced Packet Blocks, then a spill area, so that a block which begins below SIZE is
 * contiguous. The kernel reserves under a bpf_spin_lock (only the reservation), fills in place, and
 * marks the block done; user space writes slices of the mapping straight to the output.
 *
 * Positions are words (lap << 32 | offset), so that they can be compared and "full" and "empty"
 * differ. A writer whose block ends at or past SIZE stores that end in wrap_end and goes on at
 * offset 0 of the next lap. It can't lap the reader, hence one wrap_end is enough.
 *
 * What is committed: the smallest of head and all in-flight words. A writer sets its in-flight word
 * under the lock before head moves, and sets it to SS_RING_IDLE (release) when the block is
 * complete; the reader loads head (acquire) before the in-flight words. A CPU has several in-flight
 * words because cgroup_skb egress runs in task context and can be interrupted by another program,
 * or preempted by another task.
 */
#ifndef SS_FORMAT_RING_H
#define SS_FORMAT_RING_H

#include <linux/types.h>

#define SS_RING_CPUS     256 /* CPUs with in-flight words of their own; higher ones share by modulo */
#define SS_RING_NESTING  4   /* blocks one CPU may have in flight */
#define SS_RING_WRITERS  (SS_RING_CPUS * SS_RING_NESTING)
#define SS_RING_SPILL    (0x40000u + 4096u) /* one maximal block */
#define SS_RING_IDLE     (~0ULL)
#define SS_RING_NEVER    (~0ULL >> 1) /* as wake_at; values stay below 2^63 */
#define SS_RING_SIZE_MIN (1u << 20)
#define SS_RING_SIZE_MAX (1u << 28)

/* First page: written by the kernel (head group), on lines of their own. */
struct ss_ring_producer {
	__u64 head;     /* position word: everything below is reserved */
	__u64 wrap_end; /* offset where the previous lap ended */
	__u64 produced; /* bytes reserved since the start */
	__u64 reserved[5];
	__u64 inflight[SS_RING_WRITERS];
};

/* Second page: written by user space. */
struct ss_ring_consumer {
	__u64 tail;     /* position word: everything below may be overwritten */
	__u64 wake_at;  /* ring the doorbell when produced reaches this; SS_RING_NEVER */
	__u64 clock_ns; /* add to CLOCK_BOOTTIME to get UTC, both in ns */
	__u64 floor_ns; /* no timestamp (UTC) below this: orders records that user space inserts */
};

#define SS_RING_CONSUMER_OFFSET 12288u /* sizeof(struct ss_ring_producer) rounded up to pages */
#define SS_RING_DATA_OFFSET     16384u

/*
 * Options of one attachment, written to every block as they are: epb_flags (2 words), then, if pods
 * are captured, option 2989 (7 words: code and length, PEN, 20 bytes of magic, TLVs and PAD). The
 * kernel adds the reception type to the flags, epb_dropcount after a loss, and opt_endofopt.
 */
#define SS_SLOT_FLAG_WORDS   2
#define SS_SLOT_OPTION_WORDS 9
#define SS_SLOTS_MAX         1024

/* One attachment point: a program instance with this slot number compiled in. */
struct ss_slot {
	__u32 interface_id;                      /* IDB number in the stream */
	__u32 flags;                             /* SS_SLOT_* */
	__u64 cgroup_id;                         /* of cgroup programs: the pod's cgroup */
	__u32 options[SS_SLOT_OPTION_WORDS + 1]; /* [1] is the value of epb_flags; last: unused */
	__u64 dropped;                           /* kernel: lost since the last stored frame */
};
#define SS_SLOT_L3      0x1u /* frames begin with the IP header */
#define SS_SLOT_ONLY_LO 0x2u /* cgroup programs: loopback traffic only */

/* The slot number in a program is the immediate of its one "r = SS_SLOT_PLACEHOLDER". */
#define SS_SLOT_PLACEHOLDER 0x53530001

/* Largest snapshot length: what remains of a block beside header, options and padding. */
#define SS_SNAPLEN_MAX (262144u - 128u)
#define SS_SNAPLEN_MIN 32u

enum ss_drop {
	SS_DROP_RING_FULL, /* user space too slow, ring too small */
	SS_DROP_BUSY,      /* more than SS_RING_NESTING blocks in flight on one CPU */
	SS_DROP_COPY,      /* bytes of the frame could not be read: stored, zero-filled, not lost */
	SS_DROP_CAUSES
};

/* Per CPU and slot. */
struct ss_slot_counters {
	__u64 seen;     /* frames that reached the hook (filter included) */
	__u64 accepted; /* passed the filter */
	__u64 bytes;    /* original lengths of the accepted */
	__u64 drops[SS_DROP_CAUSES];
};

#endif
