/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of Kubernetes Flows, as Wireshark's table has them: each of a flow, which is a client, a
 * server, a service, its port and protocol. Wireshark has one table of us at a time.
 *
 * A row that becomes empty goes to the end, behind what the table says it has.
 */
#ifndef SS_PLUGIN_FLOW_ROWS_H
#define SS_PLUGIN_FLOW_ROWS_H

#include "compat.h"

#include <epan/stat_tap_ui.h>

#include "histogram.h"

enum ss_flow_column {
	SS_FLOW_CLIENT,
	SS_FLOW_SERVER,
	SS_FLOW_SERVICE,
	SS_FLOW_PORT,
	SS_FLOW_PROTOCOL,
	SS_FLOW_FRAMES,
	SS_FLOW_BYTES,
	SS_FLOW_RETRANSMISSIONS,
	SS_FLOW_RESETS,
	SS_FLOW_HANDSHAKE_MEDIAN,
	SS_FLOW_HANDSHAKE_P95,
	SS_FLOW_ANSWER_MEDIAN,
	SS_FLOW_ANSWER_P95,
	SS_FLOW_COLUMNS
};

struct ss_flow_row;

/* Who, whom, where. Each is there once. */
struct ss_flow {
	char *texts[SS_FLOW_COLUMNS]; /* of client, server, service, protocol */
	unsigned port;
	bool is_pod;              /* the server is one */
	struct ss_flow_row *row;  /* NULL: none */
	struct ss_flow *answered; /* where the last of its connections went, with its second view */
};

struct ss_flow_row {
	guint number; /* in the table */
	struct ss_flow *flow;
	unsigned members;
	double bytes;
	unsigned counts[SS_FLOW_COLUMNS]; /* those of columns that count */
	struct ss_histogram handshake, answer;
};

extern stat_tap_table_item ss_flow_columns[SS_FLOW_COLUMNS];

enum ss_flow_part {
	SS_FLOW_COUNTS = 1,
	SS_FLOW_HANDSHAKES = 2,
	SS_FLOW_ANSWERS = 4,
	SS_FLOW_ALL = 7,
};

/* Of a new table. Flows and rows of the last one are gone. */
void ss_flow_rows_begin(void);
/* The same for a table that is used again: its rows go, too. */
void ss_flow_rows_reset(stat_tap_table *table);
/* Frees what is in a cell: a callback of Wireshark. */
void ss_flow_rows_free_item(stat_tap_table *table, guint row, guint column,
			    stat_tap_table_item_type *item);

/* The flow with these texts, borrowed until there is another table. When there are too many:
 * "(others)". */
struct ss_flow *ss_flow_find(const char *const texts[SS_FLOW_COLUMNS], unsigned port, bool is_pod);
/* Its row, perhaps a new one; the last one is of all for which there is no room. */
struct ss_flow_row *ss_flow_row_of(stat_tap_table *table, struct ss_flow *flow);
/* The row has nothing in it, or goes to another flow with all that it has. */
void ss_flow_row_rename(stat_tap_table *table, struct ss_flow_row *row, struct ss_flow *flow);
/* Nothing is left in it: the table ends before it. */
void ss_flow_row_hide(stat_tap_table *table, struct ss_flow_row *row);
/* Writes what the row has to its cells. */
void ss_flow_row_show(stat_tap_table *table, const struct ss_flow_row *row, enum ss_flow_part part);

#endif
