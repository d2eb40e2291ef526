/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes of selected pods that begin a program or end. */
#ifndef SS_BPF_TLS_PROCESS_H
#define SS_BPF_TLS_PROCESS_H

#include "bpf/tls_connection.h"

static __always_inline void tell(__u32 type)
{
	__u64 cgroup_id = selected_pod();
	struct ss_tls_record *record;

	if (!cgroup_id)
		return;
	record = RESERVE(sizeof(*record));
	if (!record)
		return;
	fill_head(record, type, sizeof(*record), cgroup_id, 0);
	submit(record);
}

/* A call that the thread was in does not return any more. */
static __always_inline void forget_call(void)
{
	__u64 id = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&calls, &id);
}

SEC("raw_tp/sched_process_exec")
int process_exec(void *ctx)
{
	(void)ctx;
	forget_call();
	tell(SS_TLS_RECORD_EXEC);
	return 0;
}

/* Of every thread; the last one ends the process. */
SEC("raw_tp/sched_process_exit")
int process_exit(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	(void)ctx;
	forget_call();
	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		tell(SS_TLS_RECORD_EXIT);
	return 0;
}

#endif
