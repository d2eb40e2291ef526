/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With CAP_PERFMON every kernel does; without it Linux 6.6 does, and later releases of some series
 * before it ("bpf: Fix issue in verifying allow_ptr_leaks"). So it is tried.
 */
#include "linear.h"

#include <linux/bpf.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <glib.h>

#include "error.h"
#include "insn.h"

bool ss_linear_is_allowed(void)
{
	const struct bpf_insn program[] = {
		SS_LDX(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct __sk_buff, data)),
		SS_LDX(BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct __sk_buff, data_end)),
		ss_insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		ss_insn(BPF_JMP | BPF_JLE | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0),
		SS_EXIT(),
	};
	ss_autofd int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ss_compare", "GPL", program,
					 G_N_ELEMENTS(program), NULL);

	return fd >= 0;
}
