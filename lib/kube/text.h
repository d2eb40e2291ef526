/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others wrote, made fit for our sentences; and the files that credentials are in. */
#ifndef SS_KUBE_TEXT_H
#define SS_KUBE_TEXT_H

#include <stddef.h>

/* At most max characters of text, none of which moves a cursor or hides another: what is no
 * printable character of UTF-8 becomes '?'. The caller frees it. */
char *ss_kube_printable(const char *text, size_t max);

/* The whole file, terminated; the caller frees it. A negative errno: -EFBIG above max bytes. Never
 * waits for a writer. */
int ss_kube_read_file(const char *path, size_t max, char **ret, size_t *ret_length);

/* g_free() for secrets: they do not stay in memory. NULL is fine. */
void ss_kube_free_secret(char *secret);

#endif
