/* SPDX-License-Identifier: GPL-2.0-or-later */
/* setns(2) there and back. The process has one thread, so nobody else is surprised. */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

#include <glib.h>

int ss_netns_enter(pid_t pid, int *ret_home, struct ss_error *error)
{
	char path[64];
	ss_autofd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ss_autofd int there = -1;

	if (home < 0)
		return ss_fail(error, -errno, "cannot open /proc/self/ns/net: %s",
			       g_strerror(errno));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0)
		return ss_fail(error, errno == EACCES ? -EPERM : -errno,
			       "cannot open the network namespace of process %d: %s", (int)pid,
			       g_strerror(errno));
	if (setns(there, CLONE_NEWNET) < 0)
		return ss_fail(error, -errno,
			       "cannot enter the network namespace of process %d: %s", (int)pid,
			       g_strerror(errno));
	*ret_home = g_steal_fd(&home);
	return 0;
}

void ss_netns_leave(int home)
{
	if (setns(home, CLONE_NEWNET) < 0)
		g_error("cannot return to the own network namespace: %s", g_strerror(errno));
	close(home);
}
