/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's BPF verifier said, for people. */
#ifndef SS_VERIFIER_H
#define SS_VERIFIER_H

/* The line of its log that says why; "" if there is none. g_free(). */
char *ss_verifier_reason(const char *log);
/* The end of the log, for --verbose. */
void ss_verifier_log(const char *log);

#endif
