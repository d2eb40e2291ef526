/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a selection fits no pod, in a sentence that names what comes near. pods: struct ss_pod *, all
 * of the node. Each returns -ENOENT, _ambiguous -ENOTUNIQ.
 */
#ifndef SS_K8S_MISFIT_H
#define SS_K8S_MISFIT_H

#include <glib.h>

#include "error.h"
#include "k8s/selector.h"
#include "k8s/workload.h"

int ss_misfit_name(const char *name, const GPtrArray *pods, struct ss_error *error);
/* matches: those of several namespaces that have the name. */
int ss_misfit_ambiguous(const char *name, const GPtrArray *matches, struct ss_error *error);
int ss_misfit_namespace(const char *name, const GPtrArray *pods, struct ss_error *error);
int ss_misfit_selector(const struct ss_selector *selector, const GPtrArray *pods,
		       struct ss_error *error);
int ss_misfit_workload(const struct ss_workload_name *workload, const GPtrArray *pods,
		       struct ss_error *error);
int ss_misfit_container(const char *name, const GPtrArray *pods, struct ss_error *error);

#endif
