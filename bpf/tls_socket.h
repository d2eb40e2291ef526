/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which socket is a connection's? The one that a thread uses while it is inside a call for the
 * connection. Every use says it anew, because libraries use an object again for another socket.
 *
 * User space loads one pair: tracepoints (Linux 6.3), fentry, or kprobes.
 */
#ifndef SS_BPF_TLS_SOCKET_H
#define SS_BPF_TLS_SOCKET_H

#include "bpf/tls_go_call.h"
#include "bpf/tls_memory_bio.h"

#define MSG_PEEK 2

/* bytes: that were sent or received; 0: not known. */
static __always_inline int use_socket(struct sock *sock, bool sent, int bytes)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&calls, &id);
	struct connection *connection;

	if (!call)
		call = go_current_call(id >> 32);
	if (!call)
		return sent ? match_sent(sock) : 0;
	if (bytes > 0 && is_write(call->function) == sent)
		call->moved += (__u32)bytes;
	connection = get_connection(call->connection);
	if (connection)
		describe_socket(&connection->socket, sock);
	return 0;
}

SEC("tp_btf/sock_send_length")
int socket_sent(__u64 *ctx)
{
	return use_socket((struct sock *)ctx[0], true, (int)ctx[1]);
}

SEC("tp_btf/sock_recv_length")
int socket_received(__u64 *ctx)
{
	int flags = (int)ctx[2];

	return use_socket((struct sock *)ctx[0], false, flags & MSG_PEEK ? 0 : (int)ctx[1]);
}

SEC("fentry/tcp_sendmsg")
int fentry_send(__u64 *ctx)
{
	return use_socket((struct sock *)ctx[0], true, (int)ctx[2]);
}

SEC("fentry/tcp_recvmsg")
int fentry_receive(__u64 *ctx)
{
	return use_socket((struct sock *)ctx[0], false, 0);
}

SEC("kprobe/tcp_sendmsg")
int kprobe_send(struct pt_regs *ctx)
{
	return use_socket((struct sock *)PT_REGS_PARM1(ctx), true, (int)PT_REGS_PARM3(ctx));
}

SEC("kprobe/tcp_recvmsg")
int kprobe_receive(struct pt_regs *ctx)
{
	return use_socket((struct sock *)PT_REGS_PARM1(ctx), false, 0);
}

#endif
