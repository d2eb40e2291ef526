/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls into Go's crypto/tls that go on, by goroutine, and the sockets of its connections. */
#ifndef SS_BPF_TLS_GO_CALL_H
#define SS_BPF_TLS_GO_CALL_H

#include "bpf/tls_connection.h"

#define S_IFMT   0170000
#define S_IFSOCK 0140000

struct go_call_key {
	__u32 pid;
	__u32 zero;
	__u64 goroutine; /* address of its g */
};

/* Begins a g. */
struct go_stack {
	__u64 low, high;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct go_call_key);
	__type(value, struct call);
} go_calls SEC(".maps");

/* Processes that have made such calls: for others nobody looks for goroutines. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} go_processes SEC(".maps");

static __always_inline void go_note_process(__u32 pid)
{
	__u8 value = 1;

	if (!bpf_map_lookup_elem(&go_processes, &pid))
		bpf_map_update_elem(&go_processes, &pid, &value, BPF_ANY);
}

/* The current thread's g, also while it is in the kernel. */
static __always_inline __u64 go_goroutine_of_thread(void)
{
#ifdef __TARGET_ARCH_x86
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 base = BPF_CORE_READ(task, thread.fsbase), goroutine = 0;

	bpf_probe_read_user(&goroutine, sizeof(goroutine), (void *)(base - 8));
	return goroutine;
#else
	struct user_pt_regs *registers = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 goroutine = 0;

	bpf_probe_read_kernel(&goroutine, sizeof(goroutine), &registers->regs[28]);
	return goroutine;
#endif
}

static __always_inline struct call *go_current_call(__u32 pid)
{
	struct go_call_key key = {.pid = pid};

	if (!bpf_map_lookup_elem(&go_processes, &pid))
		return NULL;
	key.goroutine = go_goroutine_of_thread();
	return bpf_map_lookup_elem(&go_calls, &key);
}

static __always_inline struct sock *socket_of_descriptor(__u64 descriptor)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = NULL;
	struct socket *socket;

	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + descriptor);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/*
 * For a connection whose socket nobody used since we look: tls.Conn begins with the net.Conn (type,
 * data); that of *net.TCPConn is the address of its netFD, where Sysfd follows a lock of 16 bytes.
 * Other kinds of net.Conn lead to something that is no socket, and wait for their next use.
 */
static __noinline int go_find_socket(__u64 connection)
{
	struct connection *found = get_connection(connection);
	__u64 pointer = 0, descriptor = 0;
	struct sock *sock;

	if (!found || found->socket.state != SS_TLS_SOCKET_UNKNOWN)
		return 0;
	if (bpf_probe_read_user(&pointer, sizeof(pointer), (void *)(connection + 8)) ||
	    bpf_probe_read_user(&pointer, sizeof(pointer), (void *)pointer) ||
	    bpf_probe_read_user(&descriptor, sizeof(descriptor), (void *)(pointer + 16)))
		return 0;
	sock = socket_of_descriptor(descriptor);
	if (sock)
		describe_socket(&found->socket, sock);
	return 0;
}

#endif
