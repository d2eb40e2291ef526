/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that own sockets, as the owner programs see them: what is said of them in frames. */
#ifndef SS_BPF_OWNER_PROCESS_H
#define SS_BPF_OWNER_PROCESS_H

#include "bpf/kernel.h"
#include "bpf/processes.h"

/* task: NULL where programs may not read it; then it is the current one. */
static __always_inline void tell_process(__u64 process, __u64 cgroup_id, struct task_struct *task)
{
	struct ss_owner_record record = {
		.process = process,
		.cgroup_id = cgroup_id,
		.time_ns = bpf_ktime_get_boot_ns(),
	};

	if (task)
		BPF_CORE_READ_STR_INTO(&record.comm, task, group_leader, comm);
	tell(&record, task ? state_of_name(&record) : record.time_ns >> 30);
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

/* Another CPU may be writing. */
#define READ_WORD(word) (*(const volatile __u64 *)&(word))

static __always_inline bool is_current(const struct ss_owner *owner)
{
	return (__u32)READ_WORD(owner->process) == (__u32)(bpf_get_current_pid_tgid() >> 32) &&
	       READ_WORD(owner->container);
}

#endif
