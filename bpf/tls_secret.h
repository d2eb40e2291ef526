/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets as a library itself would log them. */
#ifndef SS_BPF_TLS_SECRET_H
#define SS_BPF_TLS_SECRET_H

#include "bpf/tls_record.h"

static __always_inline struct ss_tls_labelled *reserve_labelled(__u64 cgroup_id, __u64 cookie)
{
	struct ss_tls_labelled *labelled = RESERVE(sizeof(*labelled));

	if (!labelled)
		return NULL;
	__builtin_memset(labelled, 0, sizeof(*labelled));
	fill_head(&labelled->head, SS_TLS_RECORD_LABELLED, sizeof(*labelled), cgroup_id, cookie);
	return labelled;
}

static __always_inline void finish_labelled(struct ss_tls_labelled *labelled, __u64 cookie)
{
	bool pattern = SS_TLS_COOKIE_FLAGS(cookie) & SS_TLS_POINT_PATTERN;

	/* that there is nothing tells something of what was found by pattern */
	if (pattern || (labelled->label_length && labelled->secret_length))
		submit(labelled);
	else
		bpf_ringbuf_discard(labelled, BPF_RB_NO_WAKEUP);
}

/* Where BoringSSL has had the client random: SSL, its s3, client_random. User space checks it. */
#define BORING_SSL_S3           0x30
#define BORING_S3_CLIENT_RANDOM 0x30

/* bool ssl_log_secret(const SSL *ssl, const char *label, Span<const uint8_t> secret) */
SEC("uprobe")
int boring_secret_enter(struct pt_regs *ctx)
{
	__u64 cgroup_id = selected_pod(), cookie = bpf_get_attach_cookie(ctx), s3 = 0;
	struct ss_tls_labelled *labelled;
	long length;

	if (!cgroup_id)
		return 0;
	labelled = reserve_labelled(cgroup_id, cookie);
	if (!labelled)
		return 0;
	labelled->connection = PT_REGS_PARM1(ctx);
	length = bpf_probe_read_user_str(labelled->label, sizeof(labelled->label),
					 (void *)PT_REGS_PARM2(ctx));
	labelled->label_length = length > 1 ? (__u8)(length - 1) : 0;
	COPY(labelled, secret, PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx));
	if (!bpf_probe_read_user(&s3, sizeof(s3), (void *)(labelled->connection + BORING_SSL_S3)))
		labelled->random_length =
			bpf_probe_read_user(labelled->random, sizeof(labelled->random),
					    (void *)(s3 + BORING_S3_CLIENT_RANDOM))
				? 0
				: sizeof(labelled->random);
	finish_labelled(labelled, cookie);
	return 0;
}

#endif
