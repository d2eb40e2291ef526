/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes of the libraries with a C interface: SSL_* and gnutls_record_*. The outermost
 * call on a thread counts: what is nested in it is TLS that its connection runs over, or the same
 * bytes seen again. Except for other bytes of the same connection: Node writes in a callback that
 * the library makes when a read has completed the handshake.
 *
 * Buffers are copied when the call returns, written ones too: by then their pages are present, and
 * how much was taken is known.
 */
#ifndef SS_BPF_TLS_SSL_H
#define SS_BPF_TLS_SSL_H

#include "bpf/tls_data.h"

/* Calls nested in another for the same connection, by thread. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* bpf_get_current_pid_tgid() */
	__type(value, struct call);
} inner_calls SEC(".maps");

/* A call that went on for longer is taken for one that was left by longjmp() or a signal. */
#define NESTED_MAX_NS (30 * 1000000000ull)

#ifdef __TARGET_ARCH_x86
#define RETURN_ADDRESS_SIZE 8 /* popped by the return */
#else
#define RETURN_ADDRESS_SIZE 0
#endif

/* Stacks grow down: a call that is not deeper than one we know of is not nested in it. */
static __always_inline bool is_nested(const struct call *outer, const struct call *call)
{
	return call->stack < outer->stack && call->time_ns - outer->time_ns < NESTED_MAX_NS;
}

static __always_inline __u64 count_pointer(struct pt_regs *ctx, __u32 function, __u32 flags)
{
	__u64 fourth = PT_REGS_PARM4(ctx), fifth = PT_REGS_PARM5(ctx);

	/* Both are read: the verifier refuses a computed offset into the registers. */
	asm volatile("" : "+r"(fourth), "+r"(fifth));
	switch (function) {
	case SS_TLS_SSL_READ_EX:
	case SS_TLS_SSL_WRITE_EX:
	case SS_TLS_SSL_READ_EARLY_DATA:
	case SS_TLS_SSL_WRITE_EARLY_DATA:
		return flags & SS_TLS_POINT_WRITE_EX2 ? fifth : fourth;
	}
	return 0;
}

static __always_inline __u64 length_argument(struct pt_regs *ctx, __u32 function)
{
	long length = (long)PT_REGS_PARM3(ctx);

	if (function == SS_TLS_SSL_READ || function == SS_TLS_SSL_WRITE)
		length = (int)length;
	return length > 0 ? (__u64)length : 0;
}

SEC("uprobe")
int call_enter(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), cookie = bpf_get_attach_cookie(ctx);
	struct call call = {
		.cgroup_id = selected_pod(),
		.function = SS_TLS_COOKIE_FUNCTION(cookie),
		.stack = PT_REGS_SP(ctx),
		.connection = PT_REGS_PARM1(ctx),
	};
	struct call *outer;

	if (!call.cgroup_id)
		return 0;
	call.time_ns = bpf_ktime_get_boot_ns();
	if (call.function != SS_TLS_SSL_HANDSHAKE) {
		call.buffer = PT_REGS_PARM2(ctx);
		call.length = length_argument(ctx, call.function);
		call.count = count_pointer(ctx, call.function, SS_TLS_COOKIE_FLAGS(cookie));
	}
	outer = bpf_map_lookup_elem(&calls, &id);
	if (!outer || !is_nested(outer, &call))
		bpf_map_update_elem(&calls, &id, &call, BPF_ANY);
	else if (outer->connection == call.connection && outer->buffer != call.buffer)
		bpf_map_update_elem(&inner_calls, &id, &call, BPF_ANY);
	return 0;
}

/* Bytes that the call moved. */
static __always_inline __u64 moved(const struct call *call, __u64 returned)
{
	__u64 count = 0;

	if (call->function == SS_TLS_SSL_HANDSHAKE)
		return 0;
	if (call->count) {
		if ((int)returned == 1)
			bpf_probe_read_user(&count, sizeof(count), (void *)call->count);
	} else if (call->function == SS_TLS_SSL_READ || call->function == SS_TLS_SSL_WRITE) {
		count = (int)returned > 0 ? (__u32)returned : 0;
	} else {
		count = (long)returned > 0 ? returned : 0;
	}
	/* gnutls_record_send(session, NULL, 0) goes on with what an earlier call began. */
	return !call->buffer || count < call->length ? count : call->length;
}

/* Is it this one that returns now? Then it is taken from the map. */
static __always_inline bool take_call(void *map, __u64 id, struct pt_regs *ctx, __u64 cookie,
				      struct call *ret_call)
{
	struct call *found = bpf_map_lookup_elem(map, &id);

	if (!found || found->function != SS_TLS_COOKIE_FUNCTION(cookie) ||
	    found->stack + RETURN_ADDRESS_SIZE != (__u64)PT_REGS_SP(ctx))
		return false;
	*ret_call = *found;
	bpf_map_delete_elem(map, &id);
	return true;
}

SEC("uretprobe")
int call_leave(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), cookie = bpf_get_attach_cookie(ctx), count;
	struct call call;

	if (!take_call(&calls, id, ctx, cookie, &call) &&
	    !take_call(&inner_calls, id, ctx, cookie, &call))
		return 0;
	count = moved(&call, PT_REGS_RC(ctx));
	if (count)
		copy_plaintext(&call, cookie, is_write(call.function), count);
	return 0;
}

static __always_inline void close_connection(__u64 connection, __u64 cookie, bool freed)
{
	struct connection_key key = connection_key(connection);
	__u64 cgroup_id = selected_pod();
	struct ss_tls_close *close;

	if (!cgroup_id || !bpf_map_lookup_elem(&connections, &key))
		return;
	close = RESERVE(sizeof(*close));
	if (close) {
		__builtin_memset(close, 0, sizeof(*close));
		fill_head(&close->head, SS_TLS_RECORD_CLOSE, sizeof(*close), cgroup_id, cookie);
		close->connection = connection;
		close->freed = freed;
		submit(close);
	}
	if (freed)
		bpf_map_delete_elem(&connections, &key);
}

/* SSL_free(), SSL_clear(), SSL_shutdown(), gnutls_deinit() */
SEC("uprobe")
int close_enter(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	close_connection(PT_REGS_PARM1(ctx), cookie,
			 SS_TLS_COOKIE_FUNCTION(cookie) != SS_TLS_SSL_SHUTDOWN);
	return 0;
}

#endif
