/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames whose addresses user space may still change (mesh.h): the kernel can't decide about them.
 */
#ifndef SS_FILTER_REDIRECT_H
#define SS_FILTER_REDIRECT_H

#include "filter.h"

/* The body, before which TCP between two different addresses is accepted, where the slot has
 * SS_SLOT_REDIRECTED. g_free(). */
struct bpf_insn *ss_redirect_accept(const struct ss_emit_options *options,
				    const struct bpf_insn *body, size_t body_count,
				    size_t *ret_count);

#endif
