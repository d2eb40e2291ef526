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
 *
 * Names may be told behind the first frames that need them. What is learned of the ends of one
 * connection holds for all between these addresses that were before: all move to the row of that.
 */
#include "flows.h"
#include "compat.h"

#include <netinet/in.h>
#include <string.h>

#include <epan/stat_tap_ui.h>
#include <epan/strutil.h>
#include <epan/to_str.h>

#include "connection.h"
#include "histogram.h"
#include "twins.h"

#define ROWS_MAX    10000 /* what comes later is summed up in the last one */
#define FLOWS_MAX   (4 * ROWS_MAX)
#define ANSWERS_MAX 64 /* of a connection that moves: those of one that has more stay behind */
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

/* Two addresses and the server's port, at one interface. */
struct pair {
	struct ss_side client, server; /* as known last */
	struct flow *flow;             /* by these names */
	GPtrArray *members;            /* struct member *, borrowed */
	bool is_later;                 /* the addresses were others' before */
};

/* A connection, and what it has in its row. */
struct member {
	struct ss_connection connection;
	uint32_t stream;       /* of the view that counts */
	struct pair *pairs[2]; /* of that view, and of another one; NULL: none */
	struct row *row;
	bool is_guess; /* the row is that of flow->answered */
	bool has_handshake;
	uint64_t handshake_ns;
	GArray *answers_ns; /* uint64_t, at most ANSWERS_MAX; NULL: none */
	bool has_more_answers;
	double bytes;
	unsigned counts[COLUMNS];
};

/* A connection at one interface. */
struct view {
	struct member *member;
	struct pair *pair;
	struct ss_connection ends; /* that only tells these */
};

static struct {
	GHashTable *views;  /* guint64 * → struct view * */
	GPtrArray *members; /* struct member * */
	GHashTable *pairs;  /* char * → struct pair *, the latest */
	GPtrArray *all_pairs;
	GHashTable *flows; /* char * → struct flow * */
	GPtrArray *rows;   /* struct row *, as in the table */
	guint shown;       /* rows; nothing is left in those behind */
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

static void pair_free(void *pointer)
{
	struct pair *pair = (struct pair *)pointer;

	g_ptr_array_unref(pair->members);
	g_free(pair);
}

static void member_free(void *pointer)
{
	struct member *member = (struct member *)pointer;

	g_clear_pointer(&member->answers_ns, g_array_unref);
	g_free(member);
}

static void forget(void)
{
	g_clear_pointer(&flows.twins, ss_twins_free);
	g_clear_pointer(&flows.views, g_hash_table_unref);
	g_clear_pointer(&flows.members, g_ptr_array_unref);
	g_clear_pointer(&flows.pairs, g_hash_table_unref);
	g_clear_pointer(&flows.all_pairs, g_ptr_array_unref);
	g_clear_pointer(&flows.rows, g_ptr_array_unref);
	g_clear_pointer(&flows.flows, g_hash_table_unref);
	flows.shown = 0;
}

static void begin(void)
{
	forget();
	flows.twins = ss_twins_new();
	flows.views = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	flows.members = g_ptr_array_new_with_free_func(member_free);
	flows.pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	flows.all_pairs = g_ptr_array_new_with_free_func(pair_free);
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
	flows.shown = flows.rows->len;
	stat_tap_init_table_row(table, row->number, COLUMNS, items);
	show_counts(table, row);
	show_handshakes(table, row);
	show_answers(table, row);
	return row;
}

static void swap_rows(stat_tap_table *table, struct row *one, struct row *other)
{
	guint number = one->number;

	for (int i = 0; i < COLUMNS; i++) {
		stat_tap_table_item_type *a = stat_tap_get_field_data(table, number, (guint)i);
		stat_tap_table_item_type *b =
			stat_tap_get_field_data(table, other->number, (guint)i);
		stat_tap_table_item_type saved = *a;

		*a = *b;
		*b = saved;
	}
	one->number = other->number;
	other->number = number;
	flows.rows->pdata[one->number] = one;
	flows.rows->pdata[other->number] = other;
}

/* Nothing is left in it: the table ends before it. Its cells stay, because Wireshark's window keeps
 * pointers to them. */
static void hide_row(stat_tap_table *table, struct row *row)
{
	row->flow->row = NULL;
	row->flow = NULL;
	row->bytes = 0;
	memset(row->counts, 0, sizeof(row->counts));
	ss_histogram_deinit(&row->handshake);
	ss_histogram_deinit(&row->answer);
	for (int i = 0; i < COLUMNS; i++) {
		if (columns[i].type == TABLE_ITEM_STRING)
			set_text(table, row->number, (enum column)i, "");
	}
	set_count(table, row->number, PORT, 0);
	show_counts(table, row);
	show_handshakes(table, row);
	show_answers(table, row);
	swap_rows(table, row, (struct row *)flows.rows->pdata[flows.shown - 1]);
	table->num_elements = --flows.shown;
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

static struct row *show_again(stat_tap_table *table)
{
	struct row *row = (struct row *)flows.rows->pdata[flows.shown++];

	table->num_elements = flows.shown;
	return row;
}

/* The row of a flow; the last one is of all for which there is none. */
static struct row *row_of(stat_tap_table *table, struct flow *flow)
{
	struct row *row;

	if (flow->row)
		return flow->row;
	if (flows.shown < flows.rows->len)
		row = show_again(table);
	else if (flows.rows->len >= ROWS_MAX - 1 && strcmp(flow->texts[CLIENT], others[CLIENT]))
		return row_of(table, find_flow(others, 0, true));
	else
		row = add_row(table);
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

static bool has_nothing(const struct row *row)
{
	return row->counts[FRAMES] == 0 && row->answer.count == 0;
}

static void move_times(struct member *member, struct row *from, struct row *to)
{
	if (member->has_handshake) {
		ss_histogram_remove(&from->handshake, member->handshake_ns);
		ss_histogram_add(&to->handshake, member->handshake_ns);
	}
	for (guint i = 0; member->answers_ns && i < member->answers_ns->len; i++) {
		uint64_t time_ns = g_array_index(member->answers_ns, uint64_t, i);

		ss_histogram_remove(&from->answer, time_ns);
		ss_histogram_add(&to->answer, time_ns);
	}
}

static void leave_behind(struct member *member)
{
	g_clear_pointer(&member->answers_ns, g_array_unref);
	member->has_handshake = member->has_more_answers = false;
	member->bytes = 0;
	memset(member->counts, 0, sizeof(member->counts));
}

static void show_row(stat_tap_table *table, const struct row *row)
{
	show_counts(table, row);
	show_handshakes(table, row);
	show_answers(table, row);
}

/* With all it has, unless that is too much: then what is to come goes there only. */
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
	if (member->has_more_answers) {
		leave_behind(member);
		return;
	}
	for (int i = 0; i < COLUMNS; i++) {
		from->counts[i] -= member->counts[i];
		to->counts[i] += member->counts[i];
	}
	from->bytes -= member->bytes;
	to->bytes += member->bytes;
	move_times(member, from, to);
	show_row(table, to);
	if (from->members == 0 && has_nothing(from))
		hide_row(table, from);
	else
		show_row(table, from);
}

/* By the names that its ends have now. */
static struct flow *flow_of_member(const struct member *member)
{
	struct flow *before = member->pairs[0]->flow, *after, *both;

	if (!member->pairs[1])
		return member->is_guess && before->answered ? before->answered : before;
	after = member->pairs[1]->flow;
	if (before->is_pod && !after->is_pod) {
		after = before;
		before = member->pairs[1]->flow;
	}
	both = flow_of_both(before, after);
	before->answered = both;
	return both;
}

/* Is more known of its ends now? Who has but an address, which was another's before, may be that
 * one still. */
static enum ss_side_change change_of(const struct pair *pair, const struct ss_side *client,
				     const struct ss_side *server)
{
	const struct {
		const struct ss_side *before, *now;
	} ends[] = {{&pair->client, client}, {&pair->server, server}};
	enum ss_side_change change = SS_SIDE_SAME;

	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
		enum ss_side_change one = ss_side_change(ends[i].before, ends[i].now);

		if (one != SS_SIDE_SAME && pair->is_later && !ss_side_is_named(ends[i].before))
			one = SS_SIDE_OTHER;
		change = MAX(change, one);
	}
	return change;
}

/* The addresses are borrowed for the frame. */
static void set_ends(struct pair *pair, const struct ss_side *client, const struct ss_side *server,
		     struct flow *flow)
{
	pair->client = *client;
	pair->server = *server;
	pair->client.address = pair->server.address = NULL;
	pair->flow = flow;
}

static const char *address_text(const packet_info *pinfo, const struct ss_side *side)
{
	return side->address->type == AT_NONE ? "" : address_to_str(pinfo->pool, side->address);
}

static struct pair *find_pair(const packet_info *pinfo, const struct ss_tap *record,
			      bool from_client)
{
	const struct ss_side *client = from_client ? &record->sides.src : &record->sides.dst;
	const struct ss_side *server = from_client ? &record->sides.dst : &record->sides.src;
	g_autofree char *key = g_strdup_printf(
		"%s\t%s\t%s\t%u\t%u", record->interface ? record->interface->name : "",
		address_text(pinfo, client), address_text(pinfo, server), server->port,
		record->transport.protocol);
	struct pair *pair = (struct pair *)g_hash_table_lookup(flows.pairs, key);
	bool is_later = pair;

	if (pair && change_of(pair, client, server) != SS_SIDE_OTHER)
		return pair;
	pair = g_new0(struct pair, 1);
	pair->is_later = is_later;
	pair->members = g_ptr_array_new();
	set_ends(pair, client, server, flow_of_view(pinfo, record, from_client));
	g_ptr_array_add(flows.all_pairs, pair);
	g_hash_table_replace(flows.pairs, g_steal_pointer(&key), pair);
	return pair;
}

/* Of the ends of a view: all that are between them move. */
static void learn_names(stat_tap_table *table, const packet_info *pinfo,
			const struct ss_tap *record, const struct view *view)
{
	bool from_client = ss_connection_sender(&view->ends, pinfo) == 0;
	const struct ss_side *client = from_client ? &record->sides.src : &record->sides.dst;
	const struct ss_side *server = from_client ? &record->sides.dst : &record->sides.src;
	struct pair *pair = view->pair;
	struct flow *flow;

	if (change_of(pair, client, server) != SS_SIDE_MORE)
		return;
	flow = flow_of_view(pinfo, record, from_client);
	if (flow != pair->flow) {
		pair->flow = flow;
		for (guint i = 0; i < pair->members->len; i++) {
			struct member *member = (struct member *)pair->members->pdata[i];

			move(table, member, flow_of_member(member));
		}
	}
	set_ends(pair, client, server, flow);
}

/* The second view of a connection: now it is known who answers. */
static void fold(stat_tap_table *table, struct member *member, struct pair *pair)
{
	member->pairs[1] = pair;
	member->is_guess = false;
	g_ptr_array_add(pair->members, member);
	move(table, member, flow_of_member(member));
}

static struct member *member_new(stat_tap_table *table, const packet_info *pinfo,
				 const struct ss_tap *record, bool from_client, struct pair *pair)
{
	struct member *member = g_new0(struct member, 1), *seen;

	ss_connection_init(&member->connection, pinfo, from_client);
	member->stream = record->transport.stream;
	seen = (struct member *)ss_twins_meet(flows.twins, pinfo, record, &member->connection);
	if (seen) {
		fold(table, seen, pair);
		member_free(member);
		return seen;
	}
	member->pairs[0] = pair;
	member->is_guess = pair->flow->answered;
	put(member, row_of(table, flow_of_member(member)));
	g_ptr_array_add(flows.members, member);
	g_ptr_array_add(pair->members, member);
	return member;
}

static struct view *view_new(stat_tap_table *table, const packet_info *pinfo,
			     const struct ss_tap *record)
{
	bool from_client = ss_connection_from_client(pinfo, record);
	struct view *view = g_new0(struct view, 1);

	ss_connection_init(&view->ends, pinfo, from_client);
	view->pair = find_pair(pinfo, record, from_client);
	learn_names(table, pinfo, record, view); /* of those before it */
	view->member = member_new(table, pinfo, record, from_client, view->pair);
	return view;
}

static struct member *find_member(stat_tap_table *table, const packet_info *pinfo,
				  const struct ss_tap *record)
{
	gint64 key = (gint64)record->transport.protocol << 32 | record->transport.stream;
	struct view *view = (struct view *)g_hash_table_lookup(flows.views, &key);
	struct member *member;

	if (!view) {
		view = view_new(table, pinfo, record);
		g_hash_table_insert(flows.views, g_memdup2(&key, sizeof(key)), view);
		return view->member;
	}
	member = view->member;
	learn_names(table, pinfo, record, view);
	if (member->is_guess && member->stream == record->transport.stream) {
		member->is_guess = false;
		move(table, member, flow_of_member(member));
	}
	return member;
}

static void add_answer(struct member *member, struct row *row, uint64_t time_ns)
{
	if (!member->answers_ns)
		member->answers_ns = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	if (member->answers_ns->len < ANSWERS_MAX)
		g_array_append_val(member->answers_ns, time_ns);
	else
		member->has_more_answers = true;
	ss_histogram_add(&row->answer, time_ns);
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
		add_answer(member, row, step->answer_ns);
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
	if (flows.rows) /* of this table: the hidden ones as well */
		table->num_elements = MAX(table->num_elements, flows.rows->len);
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
