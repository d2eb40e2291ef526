/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of flows. A row is a pair of workloads (or services, nodes, addresses), the server's
 * port and protocol; connections find their row once. Wireshark has one table of us at a time.
 *
 * A connection captured at both of its ends is one, whose frames are those of the end that was seen
 * first. If a service's address was translated between them, only the second view tells which
 * workload answers: its first frame moves the connection to the row of that. So that rows of
 * services do not come and go, a new connection is put where the last one of its kind went, until
 * its second frame comes without the other view.
 */
#include "flows.h"
#include "compat.h"

#include <netinet/in.h>
#include <string.h>

#include <epan/stat_tap_ui.h>
#include <epan/strutil.h>

#include "connection.h"
#include "histogram.h"
#include "twins.h"

#define ROWS_MAX    10000 /* what comes later is summed up in the last one */
#define FLOWS_MAX   (4 * ROWS_MAX)
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

/*
 * Bytes are more than an unsigned of a table holds, and a float of it has six decimals in
 * Wireshark; so they are text, as times are, at the right of so many places that Wireshark, which
 * sorts texts by their bytes, has them in order.
 */
#define PLACES 14

static stat_tap_table_item columns[COLUMNS] = {
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

struct row;

/* Who, whom, where. Each is there once. */
struct flow {
	char *texts[COLUMNS]; /* CLIENT, SERVER, SERVICE, PROTOCOL */
	unsigned port;
	bool is_pod;           /* the server is one */
	struct row *row;       /* NULL: none */
	struct flow *answered; /* where the last of its connections went, with its second view */
};

struct row {
	guint number; /* in the table */
	struct flow *flow;
	unsigned members;
	double bytes;
	unsigned counts[COLUMNS]; /* those of columns that count */
	struct ss_histogram handshake, answer;
};

/* A connection, and what it has in its row. */
struct member {
	struct ss_connection connection;
	uint32_t stream;   /* of the view that counts */
	struct flow *flow; /* of that view */
	struct row *row;
	bool is_guess; /* the row is that of flow->answered */
	bool has_handshake, has_answer;
	uint64_t handshake_ns;
	double bytes;
	unsigned counts[COLUMNS];
};

static struct {
	GHashTable *connections; /* guint64 * → struct member *, of each view */
	GPtrArray *members;      /* struct member * */
	GHashTable *flows;       /* char * → struct flow * */
	GPtrArray *rows;         /* struct row * */
	struct row *spare;       /* nothing is left in it; NULL: none */
	struct ss_twins *twins;
} flows;

static void flow_free(void *pointer)
{
	struct flow *flow = (struct flow *)pointer;

	for (int i = 0; i < COLUMNS; i++)
		g_free(flow->texts[i]);
	g_free(flow);
}

static void row_free(void *pointer)
{
	struct row *row = (struct row *)pointer;

	ss_histogram_deinit(&row->handshake);
	ss_histogram_deinit(&row->answer);
	g_free(row);
}

static void forget(void)
{
	g_clear_pointer(&flows.twins, ss_twins_free);
	g_clear_pointer(&flows.connections, g_hash_table_unref);
	g_clear_pointer(&flows.members, g_ptr_array_unref);
	g_clear_pointer(&flows.rows, g_ptr_array_unref);
	g_clear_pointer(&flows.flows, g_hash_table_unref);
	flows.spare = NULL;
}

static void begin(void)
{
	forget();
	flows.twins = ss_twins_new();
	flows.connections = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	flows.members = g_ptr_array_new_with_free_func(g_free);
	flows.rows = g_ptr_array_new_with_free_func(row_free);
	flows.flows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, flow_free);
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

/* tshark writes names and cells as they are: make them a table. Wireshark has one of its own. */
static void widen(enum column column, size_t width)
{
	static char *names[COLUMNS], *formats[COLUMNS];
	static size_t widths[COLUMNS];
	stat_tap_table_item *item = &columns[column];
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

static void set_text(stat_tap_table *table, guint row, enum column column, const char *text)
{
	stat_tap_table_item_type *item = stat_tap_get_field_data(table, row, column);

	g_free((void *)(uintptr_t)item->value.string_value);
	item->value.string_value = columns[column].align == TAP_ALIGN_RIGHT
					   ? g_strdup_printf("%*s", PLACES, text)
					   : g_strdup(text);
	widen(column, g_utf8_strlen(item->value.string_value, -1));
}

static void set_count(stat_tap_table *table, guint row, enum column column, unsigned count)
{
	stat_tap_get_field_data(table, row, column)->value.uint_value = count;
}

static void set_time(stat_tap_table *table, guint row, enum column column,
		     const struct ss_histogram *histogram, double share)
{
	double time_ms = (double)ss_histogram_quantile(histogram, share) / NSEC_PER_MS;
	char text[32];

	snprintf(text, sizeof(text), "%.3f ms", time_ms);
	set_text(table, row, column, histogram->count ? text : "-");
}

static void show_handshakes(stat_tap_table *table, const struct row *row)
{
	set_time(table, row->number, HANDSHAKE_MEDIAN, &row->handshake, 0.5);
	set_time(table, row->number, HANDSHAKE_P95, &row->handshake, 0.95);
}

static void show_answers(stat_tap_table *table, const struct row *row)
{
	set_time(table, row->number, ANSWER_MEDIAN, &row->answer, 0.5);
	set_time(table, row->number, ANSWER_P95, &row->answer, 0.95);
}

static void show_counts(stat_tap_table *table, const struct row *row)
{
	char bytes[32];

	set_count(table, row->number, FRAMES, row->counts[FRAMES]);
	set_count(table, row->number, RETRANSMISSIONS, row->counts[RETRANSMISSIONS]);
	set_count(table, row->number, RESETS, row->counts[RESETS]);
	snprintf(bytes, sizeof(bytes), "%.0f", row->bytes);
	set_text(table, row->number, BYTES, bytes);
}

/* The row has nothing in it, or goes to another flow with all that it has. */
static void rename_row(stat_tap_table *table, struct row *row, struct flow *flow)
{
	if (row->flow)
		row->flow->row = NULL;
	row->flow = flow;
	flow->row = row;
	for (int i = 0; i < COLUMNS; i++) {
		if (flow->texts[i])
			set_text(table, row->number, (enum column)i, flow->texts[i]);
	}
	set_count(table, row->number, PORT, flow->port);
}

static struct row *add_row(stat_tap_table *table)
{
	stat_tap_table_item_type items[COLUMNS] = {0};
	struct row *row = g_new0(struct row, 1);

	for (int i = 0; i < COLUMNS; i++)
		items[i].type = columns[i].type;
	row->number = flows.rows->len;
	g_ptr_array_add(flows.rows, row);
	stat_tap_init_table_row(table, row->number, COLUMNS, items);
	show_counts(table, row);
	show_handshakes(table, row);
	show_answers(table, row);
	return row;
}

static const char *const others[COLUMNS] = {
	[CLIENT] = "(others)", [SERVER] = "(others)", [SERVICE] = "", [PROTOCOL] = ""};

static struct flow *find_flow(const char *const texts[COLUMNS], unsigned port, bool is_pod)
{
	g_autofree char *key = NULL;
	struct flow *flow;

	key = g_strdup_printf("%s\t%s\t%s\t%u\t%s", texts[CLIENT], texts[SERVER], texts[SERVICE],
			      port, texts[PROTOCOL]);
	flow = (struct flow *)g_hash_table_lookup(flows.flows, key);
	if (flow)
		return flow;
	if (texts != others && g_hash_table_size(flows.flows) >= FLOWS_MAX)
		return find_flow(others, 0, true);
	flow = g_new0(struct flow, 1);
	for (int i = 0; i < COLUMNS; i++)
		flow->texts[i] = g_strdup(texts[i]);
	flow->port = port;
	flow->is_pod = is_pod;
	g_hash_table_insert(flows.flows, g_steal_pointer(&key), flow);
	return flow;
}

/* The row of a flow; the last one is of all for which there is none. */
static struct row *row_of(stat_tap_table *table, struct flow *flow)
{
	struct row *row = flow->row;

	if (row && row != flows.spare)
		return row;
	if (!row)
		row = flows.spare;
	if (!row && flows.rows->len >= ROWS_MAX - 1 && strcmp(flow->texts[CLIENT], others[CLIENT]))
		return row_of(table, find_flow(others, 0, true));
	if (!row)
		row = add_row(table);
	flows.spare = NULL;
	if (flow->row != row)
		rename_row(table, row, flow);
	return row;
}

/* As a view of a connection has it. */
static struct flow *flow_of_view(const packet_info *pinfo, const struct ss_tap *record,
				 bool from_client)
{
	const struct ss_side *client = from_client ? &record->sides.src : &record->sides.dst;
	const struct ss_side *server = from_client ? &record->sides.dst : &record->sides.src;
	const char *texts[COLUMNS] = {
		[CLIENT] = party(pinfo->pool, client),
		[SERVER] = party(pinfo->pool, server),
		[SERVICE] = services(pinfo->pool, server),
		[PROTOCOL] = protocol_name(record->transport.protocol),
	};

	return find_flow(texts, record->transport.protocol ? server->port : 0,
			 server->kind == SS_KIND_POD);
}

/* The client and the service of one view, with the workload that answers of the other one. */
static struct flow *flow_of_both(const struct flow *before, const struct flow *after)
{
	/* Without a description of the service it is its address that the client knows it by. */
	const char *service =
		before->texts[SERVICE][0] ? before->texts[SERVICE] : before->texts[SERVER];
	const char *texts[COLUMNS] = {
		[CLIENT] = before->texts[CLIENT],
		[SERVER] = after->texts[SERVER],
		[SERVICE] = service,
		[PROTOCOL] = before->texts[PROTOCOL],
	};

	return find_flow(texts, before->port, true);
}

static void put(struct member *member, struct row *row)
{
	member->row = row;
	row->members++;
}

/* With all it has; but answers stay, which are many: then what is to come goes there only. */
static void move(stat_tap_table *table, struct member *member, struct flow *flow)
{
	struct row *from = member->row, *to;

	if (!flow->row && from->members == 1 && from->counts[FRAMES] == member->counts[FRAMES]) {
		rename_row(table, from, flow);
		return;
	}
	to = row_of(table, flow);
	if (to == from)
		return;
	from->members--;
	put(member, to);
	if (member->has_answer) {
		member->has_handshake = member->has_answer = false;
		member->bytes = 0;
		memset(member->counts, 0, sizeof(member->counts));
		return;
	}
	for (int i = 0; i < COLUMNS; i++) {
		from->counts[i] -= member->counts[i];
		to->counts[i] += member->counts[i];
	}
	from->bytes -= member->bytes;
	to->bytes += member->bytes;
	if (member->has_handshake) {
		ss_histogram_remove(&from->handshake, member->handshake_ns);
		ss_histogram_add(&to->handshake, member->handshake_ns);
		show_handshakes(table, from);
		show_handshakes(table, to);
	}
	show_counts(table, from);
	show_counts(table, to);
	if (from->counts[FRAMES] == 0)
		flows.spare = from;
}

/* The second view of a connection: now it is known who answers. */
static void fold(stat_tap_table *table, struct member *member, struct flow *flow)
{
	struct flow *before = member->flow, *after = flow, *both;

	if (before->is_pod && !after->is_pod) {
		before = flow;
		after = member->flow;
	}
	both = flow_of_both(before, after);
	member->is_guess = false;
	before->answered = both;
	move(table, member, both);
}

static struct member *member_new(stat_tap_table *table, const packet_info *pinfo,
				 const struct ss_tap *record)
{
	struct member *member = g_new0(struct member, 1), *seen;
	bool from_client = ss_connection_from_client(pinfo, record);

	ss_connection_init(&member->connection, pinfo, from_client);
	member->stream = record->transport.stream;
	member->flow = flow_of_view(pinfo, record, from_client);
	seen = (struct member *)ss_twins_meet(flows.twins, pinfo, record, &member->connection);
	if (seen) {
		fold(table, seen, member->flow);
		g_free(member);
		return seen;
	}
	member->is_guess = member->flow->answered;
	put(member, row_of(table, member->is_guess ? member->flow->answered : member->flow));
	g_ptr_array_add(flows.members, member);
	return member;
}

static struct member *find_member(stat_tap_table *table, const packet_info *pinfo,
				  const struct ss_tap *record)
{
	gint64 key = (gint64)record->transport.protocol << 32 | record->transport.stream;
	struct member *member = (struct member *)g_hash_table_lookup(flows.connections, &key);

	if (!member) {
		member = member_new(table, pinfo, record);
		g_hash_table_insert(flows.connections, g_memdup2(&key, sizeof(key)), member);
	} else if (member->is_guess && member->stream == record->transport.stream) {
		member->is_guess = false;
		move(table, member, member->flow);
	}
	return member;
}

static void add(stat_tap_table *table, struct member *member, unsigned bytes,
		const struct ss_connection_step *step)
{
	struct row *row = member->row;
	const unsigned counts[COLUMNS] = {
		[FRAMES] = 1,
		[RETRANSMISSIONS] = step->retransmission,
		[RESETS] = step->reset,
	};

	for (int i = 0; i < COLUMNS; i++) {
		member->counts[i] += counts[i];
		row->counts[i] += counts[i];
	}
	member->bytes += bytes;
	row->bytes += bytes;
	if (step->has_handshake) {
		member->has_handshake = true;
		member->handshake_ns = step->handshake_ns;
		ss_histogram_add(&row->handshake, step->handshake_ns);
		show_handshakes(table, row);
	}
	if (step->has_answer) {
		member->has_answer = true;
		ss_histogram_add(&row->answer, step->answer_ns);
		show_answers(table, row);
	}
	show_counts(table, row);
}

static tap_packet_status count(void *data, packet_info *pinfo, epan_dissect_t *edt,
			       const void *tapped, tap_flags_t flags)
{
	const stat_data_t *stat_data = (const stat_data_t *)data;
	const struct ss_tap *record = (const struct ss_tap *)tapped;
	stat_tap_table *table =
		g_array_index(stat_data->stat_tap_data->tables, stat_tap_table *, 0);
	struct ss_connection_step step;
	struct member *member;

	(void)edt;
	(void)flags;
	if (record->transport.again || record->sides.src.address->type == AT_NONE)
		return TAP_PACKET_DONT_REDRAW;
	member = find_member(table, pinfo, record);
	if (member->stream != record->transport.stream)
		return TAP_PACKET_REDRAW; /* counted where it was seen first */
	ss_connection_step(&member->connection, pinfo, &record->transport, &step);
	add(table, member, pinfo->fd->pkt_len, &step);
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

	for (int i = 0; i < COLUMNS; i++)
		widen((enum column)i, strlen(columns[i].column_name));
	widen(PORT, strlen("65535"));
	widen(FRAMES, strlen("4294967295"));
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
