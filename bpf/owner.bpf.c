/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who owns the sockets of pods: the process that made the socket, then whoever connects with it,
 * accepts it, or sends and receives datagrams with it. Programs on the pods' cgroups see that in
 * the context of the process; they let everything pass. Each process is told to user space before
 * its first frame.
 *
 * Needs CAP_BPF and CAP_NET_ADMIN. With CAP_PERFMON it also reads when the process began: without,
 * two processes that have one pid after the other can't be told apart in the frames.
 */
#include "bpf/kernel.h"
#include "bpf/owners.h"

#define NS_PER_TICK 10000000ull /* of /proc/PID/stat: USER_HZ is 100 on x86-64 and arm64 */

const volatile bool can_read_tasks = true;

/* cgroup id → the TLV of its container. User space fills it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SS_OWNER_CONTAINERS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} containers SEC(".maps");

/* Processes that were told: the value of SS_METADATA_PROCESS → their name, hashed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SS_OWNER_PROCESSES_MAX);
	__type(key, __u64);
	__type(value, __u64);
} told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SS_OWNER_RING_SIZE);
} records SEC(".maps");

static __always_inline __u32 start_of(struct task_struct *task)
{
	return (__u32)(BPF_CORE_READ(task, group_leader, start_boottime) / NS_PER_TICK);
}

static __always_inline void tell(struct ss_owner *owner, __u64 cgroup_id)
{
	struct ss_owner_record record = {
		.pid = (__u32)owner->process,
		.start = (__u32)(owner->process >> 32),
		.cgroup_id = cgroup_id,
		.time_ns = bpf_ktime_get_boot_ns(),
	};
	__u64 *known = bpf_map_lookup_elem(&told, &owner->process), name;

	if (can_read_tasks)
		BPF_CORE_READ_STR_INTO(&record.comm, (struct task_struct *)bpf_get_current_task(),
				       group_leader, comm);
	else
		bpf_get_current_comm(record.comm, sizeof(record.comm));
	__builtin_memcpy(&name, record.comm, sizeof(name));
	name ^= *(__u64 *)&record.comm[8] << 1;
	if (known && *known == name) /* another name: it executes another program since */
		return;
	/* Told again at its next socket, if there is no room. */
	if (bpf_ringbuf_output(&records, &record, sizeof(record), 0) == 0)
		bpf_map_update_elem(&told, &owner->process, &name, BPF_ANY);
}

static __always_inline void describe_current(struct ss_owner *owner)
{
	__u64 cgroup_id = bpf_get_current_cgroup_id(), pid = bpf_get_current_pid_tgid() >> 32;
	__u64 *container = bpf_map_lookup_elem(&containers, &cgroup_id);

	owner->process = pid;
	if (can_read_tasks)
		owner->process |= (__u64)start_of((void *)bpf_get_current_task()) << 32;
	owner->container = container ? *container : 0;
	tell(owner, cgroup_id);
}

/* A process uses a socket. The new owner replaces the old one word by word: readers on other CPUs
 * see either. */
#define OWN(socket)                                                                                \
	({                                                                                         \
		struct ss_owner *owner_, now_;                                                     \
		owner_ = bpf_sk_storage_get(&owners, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);   \
		if (owner_) {                                                                      \
			describe_current(&now_);                                                   \
			*(volatile __u64 *)&owner_->process = now_.process;                        \
			*(volatile __u64 *)&owner_->container = now_.container;                    \
		}                                                                                  \
	})

SEC("cgroup/sock_create")
int socket_created(struct bpf_sock *sk)
{
	OWN(sk);
	return 1;
}

#define USED(name, section)                                                                        \
	SEC(section)                                                                               \
	int name(struct bpf_sock_addr *ctx)                                                        \
	{                                                                                          \
		if (ctx->sk)                                                                       \
			OWN(ctx->sk);                                                              \
		return 1;                                                                          \
	}

USED(connected4, "cgroup/connect4")
USED(connected6, "cgroup/connect6")
USED(sent4, "cgroup/sendmsg4")
USED(sent6, "cgroup/sendmsg6")
USED(received4, "cgroup/recvmsg4")
USED(received6, "cgroup/recvmsg6")
/* accept(), too, asks for the address of the other end; and so does who got the socket passed. */
USED(accepted4, "cgroup/getpeername4")
USED(accepted6, "cgroup/getpeername6")

char LICENSE[] SEC("license") = "GPL";
