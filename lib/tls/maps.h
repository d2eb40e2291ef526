/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The executable files that a process has mapped, and how to open them. */
#ifndef SS_TLS_MAPS_H
#define SS_TLS_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

struct ss_tls_mapping {
	char *path;  /* as the process sees it */
	char *range; /* "7f0000000000-7f0000001000" */
	uint64_t device, inode;
};

/* The text of /proc/PID/maps, which is spoiled: struct ss_tls_mapping, each file once. */
GArray *ss_tls_maps_parse(char *text);

/*
 * The file of a mapping, for reading; *ret_program: it is the program itself. A negative errno:
 * -EOPNOTSUPP on a FUSE file system, -ESTALE if another file is there now.
 */
int ss_tls_maps_open(const char *proc, pid_t pid, const struct ss_tls_mapping *mapping,
		     bool *ret_program);

#endif
