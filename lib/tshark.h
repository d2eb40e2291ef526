/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stock tshark as a child of ours: without any capability, and quiet. */
#ifndef SS_TSHARK_H
#define SS_TSHARK_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

struct ss_tshark {
	pid_t pid;
	int to;   /* its standard input: pcapng */
	int from; /* its standard output; -1 if that is ours */
};

/*
 * Runs "tshark ARGUMENTS", a NULL-terminated array without the program. piped: its output comes to
 * us. purpose begins the sentence when it is not installed: "--live shows packets".
 */
int ss_tshark_start(const char *const *arguments, bool piped, const char *purpose,
		    struct ss_tshark *ret, struct ss_error *error);
/* For its own end. */
void ss_tshark_wait(pid_t pid);

/*
 * Whether the installed Wireshark accepts a display filter: 0, -EINVAL with its sentence, or
 * -ENOENT: there is no tshark. names: fields of the filter that may be misspelt, of which the
 * nearest known ones are suggested; others: names beside those that this Wireshark knows. Takes
 * some tenths of a second.
 */
int ss_tshark_check(const char *filter, const char *const *names, const char *const *others,
		    struct ss_error *error);

#endif
