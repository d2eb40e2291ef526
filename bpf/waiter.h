/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who will receive a datagram: the process that waits at its socket. A socket that was inherited or
 * passed on has several that may, and what each of them receives is seen only afterwards.
 *
 * The kernel wakes who is in the socket's wait queue. An entry's `private` is, of a blocked reader,
 * its task; of poll() and select(), a struct poll_wqueues; of epoll, nothing: then the entry is a
 * part of what leads to the struct eventpoll, where those in epoll_wait() wait. Entries of poll and
 * epoll have the queue's address beside them, and what is said to be a task must look like one,
 * because other entries are of kinds that we do not know.
 *
 * Nothing is locked: what is read may be gone, which reads are safe against, and what is found is
 * believed only if it is a process of a container that we know. Needs CAP_PERFMON.
 */
#ifndef SS_BPF_WAITER_H
#define SS_BPF_WAITER_H

#include "bpf/ring.h"
#include "bpf/task.h"

#define WAITERS_MAX 4 /* entries looked at */

/* The address, if there is a task; else 0. Without branches: verifiers would follow each of them to
 * the end. */
static __always_inline __u64 as_task(__u64 address)
{
	__u64 leader = READ_KERNEL(__u64, address, layout.task_leader);
	__u64 pid = task_pid(address);
	__u64 differs = (READ_KERNEL(__u64, leader, layout.task_leader) ^ leader) |
			(task_pid(leader) ^ pid);

	return address & -(NONZERO(leader) & NONZERO(pid) & ~NONZERO(differs));
}

/* `private` of the first one in epoll_wait(), where the entry's event leads to; else 0. */
static __always_inline __u64 epoll_private(__u64 entry, __u64 queue)
{
	__u64 at = entry - layout.epoll_wait, list, first;

	if (READ_KERNEL(__u64, at, layout.epoll_queue) != queue)
		return 0;
	at = READ_KERNEL(__u64, at, layout.epoll_item);
	list = READ_KERNEL(__u64, at, layout.item_epoll) + layout.epoll_waiting;
	first = READ_KERNEL(__u64, list, 0);
	if (first == list)
		return 0;
	return READ_KERNEL(__u64, first - layout.wait_entry, layout.wait_private);
}

static __always_inline bool is_of_poll(__u64 entry, __u64 queue)
{
	return READ_KERNEL(__u64, entry - layout.poll_wait, layout.poll_queue) == queue;
}

/* The task that waits for what the socket receives, 0: none is known. A blocked reader before one
 * that polls: it has the datagram as soon as it runs. */
static __always_inline __u64 waiting_task(__u64 socket)
{
	__u64 queue = READ_KERNEL(__u64, socket, layout.sock_queue);
	__u64 at, entry, waits, task, blocks, polls = 0;

	at = queue ? READ_KERNEL(__u64, queue, layout.queue_list) : 0;
#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < WAITERS_MAX && at && at != queue + layout.queue_list; i++) {
		entry = at - layout.wait_entry;
		waits = READ_KERNEL(__u64, entry, layout.wait_private);
		blocks = 0;
		if (!waits)
			task = epoll_private(entry, queue);
		else if (is_of_poll(entry, queue))
			task = READ_KERNEL(__u64, waits, layout.polling_task);
		else
			blocks = task = waits;
		UNKNOWN(task, at);
		UNKNOWN(blocks, at);
		UNKNOWN(polls, at);
		task = as_task(task);
		if (task && blocks)
			return task;
		polls = SELECT(NONZERO(polls), polls, task);
		at = READ_KERNEL(__u64, at, 0);
	}
	return polls;
}

/* Do processes take turns to wait? Then what is found is not to be remembered. Once is no turn: the
 * socket was handed over. */
static __always_inline bool is_shared(const struct ss_owner *owner)
{
	return READ_U64(&owner->waiters) > 1;
}

/* The owner of the socket at that address becomes the process that waits for a datagram. False: it
 * is that, or none is known. */
static __always_inline bool follow_waiter(__u64 socket, struct ss_owner *owner)
{
	__u64 task = waiting_task(socket), pid, cgroup_id, *container;
	struct users *table = MAP_VALUE(users);

	if (!task)
		return false;
	pid = task_pid(task);
	if (pid == (__u32)owner->process)
		return false;
	cgroup_id = task_cgroup(task);
	container = bpf_map_lookup_elem(&containers, &cgroup_id);
	if (!container)
		return false;
	__sync_fetch_and_add(&owner->waiters, 1);
	give_to_task(owner, task, pid, cgroup_id, *container);
	users_begin_at(table, address_of(table) - socket);
	return true;
}

#endif
