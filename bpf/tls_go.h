/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Go's crypto/tls. Probes sit at entries and at return instructions, never on return addresses: the
 * runtime moves stacks and would stumble over a changed one. So calls belong to goroutines, which
 * change threads, and what is on a stack may be elsewhere when the call returns.
 */
#ifndef SS_BPF_TLS_GO_H
#define SS_BPF_TLS_GO_H

#include "bpf/tls_go_call.h"
#include "bpf/tls_secret.h"
#include "bpf/tls_ssl.h"

#ifdef __TARGET_ARCH_x86
/* Integer registers of the register ABI, in order: go.dev/s/regabi */
#define GO_REGISTER(ctx, n)                                                                        \
	((n) == 0   ? (ctx)->rax                                                                   \
	 : (n) == 1 ? (ctx)->rbx                                                                   \
	 : (n) == 2 ? (ctx)->rcx                                                                   \
	 : (n) == 3 ? (ctx)->rdi                                                                   \
	 : (n) == 4 ? (ctx)->rsi                                                                   \
	 : (n) == 5 ? (ctx)->r8                                                                    \
	 : (n) == 6 ? (ctx)->r9                                                                    \
	 : (n) == 7 ? (ctx)->r10                                                                   \
		    : (ctx)->r11)
#define GO_REGISTER_G(ctx) ((ctx)->r14)
#else
#define GO_REGISTER(ctx, n) (((const struct user_pt_regs *)(ctx))->regs[n])
#define GO_REGISTER_G(ctx)  (((const struct user_pt_regs *)(ctx))->regs[28])
#endif

/* Word n of arguments (the receiver is 0) or of results; n is a constant. On the stack, results
 * come behind the arguments; the first word belongs to the return address or the link register. */
static __always_inline __u64 go_word(struct pt_regs *ctx, __u64 cookie, int n)
{
	__u64 word = GO_REGISTER(ctx, n);

	asm volatile("" : "+r"(word)); /* read here: see count_pointer() */
	if (SS_TLS_COOKIE_FLAGS(cookie) & SS_TLS_POINT_GO_STACK) {
		word = 0;
		bpf_probe_read_user(&word, sizeof(word), (void *)(PT_REGS_SP(ctx) + 8 + 8 * n));
	}
	return word;
}

static __always_inline __u64 go_goroutine(struct pt_regs *ctx, __u64 cookie)
{
#ifdef __TARGET_ARCH_x86
	if (SS_TLS_COOKIE_FLAGS(cookie) & SS_TLS_POINT_GO_STACK)
		return go_goroutine_of_thread();
#endif
	(void)cookie;
	return GO_REGISTER_G(ctx);
}

/* func (c *Config) writeKeyLog(label string, clientRandom, secret []byte) error */
SEC("uprobe")
int go_keylog_enter(struct pt_regs *ctx)
{
	__u64 cgroup_id = selected_pod(), cookie = bpf_get_attach_cookie(ctx);
	struct ss_tls_labelled *labelled;

	if (!cgroup_id)
		return 0;
	labelled = reserve_labelled(cgroup_id, cookie);
	if (!labelled)
		return 0;
	COPY(labelled, label, go_word(ctx, cookie, 1), go_word(ctx, cookie, 2));
	COPY(labelled, random, go_word(ctx, cookie, 3), go_word(ctx, cookie, 4));
	COPY(labelled, secret, go_word(ctx, cookie, 6), go_word(ctx, cookie, 7));
	finish_labelled(labelled, cookie);
	return 0;
}

/* func (c *Conn) Read(b []byte) (int, error), and Write likewise */
SEC("uprobe")
int go_enter(struct pt_regs *ctx)
{
	__u64 cgroup_id = selected_pod(), cookie = bpf_get_attach_cookie(ctx);
	struct go_call_key key = {.pid = bpf_get_current_pid_tgid() >> 32};
	struct go_stack stack;
	struct call call = {
		.cgroup_id = cgroup_id,
		.function = SS_TLS_COOKIE_FUNCTION(cookie),
	};
	struct call *outer;

	if (!cgroup_id)
		return 0;
	key.goroutine = go_goroutine(ctx, cookie);
	if (bpf_probe_read_user(&stack, sizeof(stack), (void *)key.goroutine))
		return 0;
	call.time_ns = bpf_ktime_get_boot_ns();
	call.connection = go_word(ctx, cookie, 0);
	call.buffer = go_word(ctx, cookie, 1);
	call.length = go_word(ctx, cookie, 2);
	call.stack = PT_REGS_SP(ctx) - stack.high;
	if (call.buffer >= stack.low && call.buffer < stack.high)
		call.stack_top = stack.high;
	outer = bpf_map_lookup_elem(&go_calls, &key);
	if (!outer || !is_nested(outer, &call))
		bpf_map_update_elem(&go_calls, &key, &call, BPF_ANY);
	go_note_process(key.pid);
	return 0;
}

SEC("uprobe")
int go_leave(struct pt_regs *ctx)
{
	struct go_call_key key = {.pid = bpf_get_current_pid_tgid() >> 32};
	__u64 cookie = bpf_get_attach_cookie(ctx), count;
	bool write = SS_TLS_COOKIE_FUNCTION(cookie) == SS_TLS_GO_WRITE_RET;
	struct call *found, call;
	struct go_stack stack;

	key.goroutine = go_goroutine(ctx, cookie);
	found = bpf_map_lookup_elem(&go_calls, &key);
	if (!found || found->function != (write ? SS_TLS_GO_WRITE : SS_TLS_GO_READ) ||
	    bpf_probe_read_user(&stack, sizeof(stack), (void *)key.goroutine) ||
	    found->stack != PT_REGS_SP(ctx) - stack.high)
		return 0;
	call = *found;
	bpf_map_delete_elem(&go_calls, &key);
	count = SS_TLS_COOKIE_FLAGS(cookie) & SS_TLS_POINT_GO_STACK ? go_word(ctx, cookie, 4)
								    : go_word(ctx, cookie, 0);
	if (!count || count > call.length)
		return 0;
	if (call.stack_top)
		call.buffer += stack.high - call.stack_top;
	go_find_socket(call.connection);
	copy_plaintext(&call, cookie, write, count);
	return 0;
}

/* func (c *Conn) Close() error */
SEC("uprobe")
int go_close_enter(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	close_connection(go_word(ctx, cookie, 0), cookie, true);
	return 0;
}

#endif
