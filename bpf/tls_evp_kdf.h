/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key derivations of OpenSSL >= 3.0. Its TLS13-KDF does two steps in EXTRACT mode: it derives the
 * salt from the secret it is given as "salt" (label "derived"), then extracts. Such records have
 * that label; those of OpenSSL 1.1.1, which does the steps one by one, have none.
 */
#ifndef SS_BPF_TLS_EVP_KDF_H
#define SS_BPF_TLS_EVP_KDF_H

#include "bpf/tls_kdf.h"

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

/* Names of parameters. */
#define NAME_MODE   NAME('m', 'o', 'd', 'e', 0, 0)
#define NAME_KEY    NAME('k', 'e', 'y', 0, 0, 0)
#define NAME_SALT   NAME('s', 'a', 'l', 't', 0, 0)
#define NAME_LABEL  NAME('l', 'a', 'b', 'e', 'l', 0)
#define NAME_DATA   NAME('d', 'a', 't', 'a', 0, 0)
#define NAME_SECRET NAME('s', 'e', 'c', 'r', 'e', 't')
#define NAME_SEED   NAME('s', 'e', 'e', 'd', 0, 0)

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

#endif
