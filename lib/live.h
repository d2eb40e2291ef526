/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets on the terminal: stock tshark as a child without any capability, reading our stream. */
#ifndef SS_LIVE_H
#define SS_LIVE_H

#include <sys/types.h>

#include "error.h"

/* Starts tshark; *ret_fd is the pipe to it. display_filter may be NULL. */
int ss_live_start(const char *display_filter, pid_t *ret_pid, int *ret_fd, struct ss_error *error);
/* After the pipe is closed: waits until it has shown everything. */
void ss_live_wait(pid_t pid);

#endif
