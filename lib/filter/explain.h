/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: why an expression does not compile, for people. */
#ifndef SS_FILTER_EXPLAIN_H
#define SS_FILTER_EXPLAIN_H

#include <stdbool.h>

/* In libpcap's complaints. */
#define SS_SYNTAX_ERROR "syntax error"
#define SS_NEVER_TRUE   "expression rejects all packets" /* all of it: nowhere */

/* Compiles text for Ethernet and forgets the result; returns libpcap's complaint or NULL: it is
 * fine. Free with g_free(). */
typedef char *(*ss_filter_probe)(const char *text);

/* The whole sentence, hints included; message is libpcap's. probing: text compiles fast enough to
 * try parts of it. Free with g_free(). */
char *ss_filter_explain(const char *text, const char *message, bool probing, ss_filter_probe probe);

#endif
