/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes as the frame programs find them in the kernel's memory: whose a task is, and that a
 * socket is its process's from now on. Where things are user space says (lib/source/kernel.c).
 * What is not there reads as 0. Needs CAP_PERFMON.
 */
#ifndef SS_BPF_TASK_H
#define SS_BPF_TASK_H

#include "bpf/processes.h"
#include "bpf/users.h"

const volatile struct ss_kernel_layout layout = {};

#define READ_KERNEL(type, base, offset)                                                            \
	({                                                                                         \
		type read_ = 0;                                                                    \
		bpf_probe_read_kernel(&read_, sizeof(read_), (char *)(base) + (offset));           \
		read_;                                                                             \
	})

static __always_inline __u64 task_pid(__u64 task)
{
	return (__u64)READ_KERNEL(__u32, task, layout.task_tgid);
}

static __always_inline __u64 current_pid(void)
{
	if (layout.can_ask_pid)
		return bpf_get_current_pid_tgid() >> 32;
	return task_pid(bpf_get_current_task());
}

/* The id of its cgroup v2. */
static __always_inline __u64 task_cgroup(__u64 task)
{
	__u64 address = READ_KERNEL(__u64, task, layout.task_cgroups);

	address = READ_KERNEL(__u64, address, layout.cgroups_default);
	address = READ_KERNEL(__u64, address, layout.cgroup_node);
	return READ_KERNEL(__u64, address, layout.node_id);
}

/* The address as a number: from the stack, because the verifier lets nobody calculate with it. */
static __always_inline __u64 address_of(const void *pointer)
{
	const void *volatile place = pointer;
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), (const void *)&place);
	return address;
}

/* The socket's owner becomes the process of the task, which is told. The caller voids its user. */
static __always_inline void give_to_task(struct ss_owner *owner, __u64 task, __u64 pid,
					 __u64 cgroup_id, __u64 container)
{
	__u64 leader = READ_KERNEL(__u64, task, layout.task_leader);
	struct ss_owner_record record = {.cgroup_id = cgroup_id};

	record.process = pid | READ_KERNEL(__u64, leader, layout.task_start) / NS_PER_TICK << 32;
	record.time_ns = bpf_ktime_get_boot_ns();
	bpf_probe_read_kernel(record.comm, sizeof(record.comm), (char *)leader + layout.task_comm);
	replace_owner(owner, record.process, container);
	tell(&record, state_of_name(&record));
}

#endif
