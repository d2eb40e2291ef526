/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs of bpf/tls.bpf.c: which of them a capture needs, and loading those. */
#ifndef SS_SOURCE_TLS_PROGRAMS_H
#define SS_SOURCE_TLS_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "error.h"
#include "source/tls.h"

struct tls; /* the skeleton */

/* Is the function (enum ss_tls_function, or a number that is none) of use with these options? */
bool ss_tls_programs_want(const struct ss_tls_source_options *options, uint32_t function);
/* The program at a wanted function's entry or return; NULL if there is none. */
const char *ss_tls_programs_name(uint32_t function, bool at_return);

/* Loads what the options need, for uprobe_multi or for perf events. Adds the links of what is not
 * on files (struct bpf_link) to links: processes, sockets. */
int ss_tls_programs_load(const struct ss_tls_source_options *options, bool multi,
			 struct tls **ret_skeleton, GPtrArray *links, struct ss_error *error);

#endif
