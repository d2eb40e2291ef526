/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cgroup programs of owner.bpf.c do not see, or not as cheaply: who reads from a socket
 * after it was inherited or passed on; and the sockets that are older than the capture. Touches
 * sockets of pods only. Needs CAP_BPF and CAP_PERFMON. Senders are not traced: a program on every
 * send() costs more than the frame programs need to look for themselves (holder.h).
 */
#ifndef SS_BPF_OWNER_TRACE_H
#define SS_BPF_OWNER_TRACE_H

#include "bpf/owner_process.h"
#include "bpf/users.h"

#define CGROUP_DEPTH  16
#define TYPE_DATAGRAM 2 /* SOCK_DGRAM */

__u64 seed_root; /* id of the cgroup whose sockets seed() is about */

/* Is the current process known to be the socket's user? */
static __always_inline bool is_user(const void *socket)
{
	struct users *table = MAP_VALUE(users);
	__u64 pid = table ? user_pid(table, socket) : 0;

	return user_is_known(pid) && pid == bpf_get_current_pid_tgid() >> 32;
}

/* If the current process is the socket's owner, it is known to be its user from now on. */
static __always_inline bool becomes_user(const void *socket, struct ss_owner *owner)
{
	struct users *table = MAP_VALUE(users);
	__u64 begun = table ? users_begin(table, socket) : 0;

	if (!is_current(owner))
		return false;
	if (table)
		users_end(table, socket, begun, bpf_get_current_pid_tgid() >> 32);
	return true;
}

/* The current process reads from a socket, and is not known to be its user. */
static __always_inline void reads(struct sock *sk)
{
	struct ss_owner *owner = bpf_sk_storage_get(&owners, sk, NULL, 0), now;

	if (!owner || becomes_user(sk, owner))
		return;
	describe_current(&now, (struct task_struct *)bpf_get_current_task());
	replace_owner(owner, now.process, now.container);
	users_void(sk);
}

/* Something was read from a TCP connection. */
SEC("tp_btf/tcp_rcv_space_adjust")
int received(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];

	if (!is_user(sk))
		reads(sk);
	return 0;
}

/*
 * Something was read from any socket, or an error. Only datagrams are meant. Programs of cgroups
 * could see these, too, but for them the kernel takes the socket's lock, which costs more than all
 * that is done here.
 */
SEC("tp_btf/sock_recv_length") /* Linux 6.3 */
int received_datagram(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];

	if (sk->sk_type == TYPE_DATAGRAM && (int)ctx[1] >= 0 && !is_user(sk))
		reads(sk);
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

struct seed {
	__u64 start_ns; /* when the process began */
	__u64 process;
};

/* Sockets that seed() named, by address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SS_OWNER_SEEDS_MAX);
	__type(key, __u64);
	__type(value, struct seed);
} seeded SEC(".maps");

/* Of several processes that have a socket, the oldest made it, or is nearest to who did. */
static __always_inline bool is_older(__u64 socket, const struct ss_owner *owner, __u64 start_ns)
{
	struct seed *known = bpf_map_lookup_elem(&seeded, &socket);

	return known && known->process == owner->process && start_ns < known->start_ns;
}

/* Every file of every process. */
SEC("iter/task_file")
int seed(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[1];
	struct file *file = (struct file *)ctx[3];
	struct ss_owner owner = {}, *old;
	struct cgroup *cgroup;
	struct socket *socket;
	unsigned short family;
	struct seed now = {};
	__u64 key;
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
	if (!is_below(cgroup, seed_root))
		return 0;
	key = (__u64)sk;
	now.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	old = bpf_sk_storage_get(&owners, sk, NULL, 0);
	if (old &&
	    !is_older(key, old, now.start_ns)) /* named by who was seen with it, or by seed() */
		return 0;
	describe_task(&owner, (__u32)task->tgid, BPF_CORE_READ(cgroup, kn, id), task);
	owner.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	if (old)
		replace_owner(old, owner.process, owner.container);
	else
		bpf_sk_storage_get(&owners, sk, &owner, BPF_SK_STORAGE_GET_F_CREATE);
	users_void(sk);
	now.process = owner.process;
	bpf_map_update_elem(&seeded, &key, &now, BPF_ANY);
	return 0;
}

#endif
