/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cgroup programs of owner.bpf.c do not see: who reads from a connection after it was
 * inherited or passed on, and the sockets that are older than the capture. Touches sockets of pods
 * only. Needs CAP_BPF and CAP_PERFMON. Senders are not traced: a server reads before it answers,
 * and a program on every send() costs more than it would tell.
 */
#include "bpf/owner_process.h"

#define CGROUP_DEPTH 16

__u64 seed_root; /* id of the cgroup whose sockets seed() is about */

/* Something was read from a TCP connection. */
SEC("tp_btf/tcp_rcv_space_adjust")
int received(__u64 *ctx)
{
	struct ss_owner *owner, now;

	owner = bpf_sk_storage_get(&owners, (struct sock *)ctx[0], NULL, 0);
	if (!owner || is_current(owner))
		return 0;
	describe_current(&now, (struct task_struct *)bpf_get_current_task());
	replace_owner(owner, &now);
	return 0;
}

static __always_inline bool is_below(struct cgroup *cgroup, __u64 root)
{
	for (int i = 0; i < CGROUP_DEPTH && cgroup; i++) {
		if (BPF_CORE_READ(cgroup, kn, id) == root)
			return true;
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return false;
}

/* Every file of every process. A socket that several have is that of the first: they come in the
 * order of their pids, so that it is the parent rather than the child. */
SEC("iter/task_file")
int seed(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[1];
	struct file *file = (struct file *)ctx[3];
	struct ss_owner owner = {};
	struct cgroup *cgroup;
	struct socket *socket;
	unsigned short family;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	family = sk->__sk_common.skc_family;
	if (family != 2 /* AF_INET */ && family != 10 /* AF_INET6 */)
		return 0;
	cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	if (!is_below(cgroup, seed_root) || bpf_sk_storage_get(&owners, sk, NULL, 0))
		return 0;
	describe_task(&owner, (__u32)task->tgid, BPF_CORE_READ(cgroup, kn, id), task);
	owner.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	bpf_sk_storage_get(&owners, sk, &owner, BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
