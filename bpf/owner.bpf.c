/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who owns the sockets of pods: the process that made the socket, then whoever connects with it,
 * accepts it, or sends and receives datagrams with it. Programs on the pods' cgroups see that in
 * the context of the process; they let everything pass. Each process is told to user space before
 * its first frame.
 *
 * Needs CAP_BPF and CAP_NET_ADMIN, and CAP_PERFMON to read when the process began:
 * owner_blind.bpf.c is the same without, where two processes that have one pid after the other
 * can't be told apart. Two objects, because without CAP_PERFMON the verifier follows branches that
 * are never taken.
 */
#include "bpf/owner_process.h"

#ifdef SS_OWNER_BLIND
#define CURRENT_TASK()              NULL
#define IS_USER(socket)             false
#define BECOMES_USER(socket, owner) is_current(owner)
#define USER_CHANGED(socket)
#else
#include "bpf/owner_trace.h"

#define CURRENT_TASK()              ((struct task_struct *)bpf_get_current_task())
#define IS_USER(socket)             is_user(socket)
#define BECOMES_USER(socket, owner) becomes_user(socket, owner)
#define USER_CHANGED(socket)        users_void(socket)
#endif

/* A process makes a socket, or connects or accepts it: seldom, so it is looked at closely. */
#define OWN(ctx, socket)                                                                           \
	({                                                                                         \
		struct ss_owner *owner_, now_;                                                     \
		owner_ = bpf_sk_storage_get(&owners, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);   \
		if (owner_) {                                                                      \
			describe_current(&now_, CURRENT_TASK());                                   \
			owner_->netns = bpf_get_netns_cookie(ctx);                                 \
			replace_owner(owner_, now_.process, now_.container);                       \
			USER_CHANGED(socket);                                                      \
		}                                                                                  \
	})

SEC("cgroup/sock_create")
int socket_created(struct bpf_sock *sk)
{
	OWN(sk, sk);
	return 1;
}

#define CONNECTION(name, section)                                                                  \
	SEC(section)                                                                               \
	int name(struct bpf_sock_addr *ctx)                                                        \
	{                                                                                          \
		if (ctx->sk)                                                                       \
			OWN(ctx, ctx->sk);                                                         \
		return 1;                                                                          \
	}

CONNECTION(connected4, "cgroup/connect4")
CONNECTION(connected6, "cgroup/connect6")
/* accept(), too, asks for the address of the other end; and so does who got the socket passed. */
CONNECTION(accepted4, "cgroup/getpeername4")
CONNECTION(accepted6, "cgroup/getpeername6")

/* For every datagram: another process is rare. That there is a program makes the kernel take the
 * socket's lock, which costs more than the program: attached where nobody else sees this. */
#define DATAGRAM(name, section)                                                                    \
	SEC(section)                                                                               \
	int name(struct bpf_sock_addr *ctx)                                                        \
	{                                                                                          \
		struct bpf_sock *sk = ctx->sk;                                                     \
		struct ss_owner *owner;                                                            \
                                                                                                   \
		if (!sk || IS_USER(sk))                                                            \
			return 1;                                                                  \
		owner = bpf_sk_storage_get(&owners, sk, NULL, 0);                                  \
		if (!owner || !BECOMES_USER(sk, owner))                                            \
			OWN(ctx, sk);                                                              \
		return 1;                                                                          \
	}

DATAGRAM(sent4, "cgroup/sendmsg4")
DATAGRAM(sent6, "cgroup/sendmsg6")
DATAGRAM(received4, "cgroup/recvmsg4")
DATAGRAM(received6, "cgroup/recvmsg6")

/* An address gets or loses its socket. */
#define ADDRESS(name, section)                                                                     \
	SEC(section)                                                                               \
	int name(struct bpf_sock *sk)                                                              \
	{                                                                                          \
		struct ss_owner *owner = bpf_sk_storage_get(&owners, sk, NULL, 0);                 \
                                                                                                   \
		if (owner) {                                                                       \
			start_generation(owner);                                                   \
			USER_CHANGED(sk);                                                          \
		}                                                                                  \
		return 1;                                                                          \
	}

ADDRESS(bound4, "cgroup/post_bind4")
ADDRESS(bound6, "cgroup/post_bind6")
ADDRESS(released, "cgroup/sock_release")

/* One by one: clang would read two at once, which the verifier refuses for a context. */
#define WORD(field)          (*(volatile __u32 *)&ctx->field)
#define WORDS(first, second) ((__u64)(first) | (__u64)(second) << 32)

static __always_inline void make_flow(struct bpf_sock_ops *ctx, struct ss_flow *flow)
{
	if (ctx->family == 2 /* AF_INET */) {
		flow->remote[1] = WORDS(__builtin_bswap32(0xffff), WORD(remote_ip4));
		flow->local[1] = WORDS(__builtin_bswap32(0xffff), WORD(local_ip4));
		/* Or clang reads both families' last words by one address, which the verifier
		 * refuses for a context. */
		asm volatile("" : : "i"(4) : "memory");
	} else {
		flow->remote[0] = WORDS(WORD(remote_ip6[0]), WORD(remote_ip6[1]));
		flow->remote[1] = WORDS(WORD(remote_ip6[2]), WORD(remote_ip6[3]));
		flow->local[0] = WORDS(WORD(local_ip6[0]), WORD(local_ip6[1]));
		flow->local[1] = WORDS(WORD(local_ip6[2]), WORD(local_ip6[3]));
		asm volatile("" : : "i"(6) : "memory");
	}
	/* remote_port has its two bytes at the end, local_port is a number. */
	flow->ports = ctx->remote_port >> 16 | (__u32)__builtin_bswap16((__u16)ctx->local_port)
						       << 16;
}

/* The socket goes; what may be left of the connection waits for late packets. */
static __always_inline void remember_closed(struct bpf_sock_ops *ctx, const struct ss_owner *owner)
{
	struct ss_flow flow = {};

	make_flow(ctx, &flow);
	flow.netns = owner->netns;
	bpf_map_update_elem(&closed, &flow, owner, BPF_ANY);
}

/* Into time-wait, rather than being reset. */
static __always_inline bool waits(struct bpf_sock_ops *ctx)
{
	return ctx->args[0] == BPF_TCP_FIN_WAIT1 || ctx->args[0] == BPF_TCP_FIN_WAIT2 ||
	       ctx->args[0] == BPF_TCP_CLOSING;
}

static __always_inline void connection_closed(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct ss_owner *owner = sk ? bpf_sk_storage_get(&owners, sk, NULL, 0) : NULL;

	if (!owner)
		return;
	if (waits(ctx))
		remember_closed(ctx, owner);
	start_generation(owner);
}

SEC("sockops")
int connection_changed(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB: /* early: it may end before it is established */
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(ctx,
					  ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			connection_closed(ctx);
		break;
	}
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
