/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --extcap-interfaces. Wireshark then asks for the configuration of every row, one process each,
 * so the list is capped: namespaces come first, pods take what is left, and what was asked for on
 * Wireshark's own command line is listed always, plaintext of a pod among it: one row, which takes
 * the pod as an option, stands for all others. That makes "tshark -i stratoshark-pod:any/thing"
 * reach us even if the pod is not here, and fail with our sentence instead of "no such device".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extcap.h"
#include "podlist.h"

#define ROWS_DEFAULT 128 /* 100 rows cost Wireshark's start 0.8 s, 1000 rows 6 s (2 cores) */

static size_t rows_wanted(void)
{
	const char *text = getenv("STRATOCAP_MAX_ROWS");
	char *end;
	long value;

	if (!text || !*text)
		return ROWS_DEFAULT;
	value = strtol(text, &end, 10);
	return *end || value < 0 ? ROWS_DEFAULT : (size_t)value;
}

static void add_namespaces(struct ss_rows *rows)
{
	size_t count = rows->count;

	for (size_t i = 0; i < count; i++) {
		struct ss_row row = rows->items[i];

		if (row.asked ||
		    (i && strcmp(rows->items[i - 1].namespace_name, row.namespace_name) == 0))
			continue;
		row.pod[0] = '\0';
		ss_rows_add(rows, &row);
	}
}

static void print_row(const struct ss_row *row)
{
	char value[SS_ROW_SIZE], full[SS_ROW_FULL_SIZE];
	const char *display;

	ss_row_value(row, value);
	ss_row_full_value(row, full);
	/* Wireshark also looks a name up among the displays: so it finds the uncut one. */
	display = row->asked && strcmp(value, full) != 0 ? full : ss_row_display(value);
	printf("interface {value=%s}{display=%s}\n", value, display);
}

int ss_answer_interfaces(const struct ss_request *request)
{
	struct ss_rows rows = {0};
	size_t namespaces = 0, limit = rows_wanted(), pods;
	struct ss_row row;

	ss_podlist_read(&rows);
	ss_rows_sort(&rows);
	add_namespaces(&rows);
	ss_row_set_plaintext(&row);
	ss_rows_add(&rows, &row);
	ss_podlist_read_asked(&rows, getppid());
	if (request->interface && ss_row_parse(request->interface, &row)) {
		row.asked = true;
		ss_rows_add(&rows, &row);
	}
	ss_rows_sort(&rows);

	for (size_t i = 0; i < rows.count; i++)
		namespaces += !rows.items[i].pod[0] && !rows.items[i].plaintext;
	pods = limit > namespaces ? limit - namespaces : 0;
	namespaces = limit - pods;
	printf("extcap {version=" SS_VERSION "}{help=" SS_HELP_URL "}{display=StratoShark}\n");
	for (size_t i = 0; i < rows.count; i++) {
		size_t *left = rows.items[i].pod[0] ? &pods : &namespaces;

		if (rows.items[i].plaintext)
			; /* the one for all, or asked for */
		else if (*left > 0)
			(*left)--;
		else if (!rows.items[i].asked)
			continue;
		print_row(&rows.items[i]);
	}
	ss_rows_deinit(&rows);
	return EXIT_SUCCESS;
}
