/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key derivations of OpenSSL and GnuTLS, seen at the library's exported functions: no offset into
 * its structures. Arguments are remembered at entry, everything is read at return.
 *
 * TLS13-KDF of OpenSSL >= 3.0 does two steps in EXTRACT mode: it derives the salt from the secret
 * it is given as "salt" (label "derived"), then extracts. Such records have that label; those of
 * OpenSSL 1.1.1, which does the steps one by one, have none.
 */
#ifndef SS_BPF_TLS_KDF_H
#define SS_BPF_TLS_KDF_H

#include "bpf/tls_record.h"

/* struct OSSL_PARAM, openssl/core.h */
struct ossl_param {
	__u64 key; /* name */
	__u32 type;
	__u32 padding;
	__u64 data;
	__u64 size;
	__u64 return_size;
};
#define OSSL_PARAM_UTF8_STRING 4
#define OSSL_PARAMS_MAX        16 /* libssl passes up to 8 */

/* Names of parameters, as eight bytes in a little-endian word. */
#define NAME(a, b, c, d, e, f)                                                                     \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |   \
	 (__u64)(f) << 40)
#define NAME_MODE   NAME('m', 'o', 'd', 'e', 0, 0)
#define NAME_KEY    NAME('k', 'e', 'y', 0, 0, 0)
#define NAME_SALT   NAME('s', 'a', 'l', 't', 0, 0)
#define NAME_LABEL  NAME('l', 'a', 'b', 'e', 'l', 0)
#define NAME_DATA   NAME('d', 'a', 't', 'a', 0, 0)
#define NAME_SECRET NAME('s', 'e', 'c', 'r', 'e', 't')
#define NAME_SEED   NAME('s', 'e', 'e', 'd', 0, 0)
#define NAME_IV     NAME('i', 'v', 0, 0, 0, 0)

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

static __always_inline __u8 read_mode(const struct ossl_param *param)
{
	char text[16] = {}; /* "EXTRACT_ONLY", "EXPAND_ONLY", "EXTRACT_AND_EXPAND" */
	__u32 mode = 0;

	if (param->type != OSSL_PARAM_UTF8_STRING) {
		bpf_probe_read_user(&mode, sizeof(mode), (void *)param->data);
		return kind_of_mode(mode);
	}
	bpf_probe_read_user_str(text, sizeof(text), (void *)param->data);
	if (text[2] == 'P')
		return SS_TLS_KDF_EXPAND;
	return text[8] == 'O' ? SS_TLS_KDF_EXTRACT : 0;
}

static __always_inline void read_param(struct ss_tls_kdf *kdf, const struct ossl_param *param)
{
	__u64 name = 0;

	bpf_probe_read_user_str(&name, sizeof(name), (void *)param->key);
	switch (name) {
	case NAME_MODE:
		kdf->kind = read_mode(param);
		break;
	case NAME_KEY:
		COPY(kdf, key, param->data, param->size);
		break;
	case NAME_SECRET:
		kdf->kind = SS_TLS_KDF_PRF;
		COPY(kdf, key, param->data, param->size);
		break;
	case NAME_SEED:
		append_seed(kdf, param->data, param->size);
		break;
	case NAME_SALT:
		COPY(kdf, salt, param->data, param->size);
		break;
	case NAME_LABEL:
		COPY(kdf, label, param->data, param->size);
		break;
	case NAME_DATA:
		COPY(kdf, context, param->data, param->size);
		break;
	}
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

/* int EVP_KDF_derive(EVP_KDF_CTX *ctx, unsigned char *key, size_t keylen, const OSSL_PARAM *) */
SEC("uprobe")
int evp_kdf_enter(struct pt_regs *ctx)
{
	struct kdf_call call = {
		.cgroup_id = selected_pod(),
		.out = PT_REGS_PARM2(ctx),
		.out_length = PT_REGS_PARM3(ctx),
		.params = PT_REGS_PARM4(ctx),
	};
	__u64 id = bpf_get_current_pid_tgid();

	if (call.cgroup_id)
		bpf_map_update_elem(&kdf_calls, &id, &call, BPF_ANY);
	return 0;
}

SEC("uretprobe")
int evp_kdf_leave(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct kdf_call *found, call;
	struct ossl_param param;
	struct ss_tls_kdf *kdf;

	found = bpf_map_lookup_elem(&kdf_calls, &id);
	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&kdf_calls, &id);
	if ((int)PT_REGS_RC(ctx) <= 0)
		return 0;
	kdf = reserve_kdf(call.cgroup_id, bpf_get_attach_cookie(ctx));
	if (!kdf)
		return 0;
	for (int i = 0; i < OSSL_PARAMS_MAX; i++) {
		if (bpf_probe_read_user(&param, sizeof(param), (void *)call.params) || !param.key)
			break;
		read_param(kdf, &param);
		call.params += sizeof(param);
	}
	finish_kdf(kdf, call.out, call.out_length);
	return 0;
}

#endif
