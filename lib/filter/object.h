/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter that somebody wrote as an eBPF program (--bpf-program): the contract is
 * examples/bpf-program/stratoshark/filter.h.
 */
#ifndef SS_FILTER_OBJECT_H
#define SS_FILTER_OBJECT_H

#include <stddef.h>

#include "error.h"

struct bpf_insn;
struct ss_filter_object;

#define SS_FILTER_OBJECT_SECTION "stratoshark/filter"

/* Reads the file and checks what can be checked without the kernel. */
int ss_filter_object_open(const char *path, struct ss_filter_object **ret_object,
			  struct ss_error *error);
/* Makes its maps, and has the kernel verify that it only looks. Needs CAP_BPF. */
int ss_filter_object_load(struct ss_filter_object *object, struct ss_error *error);
void ss_filter_object_free(struct ss_filter_object *object);

/* After the load: its body, as of ss_filter_emit(). Its maps are the object's: programs with the
 * body are loaded before it is freed. Free *ret_insns with g_free(). */
void ss_filter_object_body(const struct ss_filter_object *object, struct bpf_insn **ret_insns,
			   size_t *ret_count);

#endif
