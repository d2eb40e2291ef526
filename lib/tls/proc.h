/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of /proc/PID, whatever their length. */
#ifndef SS_TLS_PROC_H
#define SS_TLS_PROC_H

#include <stddef.h>
#include <sys/types.h>

/* proc: where the file system is. The first limit bytes, or some more; g_free(). 0 or a negative
 * errno: such files may be refused at open() or at the first read(). */
int ss_tls_proc_read(const char *proc, pid_t pid, const char *name, size_t limit, char **ret_text);

#endif
