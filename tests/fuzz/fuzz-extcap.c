/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the extcap reads of others: names of directories, and the command line of its parent. A
 * row made of them must print as exactly one sentence and be found again by its value.
 */
#include <stdint.h>
#include <string.h>

#include <glib.h>

/* The extcap is no library: it links none of ours, and none links it. */
#include "extcap/podlist.c"
#include "extcap/row.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ss_row *row)
{
	char value[SS_ROW_SIZE], full[SS_ROW_FULL_SIZE];
	struct ss_row again;

	ss_row_value(row, value);
	ss_row_full_value(row, full);
	g_assert_cmpuint(strlen(value), <=, SS_INTERFACE_NAME_MAX);
	g_assert_cmpuint(strspn(full, "abcdefghijklmnopqrstuvwxyz0123456789-./:"), ==,
			 strlen(full));
	g_assert_true(ss_row_parse(full, &again));
	g_assert_cmpint(ss_row_compare(row, &again), ==, 0);
	g_assert_true(ss_row_parse(ss_row_display(full), &again));
	g_assert_cmpint(ss_row_compare(row, &again), ==, 0);
	g_assert_true(strcmp(value, full) == 0 || !ss_row_parse(value, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	/* Exactly the bytes, so that a read beyond them is seen. */
	g_autofree char *bytes = size ? g_memdup2(data, size) : g_strdup("");
	struct ss_rows rows = {0};
	struct ss_row row;

	if (ss_podlist_parse(text, &row))
		ss_rows_add(&rows, &row);
	if (parse_container_log(text, &row))
		ss_rows_add(&rows, &row);
	if (ss_row_parse(text, &row))
		ss_rows_add(&rows, &row);
	ss_podlist_parse_command_line(&rows, bytes, size);
	ss_rows_sort(&rows);
	for (size_t i = 0; i < rows.count; i++) {
		check(&rows.items[i]);
		g_assert_true(i == 0 || ss_row_compare(&rows.items[i - 1], &rows.items[i]) < 0);
	}
	ss_rows_deinit(&rows);
	return 0;
}
