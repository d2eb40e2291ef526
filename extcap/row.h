/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A row of Wireshark's interface list: a pod, or every pod of a namespace; their packets, or what
 * their processes say through TLS. The display name is the value without "stratoshark-".
 *
 *	stratoshark-pod:<namespace>/<pod>	stratoshark-ns:<namespace>
 *	stratoshark-ssl-plaintext:<namespace>/<pod>	stratoshark-ssl-plaintext:<namespace>/
 *	stratoshark-ssl-plaintext	of the pod that is given as an option
 *
 * Only names Kubernetes itself would accept make a row, so neither can break out of an extcap
 * sentence, a path or a command line.
 */
#ifndef SS_EXTCAP_ROW_H
#define SS_EXTCAP_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "format/metadata.h"

#define SS_NAMESPACE_MAX 63  /* an RFC 1123 label */
#define SS_POD_MAX       253 /* an RFC 1123 subdomain */
/* Of the longest value, uncut. */
#define SS_ROW_FULL_SIZE                                                                           \
	(sizeof(SS_INTERFACE_PLAINTEXT ":") + SS_NAMESPACE_MAX + sizeof("/") + SS_POD_MAX)
#define SS_ROW_SIZE (SS_INTERFACE_NAME_MAX + 1)

struct ss_row {
	bool plaintext;
	char namespace_name[SS_NAMESPACE_MAX + 1]; /* empty: plaintext without a pod */
	char pod[SS_POD_MAX + 1];                  /* empty: every pod of the namespace */
	bool asked; /* on the command line of Wireshark: always listed */
};

struct ss_rows {
	struct ss_row *items;
	size_t count, room;
};

/* The plaintext row that names no pod. */
void ss_row_set_plaintext(struct ss_row *row);

/* False if Kubernetes would not accept the names. pod_length 0: the namespace. */
bool ss_row_set(struct ss_row *row, const char *namespace_name, size_t namespace_length,
		const char *pod, size_t pod_length);

/* A value or a display name, uncut; false for anything else. */
bool ss_row_parse(const char *name, struct ss_row *ret_row);

/* The value as it would be without a limit. */
void ss_row_full_value(const struct ss_row *row, char value[SS_ROW_FULL_SIZE]);

/* The value, at most SS_INTERFACE_NAME_MAX bytes: a longer one ends in "~" and a hash of it. */
void ss_row_value(const struct ss_row *row, char value[SS_ROW_SIZE]);

/* The part of a value that is the display name. */
const char *ss_row_display(const char *value);

/* Plaintext last; by namespace, then pod; the namespace's own row is first. For qsort(3). */
int ss_row_compare(const void *a, const void *b);

/* Appends a copy. Out of memory, or beyond what any node runs: the row is left out. */
void ss_rows_add(struct ss_rows *rows, const struct ss_row *row);

/* Sorts and merges equal rows. */
void ss_rows_sort(struct ss_rows *rows);

void ss_rows_deinit(struct ss_rows *rows);

#endif
