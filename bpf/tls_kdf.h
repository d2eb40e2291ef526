/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key derivations of OpenSSL, GnuTLS, BoringSSL and rustls, seen at functions of the library: no
 * offset into its structures. Arguments are remembered at entry, everything is read at return.
 *
 * TLS13-KDF of OpenSSL >= 3.0 does two steps in EXTRACT mode: it derives the salt from the secret
 * it is given as "salt" (label "derived"), then extracts. Such records have that label; those of
 * OpenSSL 1.1.1, which does the steps one by one, have none.
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
	/* Programs derive other keys of theirs, too, which are nobody's business. */
	if (kdf->kind == SS_TLS_KDF_PRF ? !kdf->context_length : !kdf->label_length)
		kdf->kind = 0;
	finish_kdf(kdf, call.out, call.out_length);
	return 0;
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

/*
 * OpenSSL 1.1.1 puts a derivation together by control commands, to a context that belongs to the
 * thread as long as it lasts.
 */
struct pkey_key {
	__u64 thread; /* bpf_get_current_pid_tgid() */
	__u64 context;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct pkey_key);
	__type(value, struct ss_tls_kdf);
} pkeys SEC(".maps");

/* Stays zero: what a new one is like. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ss_tls_kdf);
} empty_pkey SEC(".maps");

#define EVP_PKEY_OP_DERIVE 0x400
/* EVP_PKEY_CTRL_*, openssl/kdf.h of 1.1.1 */
enum {
	CTRL_TLS_SECRET = 0x1001,
	CTRL_TLS_SEED = 0x1002,
	CTRL_HKDF_SALT = 0x1004,
	CTRL_HKDF_KEY = 0x1005,
	CTRL_HKDF_INFO = 0x1006,
	CTRL_HKDF_MODE = 0x1007,
};

static __always_inline struct ss_tls_kdf *get_pkey(const struct pkey_key *key)
{
	struct ss_tls_kdf *found = bpf_map_lookup_elem(&pkeys, key), *empty;
	__u32 zero = 0;

	if (found)
		return found;
	empty = bpf_map_lookup_elem(&empty_pkey, &zero);
	if (empty)
		bpf_map_update_elem(&pkeys, key, empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&pkeys, key);
}

/* int EVP_PKEY_CTX_ctrl(ctx, int keytype, int optype, int cmd, int p1, void *p2): p2 has p1 bytes
 */
SEC("uprobe")
int evp_pkey_ctrl_enter(struct pt_regs *ctx)
{
	struct pkey_key key = {.thread = bpf_get_current_pid_tgid(), .context = PT_REGS_PARM1(ctx)};
	__u32 operation = (__u32)PT_REGS_PARM3(ctx), command = (__u32)PT_REGS_PARM4(ctx);
	__u64 length = (__u32)PT_REGS_PARM5(ctx), pointer = SIXTH_ARGUMENT(ctx);
	struct ss_tls_kdf *kdf;

	if (operation != EVP_PKEY_OP_DERIVE || command < CTRL_TLS_SECRET ||
	    command > CTRL_HKDF_MODE || !selected_pod())
		return 0;
	kdf = get_pkey(&key);
	if (!kdf)
		return 0;
	switch (command) {
	case CTRL_TLS_SECRET:
		kdf->kind = SS_TLS_KDF_PRF;
		kdf->context_length = 0;
		COPY(kdf, key, pointer, length);
		break;
	case CTRL_TLS_SEED:
		append_seed(kdf, pointer, length);
		break;
	case CTRL_HKDF_SALT:
		COPY(kdf, salt, pointer, length);
		break;
	case CTRL_HKDF_KEY:
		COPY(kdf, key, pointer, length);
		break;
	case CTRL_HKDF_INFO:
		copy_hkdf_label(kdf, pointer);
		break;
	case CTRL_HKDF_MODE:
		kdf->kind = kind_of_mode(length);
		break;
	}
	return 0;
}

/* int EVP_PKEY_derive(EVP_PKEY_CTX *ctx, unsigned char *key, size_t *keylen) */
SEC("uprobe")
int evp_pkey_derive_enter(struct pt_regs *ctx)
{
	struct kdf_call call = {
		.cgroup_id = selected_pod(),
		.out = PT_REGS_PARM2(ctx),
		.out_length = PT_REGS_PARM3(ctx),
		.params = PT_REGS_PARM1(ctx),
	};
	__u64 id = bpf_get_current_pid_tgid();

	if (call.cgroup_id && call.out)
		bpf_map_update_elem(&kdf_calls, &id, &call, BPF_ANY);
	return 0;
}

SEC("uretprobe")
int evp_pkey_derive_leave(struct pt_regs *ctx)
{
	struct pkey_key key = {.thread = bpf_get_current_pid_tgid()};
	struct ss_tls_kdf *kdf, *collected;
	struct kdf_call *found, call;
	__u64 length = 0;

	found = bpf_map_lookup_elem(&kdf_calls, &key.thread);
	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&kdf_calls, &key.thread);
	key.context = call.params;
	collected = bpf_map_lookup_elem(&pkeys, &key);
	if (!collected)
		return 0;
	if ((int)PT_REGS_RC(ctx) > 0) {
		bpf_probe_read_user(&length, sizeof(length), (void *)call.out_length);
		kdf = RESERVE(sizeof(*kdf));
		if (kdf) {
			*kdf = *collected;
			fill_head(&kdf->head, SS_TLS_RECORD_KDF, sizeof(*kdf), call.cgroup_id,
				  bpf_get_attach_cookie(ctx));
			finish_kdf(kdf, call.out, length);
		}
	}
	bpf_map_delete_elem(&pkeys, &key);
	return 0;
}

/*
 * GnuTLS has nettle expand with a MAC context that knows the key already. Its first bytes are the
 * hash of the key's outer block: no key, but the same for the same key.
 */
struct expand_call {
	__u64 cgroup_id;
	__u64 mac, info, out, out_length;
	__u64 key_length; /* of HKDF_expand, whose mac is the key */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* bpf_get_current_pid_tgid() */
	__type(value, struct expand_call);
} expand_calls SEC(".maps");

#define KEY_IDENTITY 32 /* bytes */

/* void nettle_hkdf_expand(void *mac_ctx, update, digest, size_t digest_size, size_t info_size,
 *                         const uint8_t *info, size_t length, uint8_t *dst) */
SEC("uprobe")
int nettle_expand_enter(struct pt_regs *ctx)
{
	struct expand_call call = {
		.cgroup_id = selected_pod(),
		.mac = PT_REGS_PARM1(ctx),
		.info = SIXTH_ARGUMENT(ctx),
	};
	__u64 id = bpf_get_current_pid_tgid();

	if (!call.cgroup_id)
		return 0;
#ifdef __TARGET_ARCH_x86
	bpf_probe_read_user(&call.out_length, 8, (void *)STACK_ARGUMENT(ctx, 0));
	bpf_probe_read_user(&call.out, 8, (void *)STACK_ARGUMENT(ctx, 1));
#else
	call.out_length = ((const struct user_pt_regs *)ctx)->regs[6];
	call.out = ((const struct user_pt_regs *)ctx)->regs[7];
#endif
	bpf_map_update_elem(&expand_calls, &id, &call, BPF_ANY);
	return 0;
}

/* int HKDF_expand(uint8_t *out, size_t out_length, const EVP_MD *, const uint8_t *key,
 *                 size_t key_length, const uint8_t *info, size_t info_length) */
SEC("uprobe")
int hkdf_expand_enter(struct pt_regs *ctx)
{
	struct expand_call call = {
		.cgroup_id = selected_pod(),
		.out = PT_REGS_PARM1(ctx),
		.out_length = PT_REGS_PARM2(ctx),
		.mac = PT_REGS_PARM4(ctx),
		.key_length = PT_REGS_PARM5(ctx),
		.info = SIXTH_ARGUMENT(ctx),
	};
	__u64 id = bpf_get_current_pid_tgid();

	if (call.cgroup_id)
		bpf_map_update_elem(&expand_calls, &id, &call, BPF_ANY);
	return 0;
}

SEC("uretprobe")
int hkdf_expand_leave(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct expand_call *found = bpf_map_lookup_elem(&expand_calls, &id), call;
	struct ss_tls_kdf *kdf;

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&expand_calls, &id);
	if ((int)PT_REGS_RC(ctx) != 1)
		return 0;
	kdf = reserve_kdf(call.cgroup_id, bpf_get_attach_cookie(ctx));
	if (!kdf)
		return 0;
	if (copy_hkdf_label(kdf, call.info)) {
		kdf->kind = SS_TLS_KDF_EXPAND;
		COPY(kdf, key, call.mac, call.key_length);
	}
	finish_kdf(kdf, call.out, call.out_length);
	return 0;
}

/*
 * fn ring::hkdf::fill_okm(prk: &Prk, info: &[&[u8]], out: &mut [u8], len: usize) -> bool, which
 * rustls calls with the pieces of an HkdfLabel. A slice is passed as pointer and length. The Prk
 * begins with the hash of a block of the key, 4 or 8 bytes of what kind it is before it or not:
 * what is read belongs to the hash in every case.
 */
#define RING_IDENTITY_AT 8
#define RING_IDENTITY    24 /* bytes */
#define RUST_PIECES      6 /* length, length of label, "tls13 ", label, length of context, context */

struct rust_slice {
	__u64 pointer, length;
};

SEC("uprobe")
int ring_expand_enter(struct pt_regs *ctx)
{
	struct expand_call call = {
		.cgroup_id = selected_pod(),
		.mac = PT_REGS_PARM1(ctx),
		.info = PT_REGS_PARM2(ctx),
		.out = PT_REGS_PARM4(ctx),
		.out_length = PT_REGS_PARM5(ctx),
	};
	__u64 id = bpf_get_current_pid_tgid();

	if (call.cgroup_id && PT_REGS_PARM3(ctx) == RUST_PIECES)
		bpf_map_update_elem(&expand_calls, &id, &call, BPF_ANY);
	return 0;
}

SEC("uretprobe")
int ring_expand_leave(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), prefix = 0;
	struct expand_call *found = bpf_map_lookup_elem(&expand_calls, &id), call;
	struct rust_slice pieces[RUST_PIECES] = {};
	struct ss_tls_kdf *kdf;

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&expand_calls, &id);
	bpf_probe_read_user(pieces, sizeof(pieces), (void *)call.info);
	bpf_probe_read_user(&prefix, HKDF_PREFIX_LENGTH, (void *)pieces[2].pointer);
	if (prefix != HKDF_PREFIX || pieces[2].length != HKDF_PREFIX_LENGTH)
		return 0;
	kdf = reserve_kdf(call.cgroup_id, bpf_get_attach_cookie(ctx));
	if (!kdf)
		return 0;
	kdf->kind = SS_TLS_KDF_EXPAND;
	kdf->key_is_identity = 1;
	COPY(kdf, key, call.mac + RING_IDENTITY_AT, RING_IDENTITY);
	COPY(kdf, label, pieces[3].pointer, pieces[3].length);
	COPY(kdf, context, pieces[5].pointer, pieces[5].length);
	finish_kdf(kdf, call.out, call.out_length);
	return 0;
}

SEC("uretprobe")
int nettle_expand_leave(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct expand_call *found, call;
	struct ss_tls_kdf *kdf;

	found = bpf_map_lookup_elem(&expand_calls, &id);
	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&expand_calls, &id);
	kdf = reserve_kdf(call.cgroup_id, bpf_get_attach_cookie(ctx));
	if (!kdf)
		return 0;
	if (copy_hkdf_label(kdf, call.info)) {
		kdf->kind = SS_TLS_KDF_EXPAND;
		kdf->key_is_identity = 1;
		COPY(kdf, key, call.mac, KEY_IDENTITY);
	}
	finish_kdf(kdf, call.out, call.out_length);
	return 0;
}

#endif
