/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS libraries that lie in a container's file system, mapped or not: attached early, the first
 * handshake of a process that lives for a moment is not missed. Programs with TLS inside are known
 * only when they run.
 */
#ifndef SS_TLS_ROOTS_H
#define SS_TLS_ROOTS_H

#include <stdint.h>
#include <sys/types.h>

/* What names a root directory while a process has it. */
struct ss_tls_root {
	uint64_t device, inode;
};

/* Of process pid. 0 or a negative errno. */
int ss_tls_root_get(const char *proc, pid_t pid, struct ss_tls_root *ret_root);

/* Each library in the usual directories below the root of pid, opened for reading; fd and path (as
 * the container sees it) are borrowed for the call. Made by pods: no link leads out, neither device
 * files nor FUSE are opened, and after some hundred it is enough. */
void ss_tls_root_libraries(const char *proc, pid_t pid,
			   void (*each)(int fd, const char *path, void *user_data),
			   void *user_data);

/* Opens what an O_PATH descriptor stands for, if it is a regular file that nobody's daemon serves.
 */
int ss_tls_reopen(int fd);

#endif
