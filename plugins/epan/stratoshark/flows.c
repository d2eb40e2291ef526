/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which row of the table a connection belongs to. It finds that once; what is learned later moves
 * it.
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
#include "flow_rows.h"
#include "twins.h"

#define ANSWERS_MAX 64 /* of a connection that moves: those of one that has more stay behind */

/* Two addresses and the server's port, at one interface. */
struct pair {
	struct ss_side client, server; /* as known last */
	struct ss_flow *flow;          /* by these names */
	GPtrArray *members;            /* struct member *, borrowed */
	bool is_later;                 /* the addresses were others' before */
};

/* A connection, and what it has in its row. */
struct member {
	struct ss_connection connection;
	uint32_t stream;       /* of the view that counts */
	struct pair *pairs[2]; /* of that view, and of another one; NULL: none */
	struct ss_flow_row *row;
	bool is_guess; /* the row is that of flow->answered */
	bool has_handshake;
	uint64_t handshake_ns;
	GArray *answers_ns; /* uint64_t, at most ANSWERS_MAX; NULL: none */
	bool has_more_answers;
	double bytes;
	unsigned counts[SS_FLOW_COLUMNS];
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
	struct ss_twins *twins;
} flows;

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
}

static void begin(void)
{
	forget();
	flows.twins = ss_twins_new();
	flows.views = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	flows.members = g_ptr_array_new_with_free_func(member_free);
	flows.pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	flows.all_pairs = g_ptr_array_new_with_free_func(pair_free);
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

/* As a view of a connection has it. */
static struct ss_flow *flow_of_view(const packet_info *pinfo, const struct ss_tap *record,
				    bool from_client)
{
	const struct ss_side *client = from_client ? &record->sides.src : &record->sides.dst;
	const struct ss_side *server = from_client ? &record->sides.dst : &record->sides.src;
	const char *texts[SS_FLOW_COLUMNS] = {
		[SS_FLOW_CLIENT] = party(pinfo->pool, client),
		[SS_FLOW_SERVER] = party(pinfo->pool, server),
		[SS_FLOW_SERVICE] = services(pinfo->pool, server),
		[SS_FLOW_PROTOCOL] = protocol_name(record->transport.protocol),
	};

	return ss_flow_find(texts, record->transport.protocol ? server->port : 0,
			    server->kind == SS_KIND_POD);
}

/* The client and the service of one view, with the workload that answers of the other one. */
static struct ss_flow *flow_of_both(const struct ss_flow *before, const struct ss_flow *after)
{
	/* Without a description of the service it is its address that the client knows it by. */
	const char *service = before->texts[SS_FLOW_SERVICE][0] ? before->texts[SS_FLOW_SERVICE]
								: before->texts[SS_FLOW_SERVER];
	const char *texts[SS_FLOW_COLUMNS] = {
		[SS_FLOW_CLIENT] = before->texts[SS_FLOW_CLIENT],
		[SS_FLOW_SERVER] = after->texts[SS_FLOW_SERVER],
		[SS_FLOW_SERVICE] = service,
		[SS_FLOW_PROTOCOL] = before->texts[SS_FLOW_PROTOCOL],
	};

	return ss_flow_find(texts, before->port, true);
}

static void put(struct member *member, struct ss_flow_row *row)
{
	member->row = row;
	row->members++;
}

static bool has_nothing(const struct ss_flow_row *row)
{
	return row->counts[SS_FLOW_FRAMES] == 0 && row->answer.count == 0;
}

static void move_times(struct member *member, struct ss_flow_row *from, struct ss_flow_row *to)
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

/* With all it has, unless that is too much: then what is to come goes there only. */
static void move(stat_tap_table *table, struct member *member, struct ss_flow *flow)
{
	struct ss_flow_row *from = member->row, *to;

	if (!flow->row && from->members == 1 &&
	    from->counts[SS_FLOW_FRAMES] == member->counts[SS_FLOW_FRAMES]) {
		ss_flow_row_rename(table, from, flow);
		return;
	}
	to = ss_flow_row_of(table, flow);
	if (to == from)
		return;
	from->members--;
	put(member, to);
	if (member->has_more_answers) {
		leave_behind(member);
		return;
	}
	for (int i = 0; i < SS_FLOW_COLUMNS; i++) {
		from->counts[i] -= member->counts[i];
		to->counts[i] += member->counts[i];
	}
	from->bytes -= member->bytes;
	to->bytes += member->bytes;
	move_times(member, from, to);
	ss_flow_row_show(table, to, SS_FLOW_ALL);
	if (from->members == 0 && has_nothing(from))
		ss_flow_row_hide(table, from);
	else
		ss_flow_row_show(table, from, SS_FLOW_ALL);
}

/* By the names that its ends have now. */
static struct ss_flow *flow_of_member(const struct member *member)
{
	struct ss_flow *before = member->pairs[0]->flow, *after, *both;

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
		     struct ss_flow *flow)
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
	struct ss_flow *flow;

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
	put(member, ss_flow_row_of(table, flow_of_member(member)));
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

static void add_answer(struct member *member, struct ss_flow_row *row, uint64_t time_ns)
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
	struct ss_flow_row *row = member->row;
	const unsigned counts[SS_FLOW_COLUMNS] = {
		[SS_FLOW_FRAMES] = 1,
		[SS_FLOW_RETRANSMISSIONS] = step->retransmission,
		[SS_FLOW_RESETS] = step->reset,
	};

	for (int i = 0; i < SS_FLOW_COLUMNS; i++) {
		member->counts[i] += counts[i];
		row->counts[i] += counts[i];
	}
	member->bytes += bytes;
	row->bytes += bytes;
	if (step->has_handshake) {
		member->has_handshake = true;
		member->handshake_ns = step->handshake_ns;
		ss_histogram_add(&row->handshake, step->handshake_ns);
		ss_flow_row_show(table, row, SS_FLOW_HANDSHAKES);
	}
	if (step->has_answer) {
		add_answer(member, row, step->answer_ns);
		ss_flow_row_show(table, row, SS_FLOW_ANSWERS);
	}
	ss_flow_row_show(table, row, SS_FLOW_COUNTS);
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

static void reset(stat_tap_table *table)
{
	ss_flow_rows_reset(table);
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
	ss_flow_rows_begin();
	begin();
	stat_tap_add_table(ui, stat_tap_init_table(title, SS_FLOW_COLUMNS, 0, NULL));
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
		.stat_tap_free_table_item_cb = ss_flow_rows_free_item,
		.nfields = SS_FLOW_COLUMNS,
		.fields = ss_flow_columns,
		.nparams = G_N_ELEMENTS(filter),
		.params = filter,
	};

	register_stat_tap_table_ui(&ui);
}
