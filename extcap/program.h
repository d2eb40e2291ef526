/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program that captures: where it is, and how it becomes this process. */
#ifndef SS_EXTCAP_PROGRAM_H
#define SS_EXTCAP_PROGRAM_H

/* Replaces this process by the program; arguments[0] is left free for its path, NULL ends. Tries
 * STRATOCAP_PROGRAM alone if set, else the installed path, else PATH. Returns only on failure,
 * with a negative errno and the path to name in *ret_path (static or borrowed). */
int ss_program_exec(char *arguments[], const char **ret_path);

#endif
