/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flow_rows.h"

#include <string.h>

#define ROWS_MAX    10000 /* what comes later is summed up in the last one */
#define FLOWS_MAX   (4 * ROWS_MAX)
#define NSEC_PER_MS 1e6

/*
 * Bytes are more than an unsigned of a table holds, and a float of it has six decimals in
 * Wireshark; so they are text, as times are, at the right of so many places that Wireshark, which
 * sorts texts by their bytes, has them in order.
 */
#define PLACES 14

stat_tap_table_item ss_flow_columns[SS_FLOW_COLUMNS] = {
	{TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Client", "%s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Server", "%s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Service", "%s"},
	{TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Port", "%u"},
	{TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Protocol", "%s"},
	{TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Frames", "%u"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Bytes", "%s"},
	{TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Retransmissions", "%u"},
	{TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Resets", "%u"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Handshake p50", "%s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Handshake p95", "%s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Response p50", "%s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Response p95", "%s"},
};

static struct {
	GHashTable *flows; /* char * → struct ss_flow * */
	GPtrArray *all;    /* struct ss_flow_row *, as in the table */
	guint shown;       /* nothing is left in those behind */
} rows;

static void flow_free(void *pointer)
{
	struct ss_flow *flow = (struct ss_flow *)pointer;

	for (int i = 0; i < SS_FLOW_COLUMNS; i++)
		g_free(flow->texts[i]);
	g_free(flow);
}

static void row_free(void *pointer)
{
	struct ss_flow_row *row = (struct ss_flow_row *)pointer;

	ss_histogram_deinit(&row->handshake);
	ss_histogram_deinit(&row->answer);
	g_free(row);
}

/* tshark writes names and cells as they are: make them a table. Wireshark has one of its own. */
static void widen(enum ss_flow_column column, size_t width)
{
	static char *names[SS_FLOW_COLUMNS], *formats[SS_FLOW_COLUMNS];
	static size_t widths[SS_FLOW_COLUMNS];
	stat_tap_table_item *item = &ss_flow_columns[column];
	const char *left = item->align == TAP_ALIGN_LEFT ? "-" : "";
	g_autofree char *name = NULL;

	if (width <= widths[column] || g_strcmp0(g_get_prgname(), "tshark") != 0)
		return;
	widths[column] = width;
	name = g_strstrip(g_strdup(item->column_name));
	g_free(formats[column]);
	formats[column] = g_strdup_printf("%%%s%zu%s", left, width,
					  item->type == TABLE_ITEM_UINT ? "u" : "s");
	g_free(names[column]);
	names[column] = g_strdup_printf(*left ? "%-*s" : "%*s", (int)width, name);
	item->field_format = formats[column];
	item->column_name = names[column];
}

static void set_text(stat_tap_table *table, guint row, enum ss_flow_column column, const char *text)
{
	stat_tap_table_item_type *item = stat_tap_get_field_data(table, row, column);

	g_free((void *)(uintptr_t)item->value.string_value);
	item->value.string_value = ss_flow_columns[column].align == TAP_ALIGN_RIGHT
					   ? g_strdup_printf("%*s", PLACES, text)
					   : g_strdup(text);
	widen(column, g_utf8_strlen(item->value.string_value, -1));
}

static void set_count(stat_tap_table *table, guint row, enum ss_flow_column column, unsigned count)
{
	stat_tap_get_field_data(table, row, column)->value.uint_value = count;
}

static void set_time(stat_tap_table *table, guint row, enum ss_flow_column column,
		     const struct ss_histogram *histogram, double share)
{
	double time_ms = (double)ss_histogram_quantile(histogram, share) / NSEC_PER_MS;
	char text[32];

	snprintf(text, sizeof(text), "%.3f ms", time_ms);
	set_text(table, row, column, histogram->count ? text : "-");
}

static void show_handshakes(stat_tap_table *table, const struct ss_flow_row *row)
{
	set_time(table, row->number, SS_FLOW_HANDSHAKE_MEDIAN, &row->handshake, 0.5);
	set_time(table, row->number, SS_FLOW_HANDSHAKE_P95, &row->handshake, 0.95);
}

static void show_answers(stat_tap_table *table, const struct ss_flow_row *row)
{
	set_time(table, row->number, SS_FLOW_ANSWER_MEDIAN, &row->answer, 0.5);
	set_time(table, row->number, SS_FLOW_ANSWER_P95, &row->answer, 0.95);
}

static void show_counts(stat_tap_table *table, const struct ss_flow_row *row)
{
	char bytes[32];

	set_count(table, row->number, SS_FLOW_FRAMES, row->counts[SS_FLOW_FRAMES]);
	set_count(table, row->number, SS_FLOW_RETRANSMISSIONS,
		  row->counts[SS_FLOW_RETRANSMISSIONS]);
	set_count(table, row->number, SS_FLOW_RESETS, row->counts[SS_FLOW_RESETS]);
	snprintf(bytes, sizeof(bytes), "%.0f", row->bytes);
	set_text(table, row->number, SS_FLOW_BYTES, bytes);
}

void ss_flow_row_show(stat_tap_table *table, const struct ss_flow_row *row, enum ss_flow_part part)
{
	if (part & SS_FLOW_COUNTS)
		show_counts(table, row);
	if (part & SS_FLOW_HANDSHAKES)
		show_handshakes(table, row);
	if (part & SS_FLOW_ANSWERS)
		show_answers(table, row);
}

void ss_flow_row_rename(stat_tap_table *table, struct ss_flow_row *row, struct ss_flow *flow)
{
	if (row->flow)
		row->flow->row = NULL;
	row->flow = flow;
	flow->row = row;
	for (int i = 0; i < SS_FLOW_COLUMNS; i++) {
		if (flow->texts[i])
			set_text(table, row->number, (enum ss_flow_column)i, flow->texts[i]);
	}
	set_count(table, row->number, SS_FLOW_PORT, flow->port);
}

static struct ss_flow_row *add_row(stat_tap_table *table)
{
	stat_tap_table_item_type items[SS_FLOW_COLUMNS] = {0};
	struct ss_flow_row *row = g_new0(struct ss_flow_row, 1);

	for (int i = 0; i < SS_FLOW_COLUMNS; i++)
		items[i].type = ss_flow_columns[i].type;
	row->number = rows.all->len;
	g_ptr_array_add(rows.all, row);
	rows.shown = rows.all->len;
	stat_tap_init_table_row(table, row->number, SS_FLOW_COLUMNS, items);
	ss_flow_row_show(table, row, SS_FLOW_ALL);
	return row;
}

static void swap_rows(stat_tap_table *table, struct ss_flow_row *one, struct ss_flow_row *other)
{
	guint number = one->number;

	for (int i = 0; i < SS_FLOW_COLUMNS; i++) {
		stat_tap_table_item_type *a = stat_tap_get_field_data(table, number, (guint)i);
		stat_tap_table_item_type *b =
			stat_tap_get_field_data(table, other->number, (guint)i);
		stat_tap_table_item_type saved = *a;

		*a = *b;
		*b = saved;
	}
	one->number = other->number;
	other->number = number;
	rows.all->pdata[one->number] = one;
	rows.all->pdata[other->number] = other;
}

/* Nothing is left in it: the table ends before it. Its cells stay, because Wireshark's window keeps
 * pointers to them. */
void ss_flow_row_hide(stat_tap_table *table, struct ss_flow_row *row)
{
	row->flow->row = NULL;
	row->flow = NULL;
	row->bytes = 0;
	memset(row->counts, 0, sizeof(row->counts));
	ss_histogram_deinit(&row->handshake);
	ss_histogram_deinit(&row->answer);
	for (int i = 0; i < SS_FLOW_COLUMNS; i++) {
		if (ss_flow_columns[i].type == TABLE_ITEM_STRING)
			set_text(table, row->number, (enum ss_flow_column)i, "");
	}
	set_count(table, row->number, SS_FLOW_PORT, 0);
	ss_flow_row_show(table, row, SS_FLOW_ALL);
	swap_rows(table, row, (struct ss_flow_row *)rows.all->pdata[rows.shown - 1]);
	table->num_elements = --rows.shown;
}

static const char *const others[SS_FLOW_COLUMNS] = {[SS_FLOW_CLIENT] = "(others)",
						    [SS_FLOW_SERVER] = "(others)",
						    [SS_FLOW_SERVICE] = "",
						    [SS_FLOW_PROTOCOL] = ""};

struct ss_flow *ss_flow_find(const char *const texts[SS_FLOW_COLUMNS], unsigned port, bool is_pod)
{
	g_autofree char *key = NULL;
	struct ss_flow *flow;

	key = g_strdup_printf("%s\t%s\t%s\t%u\t%s", texts[SS_FLOW_CLIENT], texts[SS_FLOW_SERVER],
			      texts[SS_FLOW_SERVICE], port, texts[SS_FLOW_PROTOCOL]);
	flow = (struct ss_flow *)g_hash_table_lookup(rows.flows, key);
	if (flow)
		return flow;
	if (texts != others && g_hash_table_size(rows.flows) >= FLOWS_MAX)
		return ss_flow_find(others, 0, true);
	flow = g_new0(struct ss_flow, 1);
	for (int i = 0; i < SS_FLOW_COLUMNS; i++)
		flow->texts[i] = g_strdup(texts[i]);
	flow->port = port;
	flow->is_pod = is_pod;
	g_hash_table_insert(rows.flows, g_steal_pointer(&key), flow);
	return flow;
}

static struct ss_flow_row *show_again(stat_tap_table *table)
{
	struct ss_flow_row *row = (struct ss_flow_row *)rows.all->pdata[rows.shown++];

	table->num_elements = rows.shown;
	return row;
}

struct ss_flow_row *ss_flow_row_of(stat_tap_table *table, struct ss_flow *flow)
{
	struct ss_flow_row *row;

	if (flow->row)
		return flow->row;
	if (rows.shown < rows.all->len)
		row = show_again(table);
	else if (rows.all->len >= ROWS_MAX - 1 &&
		 strcmp(flow->texts[SS_FLOW_CLIENT], others[SS_FLOW_CLIENT]))
		return ss_flow_row_of(table, ss_flow_find(others, 0, true));
	else
		row = add_row(table);
	ss_flow_row_rename(table, row, flow);
	return row;
}

void ss_flow_rows_free_item(stat_tap_table *table, guint row, guint column,
			    stat_tap_table_item_type *item)
{
	(void)table;
	(void)row;
	(void)column;
	if (item->type == TABLE_ITEM_STRING)
		g_free((void *)(uintptr_t)item->value.string_value);
}

void ss_flow_rows_begin(void)
{
	for (int i = 0; i < SS_FLOW_COLUMNS; i++)
		widen((enum ss_flow_column)i, strlen(ss_flow_columns[i].column_name));
	widen(SS_FLOW_PORT, strlen("65535"));
	widen(SS_FLOW_FRAMES, strlen("4294967295"));
	g_clear_pointer(&rows.all, g_ptr_array_unref);
	g_clear_pointer(&rows.flows, g_hash_table_unref);
	rows.shown = 0;
	rows.all = g_ptr_array_new_with_free_func(row_free);
	rows.flows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, flow_free);
}

void ss_flow_rows_reset(stat_tap_table *table)
{
	if (rows.all) /* of this table: the hidden ones as well */
		table->num_elements = MAX(table->num_elements, rows.all->len);
	for (guint row = 0; row < table->num_elements; row++) {
		for (guint column = 0; column < table->num_fields; column++)
			ss_flow_rows_free_item(table, row, column, &table->elements[row][column]);
		g_free(table->elements[row]);
	}
	g_clear_pointer(&table->elements, g_free);
	table->num_elements = 0;
	ss_flow_rows_begin();
}
