/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames from the kernel: loads the programs of bpf/frames.bpf.c, one instance per attachment
 * point ("slot"), and hands out what they wrote as slices of the mapped ring. Attaching the
 * programs is somebody else's business (attach/). Everything in the kernel hangs on descriptors of
 * this process and goes with it.
 */
#ifndef SS_SOURCE_BPF_H
#define SS_SOURCE_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "error.h"
#include "format/ring.h"

struct bpf_insn;

enum ss_program {
	SS_PROGRAM_TC_ETHERNET, /* sched_cls, frames begin with an Ethernet header */
	SS_PROGRAM_TC_RAW,      /* sched_cls on a device without link header */
	SS_PROGRAM_CGROUP_EGRESS,
	SS_PROGRAM_CGROUP_INGRESS,
	SS_PROGRAMS
};

struct ss_bpf_source;

/*
 * Puts a capture filter into a program about to be loaded: may return new instructions (of
 * g_malloc, the source frees them) or leave *ret_insns NULL for "as it is".
 */
typedef int (*ss_bpf_source_splice)(enum ss_program program, const struct bpf_insn *insns,
				    size_t count, struct bpf_insn **ret_insns, size_t *ret_count,
				    void *user_data, struct ss_error *error);

struct ss_bpf_source_options {
	uint32_t snap_len;           /* bytes; clamped to SS_SNAPLEN_MIN .. SS_SNAPLEN_MAX */
	uint32_t ring_size;          /* bytes; rounded up to a power of two */
	bool metadata;               /* write option 2989 to every block */
	bool owners;                 /* ... and in it, whose the frame is */
	bool filter_owners;          /* the filter asks for that: programs find it out before */
	bool ethernet_only;          /* the filter is: programs of cgroups see no frames */
	ss_bpf_source_splice splice; /* NULL: no filter */
	const char *guest;           /* whose instructions it splices, for errors; NULL: our own */
	void *user_data;
};

int ss_bpf_source_new(const struct ss_bpf_source_options *options,
		      struct ss_bpf_source **ret_source, struct ss_error *error);
void ss_bpf_source_free(struct ss_bpf_source *source);

/*
 * A program with a slot of its own, configured as said (dropped and netns are ignored). The
 * descriptor is the source's. Programs of released slots are used again, so a pod that comes costs
 * no verification.
 */
int ss_bpf_source_slot_new(struct ss_bpf_source *source, enum ss_program program,
			   const struct ss_slot *config, uint32_t *ret_slot, int *ret_program_fd,
			   struct ss_error *error);
/* Loads one program for later, if fewer than count of its kind are free: returns 1, so that a
 * caller may do something else before it asks again; 0 when there are enough, or no room for more.
 */
int ss_bpf_source_reserve(struct ss_bpf_source *source, enum ss_program program, unsigned count);
/* Changes interface and options of a slot in use. */
void ss_bpf_source_slot_update(struct ss_bpf_source *source, uint32_t slot,
			       const struct ss_slot *config);
/* After its hook is detached. */
void ss_bpf_source_slot_free(struct ss_bpf_source *source, uint32_t slot);
/* Whether the kernel's verifier takes a program with what is spliced into it; nothing stays. */
int ss_bpf_source_try(struct ss_bpf_source *source, enum ss_program program);

/* Maps for filters: of the slots (ss_emit_slot()), and what was told of processes. */
int ss_bpf_source_slots_fd(const struct ss_bpf_source *source);
int ss_bpf_source_told_fd(const struct ss_bpf_source *source);

/* Sums over CPUs since slot_new. */
void ss_bpf_source_counters(struct ss_bpf_source *source, uint32_t slot,
			    struct ss_slot_counters *ret_counters);

/* Becomes readable when the doorbell rings; see ss_bpf_source_arm(). */
int ss_bpf_source_fd(const struct ss_bpf_source *source);
void ss_bpf_source_acknowledge(struct ss_bpf_source *source);

/* Committed blocks, whole ones, in time order: 0, 1 or 2 slices, valid until consumed. */
unsigned ss_bpf_source_peek(struct ss_bpf_source *source, struct iovec slices[2]);
/* Gives length bytes from the front back to the kernel; any number up to what peek returned. */
void ss_bpf_source_consume(struct ss_bpf_source *source, size_t length);

/* Asks for the doorbell once watermark more bytes are there (0: never). Returns true if blocks
 * are waiting already, then the caller looks again before it sleeps. */
bool ss_bpf_source_arm(struct ss_bpf_source *source, uint64_t watermark);

/* Follows the wall clock; call it about once a second. */
void ss_bpf_source_set_clock(struct ss_bpf_source *source);
/* UTC now, as the programs would stamp it; no later frame gets a smaller stamp. */
uint64_t ss_bpf_source_barrier(struct ss_bpf_source *source);

/* UTC of a CLOCK_BOOTTIME, as the programs would stamp it. */
uint64_t ss_bpf_source_utc(const struct ss_bpf_source *source, uint64_t boot_ns);

/* The maps of bpf/owners.h and processes.h, which the programs use. Borrowed. */
struct ss_bpf_source_owner_maps {
	int owners, closed, generations, containers, told, records, users;
};
struct ss_bpf_source_owner_maps ss_bpf_source_owner_maps(const struct ss_bpf_source *source);

/* Do the programs see who sends (cap_perfmon), on all sockets of the pods that are captured? */
bool ss_bpf_source_sees_senders(const struct ss_bpf_source *source);
/* Do they see who waits, and has the kernel a tracepoint for who reads (bpf/owner_trace.h)? */
bool ss_bpf_source_tells_reads(const struct ss_bpf_source *source);

uint32_t ss_bpf_source_ring_size(const struct ss_bpf_source *source);

#endif
