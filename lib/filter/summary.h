/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a filter, for people. */
#ifndef SS_FILTER_SUMMARY_H
#define SS_FILTER_SUMMARY_H

#include "filter.h"

/* Lines: how the filter is understood, what of it runs in the kernel, what is left to tshark and
 * why. g_free(). */
char *ss_filter_summary(const struct ss_filter *filter);

#endif
