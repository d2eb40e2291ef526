/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is heard, and how records reach user space. */
#ifndef SS_BPF_TLS_RECORD_H
#define SS_BPF_TLS_RECORD_H

#include "bpf/kernel.h"
#include "format/tls.h"

#define POD_LEVELS 12 /* of nested cgroups: a node inside a container has its pods at 6 */

const volatile __u32 ring_size = 1 << 20;

/* Ids of the cgroups of selected pods. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SS_TLS_PODS_MAX);
	__type(key, __u64);
	__type(value, __u8);
} pods SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ss_tls_counters);
} counters SEC(".maps");

/* A program can be preempted by another of ours on its CPU, hence atomic. */
#define COUNT(name, value)                                                                         \
	do {                                                                                       \
		__u32 zero_ = 0;                                                                   \
		struct ss_tls_counters *counters_ = bpf_map_lookup_elem(&counters, &zero_);        \
		if (counters_)                                                                     \
			__sync_fetch_and_add(&counters_->name, value);                             \
	} while (0)

/* At most maximum, also for a verifier that lost track of where the value came from. */
static __always_inline __u64 clamp(__u64 value, __u64 maximum)
{
	asm volatile("" : "+r"(value));
	return value > maximum ? maximum : value;
}

/* The selected pod that the current task belongs to, 0: none, look no further. */
static __noinline __u64 selected_pod(void)
{
	for (int level = 1; level <= POD_LEVELS; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (!id)
			return 0;
		if (bpf_map_lookup_elem(&pods, &id))
			return id;
	}
	return 0;
}

/* Memory for a record whose size is known when it is compiled; NULL is counted. */
#define RESERVE(size)                                                                              \
	({                                                                                         \
		void *memory_ = bpf_ringbuf_reserve(&ring, size, 0);                               \
		if (!memory_)                                                                      \
			COUNT(ring_full, 1);                                                       \
		memory_;                                                                           \
	})

static __always_inline void fill_head(struct ss_tls_record *head, __u32 type, __u32 size,
				      __u64 cgroup_id, __u64 cookie)
{
	__u64 id = bpf_get_current_pid_tgid();

	head->type = type;
	head->size = size;
	head->time_ns = bpf_ktime_get_boot_ns();
	head->cgroup_id = cgroup_id;
	head->pid = id >> 32;
	head->tid = (__u32)id;
	head->library = SS_TLS_COOKIE_LIBRARY(cookie);
	head->cpu = bpf_get_smp_processor_id();
	bpf_get_current_comm(head->comm, sizeof(head->comm));
}

/* Hands it over and wakes the reader. */
static __always_inline void submit(void *record)
{
	COUNT(records, 1);
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* The reader comes by every some milliseconds; wake it only before the ring gets full. */
static __always_inline void submit_quietly(void *record)
{
	__u64 flags = BPF_RB_NO_WAKEUP;

	COUNT(records, 1);
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_size / 4)
		flags = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(record, flags);
}

/* Copies at most as much as fits. Returns the length, 0 if it cannot be read. */
static __always_inline __u8 copy_bytes(void *destination, __u64 maximum, __u64 pointer,
				       __u64 length)
{
	length = clamp(length, maximum);
	if (!length)
		return 0;
	if (bpf_probe_read_user(destination, (__u32)length, (void *)pointer)) {
		COUNT(unreadable, 1);
		return 0;
	}
	return (__u8)length;
}

#define COPY(record, field, pointer, length)                                                       \
	((record)->field##_length =                                                                \
		 copy_bytes((record)->field, sizeof((record)->field), pointer, length))

#endif
