/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections, as their library's objects name them, and calls into the library that go on: which
 * connection does this thread work for? Gives each connection its place in both streams, and the
 * socket that its calls were seen to use.
 */
#ifndef SS_BPF_TLS_CONNECTION_H
#define SS_BPF_TLS_CONNECTION_H

#include "bpf/tls_record.h"

#define AF_UNIX     1
#define AF_INET     2
#define AF_INET6    10
#define SOCK_STREAM 1

struct connection_key {
	__u32 pid;
	__u32 zero;
	__u64 connection;
};

struct connection {
	__u64 position[2]; /* of the next byte read, written */
	struct ss_tls_socket socket;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct connection_key);
	__type(value, struct connection);
} connections SEC(".maps");

struct call {
	__u64 cgroup_id;
	__u64 time_ns; /* of its entry */
	__u64 connection;
	__u64 buffer, length;
	__u64 count;     /* pointer to where the number of bytes is put; 0: it is returned */
	__u64 stack;     /* stack pointer at entry */
	__u64 stack_top; /* Go: of the goroutine, if the buffer is on its stack */
	__u32 function;  /* enum ss_tls_function */
	__u32 moved;     /* bytes that its thread sent or received on sockets, as the call does */
};

/* Calls into C libraries, by thread. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* bpf_get_current_pid_tgid() */
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline bool is_write(__u32 function)
{
	return function == SS_TLS_SSL_WRITE || function == SS_TLS_SSL_WRITE_EX ||
	       function == SS_TLS_SSL_WRITE_EARLY_DATA || function == SS_TLS_GNUTLS_SEND;
}

static __always_inline struct connection_key connection_key(__u64 connection)
{
	return (struct connection_key){
		.pid = bpf_get_current_pid_tgid() >> 32,
		.connection = connection,
	};
}

static __always_inline struct connection *get_connection(__u64 connection)
{
	struct connection_key key = connection_key(connection);
	struct connection *found = bpf_map_lookup_elem(&connections, &key);
	struct connection new = {};

	if (found)
		return found;
	bpf_map_update_elem(&connections, &key, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&connections, &key);
}

static __always_inline void map_ipv4(__u8 destination[16], __u32 address)
{
	__u32 words[4] = {0, 0, bpf_htonl(0xffff), address};

	__builtin_memcpy(destination, words, sizeof(words));
}

/* What a socket is called. Leaves it alone if it is none that TLS would run over. */
static __noinline int describe_socket(struct ss_tls_socket *destination, struct sock *sock)
{
	struct sock_common *common = &sock->__sk_common;
	struct ss_tls_socket new = {.state = SS_TLS_SOCKET_INET};
	__u16 family = BPF_CORE_READ(common, skc_family);

	if (!destination || BPF_CORE_READ(sock, sk_type) != SOCK_STREAM)
		return 0;
	if (family == AF_INET) {
		map_ipv4(new.local, BPF_CORE_READ(common, skc_rcv_saddr));
		map_ipv4(new.remote, BPF_CORE_READ(common, skc_daddr));
	} else if (family == AF_INET6 && bpf_core_field_exists(common->skc_v6_daddr)) {
		bpf_core_read(new.local, 16, &common->skc_v6_rcv_saddr);
		bpf_core_read(new.remote, 16, &common->skc_v6_daddr);
	} else if (family == AF_UNIX && destination->state == SS_TLS_SOCKET_UNKNOWN) {
		destination->state = SS_TLS_SOCKET_NONE;
		return 0;
	} else {
		return 0;
	}
	new.local_port = BPF_CORE_READ(common, skc_num);
	new.remote_port = bpf_ntohs(BPF_CORE_READ(common, skc_dport));
	new.netns = BPF_CORE_READ(common, skc_net.net, ns.inum);
	*destination = new;
	return 0;
}

#endif
