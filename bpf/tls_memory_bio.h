/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that let OpenSSL write into memory and send it themselves (asyncio, Node, .NET) use no
 * socket inside a call. For connections without a socket the beginning of what the library writes
 * is kept, and looked for at the beginning of what the process sends later.
 */
#ifndef SS_BPF_TLS_MEMORY_BIO_H
#define SS_BPF_TLS_MEMORY_BIO_H

#include "bpf/tls_connection.h"

/* How often one led to a socket: tells user space whether such programs are about. */
__u64 fingerprint_matches = 0;

/* Of the smallest record: 5 bytes of header, 17 of ciphertext or a hello's random. */
#define FINGERPRINT_LENGTH 22

struct fingerprint {
	__u32 pid;
	__u8 bytes[FINGERPRINT_LENGTH + 2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fingerprint);
	__type(value, __u64); /* connection */
} fingerprints SEC(".maps");

/* Processes with such connections: what others send is not looked at. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} memory_users SEC(".maps");

/* Memory that the current system call sends first, 0 if it is another call. */
static __always_inline __u64 sent_memory(void)
{
	struct pt_regs *registers = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 number = 0, pointer = 0;

#ifdef __TARGET_ARCH_x86
	enum { WRITE = 1, WRITEV = 20, SENDTO = 44, SENDMSG = 46 };

	bpf_probe_read_kernel(&number, sizeof(number), &registers->orig_rax);
	bpf_probe_read_kernel(&pointer, sizeof(pointer), &registers->rsi);
#else
	enum { WRITE = 64, WRITEV = 66, SENDTO = 206, SENDMSG = 211 };
	struct user_pt_regs *user = (void *)registers;

	bpf_probe_read_kernel(&number, sizeof(number), &user->regs[8]);
	bpf_probe_read_kernel(&pointer, sizeof(pointer), &user->regs[1]);
#endif
	if (number == WRITE || number == SENDTO)
		return pointer;
	if (number != WRITEV && number != SENDMSG)
		return 0;
	/* struct msghdr has its struct iovec at 16, that begins with the address */
	if (number == SENDMSG &&
	    bpf_probe_read_user(&pointer, sizeof(pointer), (void *)(pointer + 16)))
		return 0;
	if (bpf_probe_read_user(&pointer, sizeof(pointer), (void *)pointer))
		return 0;
	return pointer;
}

/* The current process has sent from outside of any call that we know. */
static __noinline int match_sent(struct sock *sock)
{
	struct fingerprint print = {.pid = bpf_get_current_pid_tgid() >> 32};
	struct connection *connection;
	__u64 *found, pointer;

	if (!bpf_map_lookup_elem(&memory_users, &print.pid))
		return 0;
	pointer = sent_memory();
	if (!pointer || bpf_probe_read_user(print.bytes, FINGERPRINT_LENGTH, (void *)pointer))
		return 0;
	found = bpf_map_lookup_elem(&fingerprints, &print);
	if (!found)
		return 0;
	connection = get_connection(*found);
	if (connection)
		describe_socket(&connection->socket, sock);
	bpf_map_delete_elem(&fingerprints, &print);
	__sync_fetch_and_add(&fingerprint_matches, 1);
	return 0;
}

/* int BIO_write(BIO *b, const void *data, int length); BIO_write_ex() likewise */
SEC("uprobe")
int bio_write_enter(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct fingerprint print = {.pid = id >> 32};
	struct call *call = bpf_map_lookup_elem(&calls, &id);
	struct connection *connection;
	__u8 value = 1;

	if (!call || (long)PT_REGS_PARM3(ctx) < FINGERPRINT_LENGTH)
		return 0;
	connection = get_connection(call->connection);
	if (!connection || connection->socket.state != SS_TLS_SOCKET_UNKNOWN ||
	    bpf_probe_read_user(print.bytes, FINGERPRINT_LENGTH, (void *)PT_REGS_PARM2(ctx)))
		return 0;
	bpf_map_update_elem(&fingerprints, &print, &call->connection, BPF_ANY);
	bpf_map_update_elem(&memory_users, &print.pid, &value, BPF_ANY);
	return 0;
}

#endif
