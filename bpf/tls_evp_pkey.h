/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenSSL 1.1.1 puts a derivation together by control commands, to a context that belongs to the
 * thread as long as it lasts.
 */
#ifndef SS_BPF_TLS_EVP_PKEY_H
#define SS_BPF_TLS_EVP_PKEY_H

#include "bpf/tls_kdf.h"

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

#endif
