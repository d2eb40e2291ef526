/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sends on a socket that was inherited or passed on: nothing tells the owner programs. But a
 * frame that leaves passes the frame program in the context of the process that sends it, unless
 * the kernel sends it by itself: for a timer, or for a frame that came, while any process runs.
 *
 * So the current process is believed only if it surely is the sender. A TCP socket is locked then
 * ("owned"), and while a process holds it, nobody else sends: what comes meanwhile waits in its
 * backlog. Listeners are no such sockets. Other sockets send when told only, except that IPsec or a
 * queue to user space may delay their packets: a process of the same container is believed.
 *
 * Needs CAP_PERFMON.
 */
#ifndef SS_BPF_HOLDER_H
#define SS_BPF_HOLDER_H

#include "bpf/processes.h"
#include "bpf/ring.h"
#include "bpf/users.h"

const volatile struct ss_kernel_layout layout = {};

#define READ_KERNEL(type, base, offset)                                                            \
	({                                                                                         \
		type read_ = 0;                                                                    \
		bpf_probe_read_kernel(&read_, sizeof(read_), (char *)(base) + (offset));           \
		read_;                                                                             \
	})

static __always_inline __u64 current_pid(void)
{
	if (layout.can_ask_pid)
		return bpf_get_current_pid_tgid() >> 32;
	return (__u64)READ_KERNEL(__u32, bpf_get_current_task(), layout.task_tgid);
}

static __always_inline __u64 current_cgroup(__u64 task)
{
	__u64 address = READ_KERNEL(__u64, task, layout.task_cgroups);

	address = READ_KERNEL(__u64, address, layout.cgroups_default);
	address = READ_KERNEL(__u64, address, layout.cgroup_node);
	return READ_KERNEL(__u64, address, layout.node_id);
}

/* Somebody else may be sending. */
static __always_inline void look_at_holder(struct bpf_sock *sk, struct ss_owner *owner)
{
	char *tcp = (char *)bpf_skc_to_tcp_sock(sk);
	struct ss_owner_record record = {};
	__u64 task, leader, *container;

	if (sk->state == BPF_TCP_LISTEN || (tcp && !READ_KERNEL(__u32, tcp, layout.sock_owned)))
		return;
	task = bpf_get_current_task();
	record.cgroup_id = current_cgroup(task);
	container = bpf_map_lookup_elem(&containers, &record.cgroup_id);
	if (!container || (!tcp && *container != owner->container))
		return;
	leader = READ_KERNEL(__u64, task, layout.task_leader);
	record.process = current_pid() | READ_KERNEL(__u64, leader, layout.task_start) / NS_PER_TICK
						 << 32;
	record.time_ns = bpf_ktime_get_boot_ns();
	bpf_probe_read_kernel(record.comm, sizeof(record.comm), (char *)leader + layout.task_comm);
	replace_owner(owner, record.process, *container);
	users_void(sk);
	tell(&record, state_of_name(&record));
}

/* The socket's owner becomes the process that sends, if it is another one. */
static __always_inline void follow_holder(struct bpf_sock *sk, struct ss_owner *owner)
{
	__u64 pid = current_pid();

	if (pid != (__u32)owner->process)
		look_at_holder(sk, owner);
}

#endif
