/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes at places in files: one link for all places of a program in a file where the kernel has
 * uprobe_multi (Linux 6.6), else a perf event for each.
 */
#ifndef SS_SOURCE_UPROBE_H
#define SS_SOURCE_UPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "error.h"

struct bpf_program;

struct ss_uprobe_place {
	uint64_t offset; /* in the file, bytes */
	uint64_t cookie;
};

/* Whether the kernel has it and lets us. Costs a program load: ask once. */
bool ss_uprobe_multi_works(void);
/* Before the program is loaded: which way it will be attached. */
void ss_uprobe_prepare(struct bpf_program *program, bool multi);

/* On all places, in all processes; at_return: when the functions that begin there return. Adds the
 * descriptors that hold the probes (int) to fds, some of them also when it fails. */
int ss_uprobe_attach(const struct bpf_program *program, bool multi, bool at_return,
		     const char *path, const struct ss_uprobe_place *places, size_t count,
		     GArray *fds, struct ss_error *error);

/* Closes descriptors without waiting for the kernel to take the probes away. */
void ss_uprobe_release(const int *fds, size_t count);

#endif
