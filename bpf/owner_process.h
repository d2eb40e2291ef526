/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that own sockets: what is said of them in frames, and to user space. */
#ifndef SS_BPF_OWNER_PROCESS_H
#define SS_BPF_OWNER_PROCESS_H

#include "bpf/kernel.h"
#include "bpf/owners.h"

#define NS_PER_TICK 10000000ull /* of /proc/PID/stat: USER_HZ is 100 on x86-64 and arm64 */

/* cgroup id → the TLV of its container. User space fills it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SS_OWNER_CONTAINERS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} containers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SS_OWNER_RING_SIZE);
} records SEC(".maps");

/* task: NULL where programs may not read it; then it is the current one. */
static __always_inline void tell_process(__u64 process, __u64 cgroup_id, struct task_struct *task)
{
	struct ss_owner_record record = {
		.process = process,
		.cgroup_id = cgroup_id,
		.time_ns = bpf_ktime_get_boot_ns(),
	};
	struct ss_owner_told *known = bpf_map_lookup_elem(&told, &process), now = {};

	if (task) {
		BPF_CORE_READ_STR_INTO(&record.comm, task, group_leader, comm);
		__builtin_memcpy(now.comm, record.comm, sizeof(now.comm));
		now.state = *(__u64 *)&now.comm[0] ^ *(__u64 *)&now.comm[8] << 1;
	} else {
		now.state = record.time_ns >> 30;
	}
	if (known && known->state == now.state)
		return;
	/* Told again at its next socket, if there is no room. */
	if (bpf_ringbuf_output(&records, &record, sizeof(record), 0) == 0)
		bpf_map_update_elem(&told, &process, &now, BPF_ANY);
}

/* Sets process and container to those of a task; tells it. */
static __always_inline void describe_task(struct ss_owner *owner, __u64 pid, __u64 cgroup_id,
					  struct task_struct *task)
{
	__u64 *container = bpf_map_lookup_elem(&containers, &cgroup_id);

	owner->process = pid;
	if (task)
		owner->process |= (BPF_CORE_READ(task, group_leader, start_boottime) / NS_PER_TICK)
				  << 32;
	owner->container = container ? *container : 0;
	tell_process(owner->process, cgroup_id, task);
}

static __always_inline void describe_current(struct ss_owner *owner, struct task_struct *task)
{
	describe_task(owner, bpf_get_current_pid_tgid() >> 32, bpf_get_current_cgroup_id(), task);
}

static __always_inline bool is_current(const struct ss_owner *owner)
{
	return (__u32)owner->process == (__u32)(bpf_get_current_pid_tgid() >> 32) &&
	       owner->container;
}

/* Look-ups in the socket's namespace may have another result from now on. */
static __always_inline void start_generation(const struct ss_owner *owner)
{
	__u64 *generation = generation_of(owner->netns);

	if (generation)
		__sync_fetch_and_add(generation, 1);
}

/* Word by word: readers on other CPUs see the old process or the new one. */
static __always_inline void replace_owner(struct ss_owner *owner, const struct ss_owner *now)
{
	*(volatile __u64 *)&owner->process = now->process;
	*(volatile __u64 *)&owner->container = now->container;
	start_generation(owner);
}

#endif
