/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of flows. A row is a pair of workloads (or services, nodes, addresses), the server's
 * port and protocol; connections find their row once. Wireshark has one table of us at a time.
 */
#include "flows.h"
#include "compat.h"

#include <netinet/in.h>
#include <string.h>

#include <epan/stat_tap_ui.h>
#include <epan/strutil.h>

#include "connection.h"
#include "histogram.h"

#define ROWS_MAX    10000 /* what comes later is summed up in the last one */
#define NSEC_PER_MS 1e6

enum column {
	CLIENT,
	SERVER,
	SERVICE,
	PORT,
	PROTOCOL,
	FRAMES,
	BYTES,
	RETRANSMISSIONS,
	RESETS,
	HANDSHAKE_MEDIAN,
	HANDSHAKE_P95,
	ANSWER_MEDIAN,
	ANSWER_P95,
	COLUMNS
};

/* Bytes as a float: it counts to 2^53, an unsigned of a table only to 2^32. */
static stat_tap_table_item columns[COLUMNS] = {
	{TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Client", "%-40s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Server", "%-40s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Service", "%-24s"},
	{TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Port", "%5u"},
	{TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Protocol", "%-8s"},
	{TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Frames", "%8u"},
	{TABLE_ITEM_FLOAT, TAP_ALIGN_RIGHT, "Bytes", "%11.0f"},
	{TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Retransmissions", "%15u"},
	{TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Resets", "%6u"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Handshake ms", "%12s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Handshake p95", "%13s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Response ms", "%12s"},
	{TABLE_ITEM_STRING, TAP_ALIGN_RIGHT, "Response p95", "%12s"},
};

struct row {
	double bytes;
	unsigned counts[COLUMNS]; /* those of columns that count */
	struct ss_histogram handshake, answer;
};

static struct {
	GHashTable *connections; /* guint64 * → struct ss_connection * */
	GHashTable *rows_by_key; /* char * → row number + 1 */
	GPtrArray *rows;         /* struct row * */
} flows;

static void row_free(void *pointer)
{
	struct row *row = (struct row *)pointer;

	ss_histogram_deinit(&row->handshake);
	ss_histogram_deinit(&row->answer);
	g_free(row);
}

static void forget(void)
{
	g_clear_pointer(&flows.connections, g_hash_table_unref);
	g_clear_pointer(&flows.rows_by_key, g_hash_table_unref);
	g_clear_pointer(&flows.rows, g_ptr_array_unref);
}

static void begin(void)
{
	forget();
	flows.connections = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	flows.rows_by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	flows.rows = g_ptr_array_new_with_free_func(row_free);
}

/* "production/Deployment/api", else the name of what is there. */
static const char *party(wmem_allocator_t *scope, const struct ss_side *side)
{
	const char *workload = ss_side_workload(side), *namespace = ss_side_namespace(side), *text;

	if (!workload)
		return ss_side_name(scope, side);
	text = wmem_strdup_printf(scope, "%s/%s", namespace ? namespace : "", workload);
	return (const char *)format_text(scope, (const void *)text, strlen(text));
}

/* "api, api-headless"; "" without. */
static const char *services(wmem_allocator_t *scope, const struct ss_side *side)
{
	wmem_strbuf_t *text = wmem_strbuf_new(scope, "");

	for (unsigned i = 0; i < side->services_count; i++)
		wmem_strbuf_append_printf(text, "%s%s", i ? ", " : "", side->services[i]->name);
	return (const char *)format_text(scope, (const void *)wmem_strbuf_get_str(text),
					 wmem_strbuf_get_len(text));
}

static const char *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	default:
		return "other";
	}
}

static stat_tap_table_item_type text_item(const char *text)
{
	stat_tap_table_item_type item = {.type = TABLE_ITEM_STRING};

	item.value.string_value = g_strdup(text);
	return item;
}

static void add_row(stat_tap_table *table, guint number, const char *const texts[COLUMNS],
		    unsigned port)
{
	stat_tap_table_item_type items[COLUMNS] = {0};

	for (int i = 0; i < COLUMNS; i++) {
		items[i].type = columns[i].type;
		if (columns[i].type == TABLE_ITEM_STRING)
			items[i] = text_item(texts[i] ? texts[i] : "-");
	}
	items[PORT].value.uint_value = port;
	stat_tap_init_table_row(table, number, COLUMNS, items);
	g_ptr_array_add(flows.rows, g_new0(struct row, 1));
}

static unsigned find_row(stat_tap_table *table, const packet_info *pinfo,
			 const struct ss_tap *record, bool from_client)
{
	const struct ss_side *client = from_client ? &record->sides.src : &record->sides.dst;
	const struct ss_side *server = from_client ? &record->sides.dst : &record->sides.src;
	const char *texts[COLUMNS] = {
		[CLIENT] = party(pinfo->pool, client),
		[SERVER] = party(pinfo->pool, server),
		[SERVICE] = services(pinfo->pool, server),
		[PROTOCOL] = protocol_name(record->transport.protocol),
	};
	unsigned port = record->transport.protocol ? server->port : 0;
	char *key;
	guint number;

	if (flows.rows->len >= ROWS_MAX - 1) {
		texts[CLIENT] = texts[SERVER] = "(others)";
		texts[SERVICE] = texts[PROTOCOL] = NULL;
		port = 0;
	}
	key = g_strdup_printf("%s\t%s\t%s\t%u\t%s", texts[CLIENT], texts[SERVER],
			      texts[SERVICE] ? texts[SERVICE] : "", port,
			      texts[PROTOCOL] ? texts[PROTOCOL] : "");
	number = GPOINTER_TO_UINT(g_hash_table_lookup(flows.rows_by_key, key));
	if (number) {
		g_free(key);
		return number - 1;
	}
	number = flows.rows->len;
	g_hash_table_insert(flows.rows_by_key, key, GUINT_TO_POINTER(number + 1));
	add_row(table, number, texts, port);
	return number;
}

static struct ss_connection *find_connection(stat_tap_table *table, const packet_info *pinfo,
					     const struct ss_tap *record)
{
	gint64 key = (gint64)record->transport.protocol << 32 | record->transport.stream;
	struct ss_connection *connection =
		(struct ss_connection *)g_hash_table_lookup(flows.connections, &key);
	bool from_client;

	if (connection)
		return connection;
	from_client = ss_connection_from_client(pinfo, record);
	connection = g_new(struct ss_connection, 1);
	ss_connection_init(connection, pinfo, from_client);
	connection->row = find_row(table, pinfo, record, from_client);
	g_hash_table_insert(flows.connections, g_memdup2(&key, sizeof(key)), connection);
	return connection;
}

static void show_count(stat_tap_table *table, unsigned row, enum column column, unsigned count)
{
	stat_tap_get_field_data(table, row, column)->value.uint_value = count;
}

static void show_time(stat_tap_table *table, unsigned row, enum column column,
		      const struct ss_histogram *histogram, double share)
{
	stat_tap_table_item_type *item = stat_tap_get_field_data(table, row, column);
	double time_ms = (double)ss_histogram_quantile(histogram, share) / NSEC_PER_MS;

	g_free((void *)(uintptr_t)item->value.string_value);
	item->value.string_value = g_strdup_printf("%.3f", time_ms);
}

static void show(stat_tap_table *table, unsigned number, const struct row *row,
		 const struct ss_connection_step *step)
{
	show_count(table, number, FRAMES, row->counts[FRAMES]);
	show_count(table, number, RETRANSMISSIONS, row->counts[RETRANSMISSIONS]);
	show_count(table, number, RESETS, row->counts[RESETS]);
	stat_tap_get_field_data(table, number, BYTES)->value.float_value = row->bytes;
	if (step->has_handshake) {
		show_time(table, number, HANDSHAKE_MEDIAN, &row->handshake, 0.5);
		show_time(table, number, HANDSHAKE_P95, &row->handshake, 0.95);
	}
	if (step->has_answer) {
		show_time(table, number, ANSWER_MEDIAN, &row->answer, 0.5);
		show_time(table, number, ANSWER_P95, &row->answer, 0.95);
	}
}

static tap_packet_status count(void *data, packet_info *pinfo, epan_dissect_t *edt,
			       const void *tapped, tap_flags_t flags)
{
	const stat_data_t *stat_data = (const stat_data_t *)data;
	const struct ss_tap *record = (const struct ss_tap *)tapped;
	stat_tap_table *table =
		g_array_index(stat_data->stat_tap_data->tables, stat_tap_table *, 0);
	struct ss_connection_step step;
	struct ss_connection *connection;
	struct row *row;

	(void)edt;
	(void)flags;
	if (record->transport.again || record->sides.src.address->type == AT_NONE)
		return TAP_PACKET_DONT_REDRAW;
	connection = find_connection(table, pinfo, record);
	ss_connection_step(connection, pinfo, &record->transport, &step);
	row = (struct row *)flows.rows->pdata[connection->row];
	row->counts[FRAMES]++;
	row->counts[RETRANSMISSIONS] += step.retransmission;
	row->counts[RESETS] += step.reset;
	row->bytes += pinfo->fd->pkt_len;
	if (step.has_handshake)
		ss_histogram_add(&row->handshake, step.handshake_ns);
	if (step.has_answer)
		ss_histogram_add(&row->answer, step.answer_ns);
	show(table, connection->row, row, &step);
	return TAP_PACKET_REDRAW;
}

static void free_item(stat_tap_table *table, guint row, guint column,
		      stat_tap_table_item_type *item)
{
	(void)table;
	(void)row;
	(void)column;
	if (item->type == TABLE_ITEM_STRING)
		g_free((void *)(uintptr_t)item->value.string_value);
}

/* Rows go as well: another filter has others. */
static void reset(stat_tap_table *table)
{
	for (guint row = 0; row < table->num_elements; row++) {
		for (guint column = 0; column < table->num_fields; column++)
			free_item(table, row, column, &table->elements[row][column]);
		g_free(table->elements[row]);
	}
	g_clear_pointer(&table->elements, g_free);
	table->num_elements = 0;
	begin();
}

static void init(stat_tap_table_ui *ui)
{
	static const char title[] = "Kubernetes Flows";
	stat_tap_table *table = stat_tap_find_table(ui, title);

	if (table) {
		reset(table);
		return;
	}
	begin();
	stat_tap_add_table(ui, stat_tap_init_table(title, COLUMNS, 0, NULL));
}

void ss_flows_register(void)
{
	static tap_param filter[] = {{PARAM_FILTER, "filter", "Filter", NULL, true}};
	static stat_tap_table_ui ui = {
		.group = REGISTER_PACKET_STAT_GROUP_UNSORTED,
		.title = "Kubernetes Flows",
		.tap_name = "stratoshark",
		.cli_string = "stratoshark,flows",
		.stat_tap_init_cb = init,
		.packet_func = count,
		.stat_tap_reset_table_cb = reset,
		.stat_tap_free_table_item_cb = free_item,
		.nfields = COLUMNS,
		.fields = columns,
		.nparams = G_N_ELEMENTS(filter),
		.params = filter,
	};

	register_stat_tap_table_ui(&ui);
}
