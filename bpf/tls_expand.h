/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HKDF-Expand of GnuTLS (nettle), BoringSSL and rustls (ring). */
#ifndef SS_BPF_TLS_EXPAND_H
#define SS_BPF_TLS_EXPAND_H

#include "bpf/tls_kdf.h"

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

/*
 * GnuTLS has nettle expand with a MAC context that knows the key already. Its first bytes are the
 * hash of the key's outer block: no key, but the same for the same key.
 */
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

#endif
