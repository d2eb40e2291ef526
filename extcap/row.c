/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of rows. Wireshark makes a fifo whose file name contains the value, hence the limit of
 * SS_INTERFACE_NAME_MAX; what is longer is cut, and found again by its hash.
 */
#include "row.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX    16384 /* a node runs some hundred pods; this bounds a hostile directory */
#define HASH_LENGTH 9     /* "~" and eight hex digits */
#define BRAND       "stratoshark-"
#define PLAINTEXT   "ssl-plaintext"

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Labels of letters, digits and inner dashes; with dots between them if more than one may be. */
static bool is_dns_name(const char *text, size_t length, size_t maximum, bool dots)
{
	if (length == 0 || length > maximum)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool first = i == 0 || text[i - 1] == '.';
		bool last = i + 1 == length || text[i + 1] == '.';

		if (is_alphanumeric(text[i]))
			continue;
		if (first || last || !(text[i] == '-' || (text[i] == '.' && dots)))
			return false;
	}
	return true;
}

void ss_row_set_plaintext(struct ss_row *row)
{
	memset(row, 0, sizeof(*row));
	row->plaintext = true;
}

bool ss_row_set(struct ss_row *row, const char *namespace_name, size_t namespace_length,
		const char *pod, size_t pod_length)
{
	if (!is_dns_name(namespace_name, namespace_length, SS_NAMESPACE_MAX, false) ||
	    (pod_length && !is_dns_name(pod, pod_length, SS_POD_MAX, true)))
		return false;
	memset(row, 0, sizeof(*row));
	memcpy(row->namespace_name, namespace_name, namespace_length);
	if (pod_length)
		memcpy(row->pod, pod, pod_length);
	return true;
}

static const char *after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

bool ss_row_parse(const char *name, struct ss_row *ret_row)
{
	const char *rest, *slash, *plaintext;

	name = ss_row_display(name);
	rest = after(name, "ns:");
	if (rest)
		return ss_row_set(ret_row, rest, strlen(rest), NULL, 0);
	plaintext = after(name, PLAINTEXT);
	if (plaintext && !*plaintext) {
		ss_row_set_plaintext(ret_row);
		return true;
	}
	rest = plaintext ? after(plaintext, ":") : after(name, "pod:");
	slash = rest ? strchr(rest, '/') : NULL;
	if (!slash || (!slash[1] && !plaintext) ||
	    !ss_row_set(ret_row, rest, (size_t)(slash - rest), slash + 1, strlen(slash + 1)))
		return false;
	ret_row->plaintext = plaintext != NULL;
	return true;
}

void ss_row_full_value(const struct ss_row *row, char value[SS_ROW_FULL_SIZE])
{
	if (row->plaintext && !row->namespace_name[0])
		snprintf(value, SS_ROW_FULL_SIZE, SS_INTERFACE_PLAINTEXT);
	else if (row->plaintext)
		snprintf(value, SS_ROW_FULL_SIZE, SS_INTERFACE_PLAINTEXT ":%s/%s",
			 row->namespace_name, row->pod);
	else if (row->pod[0])
		snprintf(value, SS_ROW_FULL_SIZE, SS_INTERFACE_POD_PREFIX "%s/%s",
			 row->namespace_name, row->pod);
	else
		snprintf(value, SS_ROW_FULL_SIZE, SS_INTERFACE_NS_PREFIX "%s", row->namespace_name);
}

/* FNV-1a. It tells long names apart, it guards nothing: an ambiguous name is refused. */
static uint32_t hash(const char *text)
{
	uint32_t value = 2166136261u;

	while (*text)
		value = (value ^ (unsigned char)*text++) * 16777619u;
	return value;
}

void ss_row_value(const struct ss_row *row, char value[SS_ROW_SIZE])
{
	char full[SS_ROW_FULL_SIZE];
	size_t length;

	ss_row_full_value(row, full);
	length = strlen(full);
	if (length <= SS_INTERFACE_NAME_MAX) {
		memcpy(value, full, length + 1);
		return;
	}
	memcpy(value, full, SS_INTERFACE_NAME_MAX - HASH_LENGTH);
	snprintf(value + SS_INTERFACE_NAME_MAX - HASH_LENGTH, HASH_LENGTH + 1, "~%08x",
		 (unsigned)hash(full));
}

const char *ss_row_display(const char *value)
{
	const char *rest = after(value, BRAND);

	return rest ? rest : value;
}

int ss_row_compare(const void *a, const void *b)
{
	const struct ss_row *one = a, *two = b;
	int order = (int)one->plaintext - (int)two->plaintext;

	if (!order)
		order = strcmp(one->namespace_name, two->namespace_name);
	return order ? order : strcmp(one->pod, two->pod);
}

void ss_rows_add(struct ss_rows *rows, const struct ss_row *row)
{
	if (rows->count == rows->room) {
		size_t room = rows->room ? rows->room * 2 : 64;
		struct ss_row *items;

		if (room > ROWS_MAX)
			return;
		items = realloc(rows->items, room * sizeof(*items));
		if (!items)
			return;
		rows->items = items;
		rows->room = room;
	}
	rows->items[rows->count++] = *row;
}

void ss_rows_sort(struct ss_rows *rows)
{
	size_t kept = 0;

	if (rows->count == 0)
		return;
	qsort(rows->items, rows->count, sizeof(*rows->items), ss_row_compare);
	for (size_t i = 1; i < rows->count; i++) {
		if (ss_row_compare(&rows->items[kept], &rows->items[i]) == 0)
			rows->items[kept].asked |= rows->items[i].asked;
		else
			rows->items[++kept] = rows->items[i];
	}
	rows->count = kept + 1;
}

void ss_rows_deinit(struct ss_rows *rows)
{
	free(rows->items);
	*rows = (struct ss_rows){0};
}
