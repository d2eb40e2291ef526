/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may be asked about pods here, as the options have it: wires the providers to a directory. */
#ifndef SS_PROVIDERS_H
#define SS_PROVIDERS_H

#include <stdbool.h>

#include "error.h"
#include "k8s/directory.h"
#include "k8s/select.h"
#include "loop.h"
#include "options.h"

/* What a selection needs to know of a pod. */
struct ss_directory_options ss_providers_needs(const struct ss_selection *selection);

/* Adds one: 0, or a negative errno with a sentence. peers: as below. */
int ss_providers_add_cri(struct ss_loop *loop, const struct ss_options *options, bool peers,
			 struct ss_directory *directory, struct ss_error *error);
int ss_providers_add_kube(struct ss_loop *loop, const struct ss_options *options, bool peers,
			  struct ss_directory *directory, struct ss_error *error);

/* Adds those there are; peers: also ask for what names the addresses of others. Nothing of this
 * fails: 0, or a negative errno with sentences (-EACCES: more privilege would help) when one can't
 * be asked; what can be changed is logged too. */
int ss_providers_open(struct ss_loop *loop, const struct ss_options *options, bool peers,
		      struct ss_directory *directory, struct ss_error *missing);

/* After ss_directory_prepare(): 0, or why nobody can decide the selection, and what would help.
 * status and missing: from _open(). */
int ss_providers_check(const struct ss_directory *directory, const struct ss_selection *selection,
		       const GPtrArray *pods, int status, const struct ss_error *missing,
		       struct ss_error *error);

/* Says which of them have not answered, or no longer, after they were waited for. */
void ss_providers_tell_silent(const struct ss_directory *directory);

/* --node: 0, or -ENOENT with a sentence: another node's pods can't be seen from here. pods: all. */
int ss_providers_check_node(const char *node, const GPtrArray *pods, struct ss_error *error);

#endif
