/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key derivations of TLS libraries, seen at their functions: no offset into their structures.
 * Arguments are remembered at entry, everything is read at return. What they have in common; the
 * functions are in a header per library.
 */
#ifndef SS_BPF_TLS_KDF_H
#define SS_BPF_TLS_KDF_H

#include "bpf/tls_record.h"

#ifdef __TARGET_ARCH_x86
#define SIXTH_ARGUMENT(ctx) ((ctx)->r9)
/* Further ones are above the return address. */
#define STACK_ARGUMENT(ctx, n) (PT_REGS_SP(ctx) + 8 + 8 * (n))
#else
#define SIXTH_ARGUMENT(ctx) (((const struct user_pt_regs *)(ctx))->regs[5])
#endif

/* Six characters, as eight bytes in a little-endian word. */
#define NAME(a, b, c, d, e, f)                                                                     \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |   \
	 (__u64)(f) << 40)

/* EVP_KDF_HKDF_MODE_*, openssl/kdf.h; also those of EVP_PKEY_CTX_hkdf_mode() in 1.1.1 */
enum { HKDF_EXTRACT_ONLY = 1, HKDF_EXPAND_ONLY = 2 };

struct kdf_call {
	__u64 cgroup_id;
	__u64 out, out_length, params;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* bpf_get_current_pid_tgid() */
	__type(value, struct kdf_call);
} kdf_calls SEC(".maps");

#define SEED_MAX 64 /* bytes of one seed */

static __always_inline void append_seed(struct ss_tls_kdf *kdf, __u64 pointer, __u64 length)
{
	__u64 at = kdf->context_length;

	asm volatile("" : "+r"(at));
	if (at > sizeof(kdf->context) - SEED_MAX)
		return;
	kdf->context_length = (__u8)at + copy_bytes(kdf->context + at, SEED_MAX, pointer, length);
}

static __always_inline __u8 kind_of_mode(__u64 mode)
{
	return mode == HKDF_EXTRACT_ONLY  ? SS_TLS_KDF_EXTRACT
	       : mode == HKDF_EXPAND_ONLY ? SS_TLS_KDF_EXPAND
					  : 0;
}

/* Half of a handshake's derivations make record keys, which nobody needs who has the secret. */
static __always_inline bool is_record_key(const struct ss_tls_kdf *kdf)
{
	const char *label = (const char *)kdf->label;

	return kdf->kind == SS_TLS_KDF_EXPAND &&
	       ((kdf->label_length == 3 && label[0] == 'k' && label[1] == 'e' && label[2] == 'y') ||
		(kdf->label_length == 2 && label[0] == 'i' && label[1] == 'v'));
}

static __always_inline struct ss_tls_kdf *reserve_kdf(__u64 cgroup_id, __u64 cookie)
{
	struct ss_tls_kdf *kdf = RESERVE(sizeof(*kdf));

	if (!kdf)
		return NULL;
	__builtin_memset(kdf, 0, sizeof(*kdf));
	fill_head(&kdf->head, SS_TLS_RECORD_KDF, sizeof(*kdf), cgroup_id, cookie);
	return kdf;
}

static __always_inline void finish_kdf(struct ss_tls_kdf *kdf, __u64 out, __u64 length)
{
	COPY(kdf, out, out, length);
	if (!kdf->kind || !kdf->out_length || is_record_key(kdf))
		bpf_ringbuf_discard(kdf, BPF_RB_NO_WAKEUP);
	else
		submit(kdf);
}

/* struct HkdfLabel of RFC 8446 7.1: u16 length, the label with its length and "tls13 " before it,
 * the context with its length. */
#define HKDF_PREFIX_AT     3
#define HKDF_PREFIX_LENGTH 6
#define HKDF_PREFIX        NAME('t', 'l', 's', '1', '3', ' ')

static __always_inline bool copy_hkdf_label(struct ss_tls_kdf *kdf, __u64 info)
{
	__u8 label_length = 0, context_length = 0;
	__u64 prefix = 0;

	bpf_probe_read_user(&label_length, 1, (void *)(info + HKDF_PREFIX_AT - 1));
	bpf_probe_read_user(&prefix, HKDF_PREFIX_LENGTH, (void *)(info + HKDF_PREFIX_AT));
	if (prefix != HKDF_PREFIX || label_length < HKDF_PREFIX_LENGTH)
		return false;
	info += HKDF_PREFIX_AT;
	COPY(kdf, label, info + HKDF_PREFIX_LENGTH, label_length - HKDF_PREFIX_LENGTH);
	info += label_length;
	bpf_probe_read_user(&context_length, 1, (void *)info);
	COPY(kdf, context, info + 1, context_length);
	return true;
}

#endif
