/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that began a program, and when to look at them: libraries are mapped after an exec, one
 * by one, and some are loaded later. Times are milliseconds of one clock.
 */
#ifndef SS_TLS_LOOKS_H
#define SS_TLS_LOOKS_H

#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

GArray *ss_tls_looks_new(void); /* g_array_unref() */
void ss_tls_looks_add(GArray *looks, pid_t pid, int64_t now_ms);
/* When the next look is due; INT64_MAX: never. */
int64_t ss_tls_looks_due_ms(const GArray *looks);
/* A process that is due now, of which there must be one. Looks that were due meanwhile are done by
 * this one. */
pid_t ss_tls_looks_take(GArray *looks, int64_t now_ms);

#endif
