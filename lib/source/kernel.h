/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the running kernel keeps what the frame programs read of it (bpf/task.h). */
#ifndef SS_SOURCE_KERNEL_H
#define SS_SOURCE_KERNEL_H

#include <stdbool.h>

#include "format/owner.h"

/* False, and nothing read: programs may not look there (cap_perfmon), or the kernel has no BTF. */
bool ss_kernel_layout_read(struct ss_kernel_layout *ret_layout);

#endif
