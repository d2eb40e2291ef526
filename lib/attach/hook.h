/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program attached to a point of the kernel. tcx and cgroup links hang on a descriptor and go
 * with the process; clsact filters (before Linux 6.6) would stay, so a small guard process takes
 * them away when we die.
 */
#ifndef SS_ATTACH_HOOK_H
#define SS_ATTACH_HOOK_H

#include <stdbool.h>

#include "error.h"

struct ss_hook;

/* Attaches the sched_cls program to the device of the current network namespace, at the head of
 * the chain (tcx) or at clsact preference 1. */
int ss_hook_new_device(int program_fd, int ifindex, bool ingress, struct ss_hook **ret_hook,
		       struct ss_error *error);
/* Attaches the cgroup_skb program to the cgroup v2 directory, beside whatever else is there. */
int ss_hook_new_cgroup(int program_fd, const char *path, bool ingress, struct ss_hook **ret_hook,
		       struct ss_error *error);
/* Detaches. */
void ss_hook_free(struct ss_hook *hook);

#endif
