/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame ring, shared by bpf/frames.bpf.c and lib/source/ring.c.
 *
 * One BPF_F_MMAPABLE array element: control pages, then SIZE bytes (a power of two) of finished
 * pcapng Enhanced Packet Blocks, then a spill area. The kernel reserves, fills in place, and marks
 * the block done; user space writes slices of the mapping straight to the output.
 *
 * Positions count bytes since the start; position & (SIZE - 1) is the offset in the data area. A
 * block that begins below SIZE is contiguous: it may go on in the spill area. Then the next one
 * begins behind the shadow that it throws on the area's start, which stays unused in this lap. Once
 * a lap a block ends at or past SIZE: its writer stores where (wrap_end) before it is done. It
 * can't lap the reader, hence one wrap_end is enough.
 *
 * A writer reads head, announces it in an in-flight word, reads the clock, and moves head from what
 * it read with a compare-and-exchange. Success proves that no other reservation came between, so
 * stamps are in the order of positions. What it announced may be older than what it gets, never
 * newer. It sets the word to SS_RING_IDLE (release) when the block is complete.
 *
 * What is committed: the smallest of head and all in-flight words, if above tail. The reader loads
 * head (acquire) before the words. A CPU has several because cgroup_skb egress runs in task context
 * and can be interrupted by another program, or preempted by another task.
 */
#ifndef SS_FORMAT_RING_H
#define SS_FORMAT_RING_H

#include <linux/types.h>

#define SS_RING_CPUS     256 /* CPUs with in-flight words of their own; others share by modulo */
#define SS_RING_NESTING  4   /* blocks one CPU may have in flight */
#define SS_RING_STRIDE   8   /* words from one CPU to the next: a cache line each */
#define SS_RING_SPILL    (0x40000u + 4096u) /* one maximal block */
#define SS_RING_IDLE     (~0ULL)
#define SS_RING_NEVER    (~0ULL) /* as wake_at */
#define SS_RING_SIZE_MIN (1u << 20)
#define SS_RING_SIZE_MAX (1u << 28)

/* First pages: written by the kernel (head group), on lines of their own. */
struct ss_ring_producer {
	__u64 head;     /* position: everything below is reserved */
	__u64 last_ns;  /* newest timestamp: the clock itself may step back by nanoseconds */
	__u64 wrap_end; /* position where the last lap's last block ends */
	__u64 reserved[5];
	__u64 inflight[SS_RING_CPUS * SS_RING_STRIDE]; /* the first SS_RING_NESTING of each CPU */
};

/* Then a page written by user space. */
struct ss_ring_consumer {
	__u64 tail;     /* position: everything below may be overwritten */
	__u64 wake_at;  /* ring the doorbell for the block that holds this byte; SS_RING_NEVER */
	__u64 clock_ns; /* add to CLOCK_BOOTTIME to get UTC, both in ns */
	__u64 floor_ns; /* no timestamp (UTC) below this: orders records that user space inserts */
	__u64 snap_len; /* bytes of a frame to keep, SS_SNAPLEN_MIN .. SS_SNAPLEN_MAX */
};

#define SS_RING_CONSUMER_OFFSET 20480u /* sizeof(struct ss_ring_producer) rounded up to pages */
#define SS_RING_DATA_OFFSET     24576u

/*
 * Options of one attachment, written to every block as they are: epb_flags (2 words), then, if pods
 * are captured, option 2989 (8 words: code and length, PEN, 24 bytes of magic, TLVs and PAD). The
 * kernel adds the reception type to the flags, the process and its container where they are known,
 * epb_dropcount after a loss, and opt_endofopt.
 */
#define SS_SLOT_FLAG_WORDS     2
#define SS_SLOT_OPTION_WORDS   10
#define SS_SLOT_PROCESS_WORD   5 /* two: value of SS_METADATA_PROCESS, whose TLV the slot has */
#define SS_SLOT_CONTAINER_WORD 8 /* two: TLV SS_METADATA_CONTAINER, or PAD */
#define SS_SLOTS_MAX           2048

/* One attachment point: a program instance that has the address of this slot compiled in. */
struct ss_slot {
	__u32 interface_id;                  /* IDB number in the stream */
	__u32 flags;                         /* SS_SLOT_* */
	__u64 cgroup_id;                     /* of cgroup programs: the pod's cgroup */
	__u32 options[SS_SLOT_OPTION_WORDS]; /* [1] is the value of epb_flags */
	__u32 number;                        /* of the slot */
	__s32 netns_id; /* for look-ups: local id of the pod's; -1: it is here */
	__u64 dropped;  /* kernel: lost since the last stored frame */
	__u64 netns;    /* kernel: cookie of the namespace, once seen */
};
#define SS_SLOT_L3      0x1u /* frames begin with the IP header */
#define SS_SLOT_ONLY_LO 0x2u /* cgroup programs: loopback traffic only */
/* How a frame's process is found: */
#define SS_SLOT_BY_SOCKET   0x4u  /* the frame's socket is the pod's */
#define SS_SLOT_BY_RECEIVER 0x8u  /* by the socket that has its destination address */
#define SS_SLOT_BY_SENDER   0x10u /* ... its source address */
#define SS_SLOT_REDIRECTED 0x20u /* lo: the filter leaves what may be redirected to user space */
/* The upper bits: for the filter, which of its tests hold for all frames of this slot. */
#define SS_SLOT_VERDICTS_SHIFT 8
#define SS_SLOT_VERDICTS_MAX   24

/* Largest snapshot length: what remains of a block beside header, options and padding. */
#define SS_SNAPLEN_MAX (262144u - 128u)
#define SS_SNAPLEN_MIN 32u

enum ss_drop {
	SS_DROP_RING_FULL, /* user space too slow, ring too small */
	SS_DROP_BUSY,      /* SS_RING_NESTING blocks in flight on one CPU; too many CPUs */
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
