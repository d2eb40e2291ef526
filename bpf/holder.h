/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sends on a socket that was inherited or passed on: nothing tells the owner programs. But a
 * frame that leaves passes the frame program in the context of the process that sends it, unless
 * the kernel sends it by itself: for a timer, or for a frame that came, while any process runs.
 *
 * So the current process is believed only if it surely is the sender. A TCP socket is locked then
 * ("owned"), and while a process holds it, nobody else sends: what comes meanwhile waits in its
 * backlog. Listeners are no such sockets. Other sockets send when told only, except that IPsec or a
 * queue to user space may delay their packets: a process of the same container is believed, and one
 * that has the socket open.
 *
 * Needs CAP_PERFMON.
 */
#ifndef SS_BPF_HOLDER_H
#define SS_BPF_HOLDER_H

#include "bpf/ring.h"
#include "bpf/task.h"

#define FILES_MAX 32 /* looked at, of a process */

/* Has the task the socket open, as one of its first files? One by one: filters need the stack. */
static __always_inline bool has_open(__u64 task, const struct bpf_sock *sk)
{
	__u64 at, size, file = READ_KERNEL(__u64, address_of(sk), layout.sock_socket);

	file = file ? READ_KERNEL(__u64, file, layout.socket_file) : 0;
	if (!file)
		return false;
	at = READ_KERNEL(__u64, task, layout.task_files);
	at = READ_KERNEL(__u64, at, layout.files_table);
	size = READ_KERNEL(__u32, at, layout.table_size);
	at = READ_KERNEL(__u64, at, layout.table_files);
#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < FILES_MAX && i < size; i++)
		if (READ_KERNEL(__u64, at, i * sizeof(file)) == file)
			return true;
	return false;
}

/* And its container is known. */
static __always_inline bool is_holder(const struct ss_owner *owner, __u64 pid)
{
	return (__u32)READ_U64(&owner->process) == pid && READ_U64(&owner->container);
}

/* Somebody else may be sending; pid: of the current process. */
static __always_inline void look_at_holder(struct bpf_sock *sk, struct ss_owner *owner, __u64 pid)
{
	char *tcp = (char *)bpf_skc_to_tcp_sock(sk);
	__u64 task, cgroup_id, *container;

	if (sk->state == BPF_TCP_LISTEN || (tcp && !READ_KERNEL(__u32, tcp, layout.sock_owned)))
		return;
	task = bpf_get_current_task();
	cgroup_id = task_cgroup(task);
	container = bpf_map_lookup_elem(&containers, &cgroup_id);
	if (!container)
		return;
	if (!tcp && (__u32)owner->process != pid && *container != owner->container &&
	    !has_open(task, sk))
		return;
	give_to_task(owner, task, pid, cgroup_id, *container);
	users_void(sk);
}

/* The socket's owner becomes the process that sends, if it is another one. */
static __always_inline void follow_holder(struct bpf_sock *sk, struct ss_owner *owner)
{
	__u64 pid = current_pid();

	if (!is_holder(owner, pid))
		look_at_holder(sk, owner, pid);
}

#endif
