/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A visit to another process' network namespace, by this thread, for as long as it takes to attach.
 */
#ifndef SS_ATTACH_NETNS_H
#define SS_ATTACH_NETNS_H

#include <sys/types.h>

#include "error.h"

/*
 * Enters the network namespace of pid. *ret_home brings back with ss_netns_leave().
 * -EPERM: needs cap_sys_admin, and cap_sys_ptrace for other users' processes.
 */
int ss_netns_enter(pid_t pid, int *ret_home, struct ss_error *error);
/* Closes home. Aborts if the way back is barred: going on in a pod's namespace would be wrong. */
void ss_netns_leave(int home);

#endif
