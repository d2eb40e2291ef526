/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter on addresses and ports is about connections as they are shown. Those that may have been
 * redirected (mesh.h) the kernel accepts as they are on lo (filter/redirect.h); here, behind the
 * mesh, a pcap-filter is asked again. A display filter's judge asks which ones to decide.
 */
#ifndef SS_REDIRECTS_H
#define SS_REDIRECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "filter/filter.h"
#include "stage.h"
#include "stream.h"

struct ss_redirects;

/* Borrows both. */
struct ss_redirects *ss_redirects_new(const struct ss_filter *filter, struct ss_stream *stream);
void ss_redirects_free(struct ss_redirects *redirects);

/* Did the kernel accept the frame of this block without asking the filter? */
bool ss_redirects_is_open(const struct ss_redirects *redirects, const void *block, size_t size);
/* Leaves out what does not satisfy the pcap-filter. */
struct ss_stage ss_redirects_stage(struct ss_redirects *redirects);

#endif
