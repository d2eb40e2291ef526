/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pods there are, and which were asked for: directory names and /proc, nothing slower. */
#ifndef SS_EXTCAP_PODLIST_H
#define SS_EXTCAP_PODLIST_H

#include <sys/types.h>

#include "row.h"

/* "<namespace>_<pod>_<uid>", as kubelet names a pod's log directory. */
bool ss_podlist_parse(const char *name, struct ss_row *ret_row);

/* Adds the pods of this node. A directory that cannot be read has none. */
void ss_podlist_read(struct ss_rows *rows);

/* Adds the rows named in a command line of NUL-terminated arguments, marked as asked for. */
void ss_podlist_parse_command_line(struct ss_rows *rows, const char *text, size_t length);

/* The same for a process: Wireshark is our parent. */
void ss_podlist_read_asked(struct ss_rows *rows, pid_t pid);

#endif
