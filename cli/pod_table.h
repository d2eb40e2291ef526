/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pods as lines of a table whose columns fit what was shown so far. */
#ifndef SS_CLI_POD_TABLE_H
#define SS_CLI_POD_TABLE_H

#include <stdbool.h>

#include "stratoshark.h"

#define POD_COLUMNS_MAX 10

struct pod_table {
	bool changes; /* with a first column for what happened */
	bool wide;
	int widths[POD_COLUMNS_MAX];
};

/* Makes room for a pod. */
void pod_table_fit(struct pod_table *table, const struct ss_pod *pod);
/* What its columns say, with a tab behind each; the caller's. */
char *pod_table_row(const struct pod_table *table, const struct ss_pod *pod);
void pod_table_print_head(const struct pod_table *table);
/* change: NULL in a table without changes. */
void pod_table_print(const struct pod_table *table, const char *change, const struct ss_pod *pod);

#endif
