/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kubernetes' label selectors: "app=api,tier!=db,env in (a, b),!canary". Syntax, validation and
 * meaning are those of kubectl -l (kubernetes.io, "Labels and Selectors"; the grammar of
 * k8s.io/apimachinery/pkg/labels): there is no quoting, an empty selector fits everything.
 */
#ifndef SS_K8S_SELECTOR_H
#define SS_K8S_SELECTOR_H

#include <stdbool.h>

#include <glib.h>

#include "error.h"

struct ss_selector;

/* -EINVAL with a sentence that shows where. */
int ss_selector_new(const char *text, struct ss_selector **ret, struct ss_error *error);
void ss_selector_free(struct ss_selector *selector);

/* labels: struct ss_label *, as in pod.h. */
bool ss_selector_match(const struct ss_selector *selector, const GPtrArray *labels);

/* As it was written. */
const char *ss_selector_text(const struct ss_selector *selector);
/* The key of the first requirement that the labels don't fit; NULL: they fit. */
const char *ss_selector_misfit(const struct ss_selector *selector, const GPtrArray *labels);

#endif
