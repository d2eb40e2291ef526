/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wires the nouns: a block's segment goes to its connection (table); what that saw makes or
 * completes a session; a record's clue goes to the session that shares a value with it, or waits
 * for one (clues). When both are there, lines go out.
 *
 * Blocks are counted through: "admitted" is where the next offer begins, "looked" how far blocks
 * were inspected. A hold names the position of a block that waits; those behind it are inspected
 * too, so that their clocks run at the same time and an end of the connection is noticed.
 */
#include "tls/keys.h"

#include <string.h>

#include <glib.h>

#include "format/pcapng.h"
#include "tls/clue.h"
#include "tls/connection.h"
#include "tls/patience.h"
#include "tls/session.h"
#include "tls/table.h"
#include "transport.h"

#define HOLD_NS       1000000000ull
#define END_GRACE_NS  40000000ull   /* records are read that late at most; twice, to be sure */
#define FORGET_NS     2000000000ull /* after both FINs, or a RST: frames that come late */
#define INTERFACES    65536u        /* with higher numbers are not looked at */
#define VERSION_TLS13 0x0304
#define LINKTYPE_NONE UINT16_MAX

/* A block that waits for a session's secrets. */
struct hold {
	uint64_t position, deadline_ns;
	struct ss_tls_session *session; /* NULL: it is gone */
	bool early;                     /* the early secret is enough */
	struct ss_endpoint client, server;
};

struct ss_tls_keys {
	struct ss_tls_keys_callbacks callbacks;
	uint64_t hold_ns, now_ns;
	GArray *link_types; /* uint16_t by interface */
	struct ss_tls_table *table;
	struct ss_tls_clues *clues;
	struct ss_tls_patience *patience;
	GHashTable *ids; /* struct ss_tls_id -> struct ss_tls_session */
	GQueue sessions; /* oldest first */
	GQueue closing;  /* struct ss_tls_connection, the first to forget first */
	GQueue holds;    /* struct hold by position */
	uint64_t admitted, looked;
};

/* Connections and their reports. */

static void fill_flow(const struct ss_tls_connection *connection, struct ss_tls_flow *ret_flow)
{
	*ret_flow = connection->flow;
	ret_flow->frames = connection->frames;
	ret_flow->first_ns = connection->first_ns;
	ret_flow->last_ns = connection->last_ns;
	if (connection->session) {
		ret_flow->pid = connection->session->pid;
		ret_flow->library = connection->session->library;
	}
}

static void report(struct ss_tls_keys *keys, struct ss_tls_connection *connection)
{
	struct ss_tls_flow flow;

	connection->reported = true;
	if (!keys->callbacks.flow)
		return;
	fill_flow(connection, &flow);
	keys->callbacks.flow(&flow, keys->callbacks.user_data);
}

static void set_state(struct ss_tls_keys *keys, struct ss_tls_connection *connection,
		      enum ss_tls_flow_state state)
{
	if (connection->flow.state == state && connection->reported)
		return;
	connection->flow.state = state;
	report(keys, connection);
}

static void settle(struct ss_tls_keys *keys, struct ss_tls_connection *connection)
{
	ss_tls_connection_settle(connection);
	ss_tls_table_update(keys->table, connection);
}

/* Sessions. */

static struct ss_tls_session *new_session(struct ss_tls_keys *keys, const uint8_t *random)
{
	struct ss_tls_session *session = g_new0(struct ss_tls_session, 1);

	session->link.data = session;
	session->hash = SS_TLS_HASHES;
	session->end_ns = UINT64_MAX;
	memcpy(session->random, random, sizeof(session->random));
	g_queue_push_tail_link(&keys->sessions, &session->link);
	ss_tls_session_add_id(session, SS_TLS_ID_RANDOM, random, SS_TLS_RANDOM_SIZE);
	return session;
}

static void free_session(struct ss_tls_keys *keys, struct ss_tls_session *session)
{
	for (unsigned i = 0; i < session->ids_indexed; i++) {
		if (g_hash_table_lookup(keys->ids, &session->ids[i]) == session)
			g_hash_table_remove(keys->ids, &session->ids[i]);
	}
	for (GList *at = keys->holds.head; at && session->holds; at = at->next) {
		struct hold *hold = at->data;

		if (hold->session == session)
			hold->session = NULL;
	}
	g_queue_unlink(&keys->sessions, &session->link);
	ss_tls_session_wipe(session);
	g_free(session);
}

static void join(struct ss_tls_connection *connection, struct ss_tls_session *session)
{
	connection->session = session;
	connection->sibling = session->first;
	session->first = connection;
}

static void leave(struct ss_tls_keys *keys, struct ss_tls_connection *connection)
{
	struct ss_tls_session *session = connection->session;
	struct ss_tls_connection **at;

	if (!session)
		return;
	for (at = &session->first; *at != connection; at = &(*at)->sibling)
		;
	*at = connection->sibling;
	connection->session = NULL;
	if (!session->first)
		free_session(keys, session);
}

static bool learn(const struct ss_tls_keys *keys, struct ss_tls_session *session,
		  const struct ss_tls_clue *clue)
{
	if (!ss_tls_session_learn(session, clue))
		return false;
	if (keys->callbacks.fits)
		keys->callbacks.fits(clue->library, keys->callbacks.user_data);
	return true;
}

/* New ids, also those that learning brings, are indexed and lead to clues that wait. */
static void gather(struct ss_tls_keys *keys, struct ss_tls_session *session)
{
	struct ss_tls_clue clue;

	while (session->ids_indexed < session->ids_count) {
		struct ss_tls_id *id = &session->ids[session->ids_indexed++];

		if (!g_hash_table_contains(keys->ids, id))
			g_hash_table_insert(keys->ids, id, session);
		while (ss_tls_clues_take(keys->clues, id, &clue))
			learn(keys, session, &clue);
	}
	explicit_bzero(&clue, sizeof(clue));
}

static void tell_line(struct ss_tls_session *session, enum ss_tls_label label,
		      void (*line)(const char *line, void *user_data), void *user_data)
{
	char text[SS_TLS_LINE_SIZE];

	ss_tls_keylog_line(label, session->random, &session->secrets[label], text);
	if (line)
		line(text, user_data);
	explicit_bzero(text, sizeof(text));
}

/* Calls back what became known. */
static void tell(struct ss_tls_keys *keys, struct ss_tls_session *session)
{
	uint32_t told = session->told;

	for (unsigned label = 0; label < SS_TLS_LABELS; label++) {
		if (!session->secrets[label].length || (session->told & 1u << label))
			continue;
		session->told |= 1u << label;
		tell_line(session, label, keys->callbacks.line, keys->callbacks.user_data);
	}
	if (session->told == told)
		return;
	for (struct ss_tls_connection *at = session->first; at; at = at->sibling)
		ss_tls_patience_regain(keys->patience, &at->flow.client, &at->flow.server);
	if (!ss_tls_session_complete(session))
		return;
	ss_tls_secret_wipe(&session->handshake);
	ss_tls_secret_wipe(&session->master);
	for (struct ss_tls_connection *at = session->first; at; at = at->sibling) {
		if (at->flow.version && at->flow.state == SS_TLS_FLOW_HANDSHAKE) {
			set_state(keys, at, SS_TLS_FLOW_KEYED);
			settle(keys, at);
		}
	}
}

/* Holds. */

static bool is_satisfied(const struct ss_tls_session *session, bool early)
{
	/* A complete session without early secret: the server refused early data. */
	return ss_tls_session_complete(session) ||
	       (early && session->secrets[SS_TLS_CLIENT_EARLY].length);
}

static bool is_expected(const struct ss_tls_keys *keys, const struct ss_tls_session *session)
{
	if (!keys->callbacks.expects)
		return true;
	for (struct ss_tls_connection *at = session->first; at; at = at->sibling) {
		for (unsigned i = 0; i < at->interfaces_count; i++) {
			if (keys->callbacks.expects(at->interfaces[i], keys->callbacks.user_data))
				return true;
		}
	}
	return false;
}

static void give_up(struct ss_tls_keys *keys, struct ss_tls_session *session)
{
	for (struct ss_tls_connection *at = session->first; at; at = at->sibling) {
		if (at->flow.state == SS_TLS_FLOW_HANDSHAKE)
			set_state(keys, at, SS_TLS_FLOW_DARK);
	}
}

/* The block at this position needs the session's secrets. */
static void need(struct ss_tls_keys *keys, struct ss_tls_connection *connection, uint64_t position,
		 bool early)
{
	struct ss_tls_session *session = connection->session;
	const struct ss_tls_flow *flow = &connection->flow;
	struct hold *hold;

	if (is_satisfied(session, early))
		return;
	if (!is_expected(keys, session) ||
	    !ss_tls_patience_has(keys->patience, &flow->client, &flow->server)) {
		if (!early)
			give_up(keys, session);
		return;
	}
	hold = g_new0(struct hold, 1);
	*hold = (struct hold){
		.position = position,
		.deadline_ns = keys->now_ns + keys->hold_ns,
		.session = session,
		.early = early,
		.client = flow->client,
		.server = flow->server,
	};
	g_queue_push_tail(&keys->holds, hold);
	session->holds++;
}

static void drop_hold(struct ss_tls_keys *keys)
{
	struct hold *hold = g_queue_pop_head(&keys->holds);

	if (hold->session)
		hold->session->holds--;
	g_free(hold);
}

static uint64_t hold_deadline(const struct hold *hold)
{
	return MIN(hold->deadline_ns, hold->session->end_ns);
}

/* Is it over? Then says what came of it. */
static bool resolve(struct ss_tls_keys *keys, const struct hold *hold)
{
	if (!hold->session || is_satisfied(hold->session, hold->early))
		return true;
	if (keys->now_ns < hold_deadline(hold))
		return false;
	if (hold->early)
		return true;
	if (keys->now_ns >= hold->deadline_ns && !hold->session->told)
		ss_tls_patience_lose(keys->patience, &hold->client, &hold->server);
	give_up(keys, hold->session);
	return true;
}

void ss_tls_keys_release(struct ss_tls_keys *keys)
{
	struct hold *hold;

	while ((hold = g_queue_peek_head(&keys->holds))) {
		if (hold->session && !hold->early && !is_satisfied(hold->session, false))
			give_up(keys, hold->session);
		drop_hold(keys);
	}
}

/* What segments bring. */

static void see_client_hello(struct ss_tls_keys *keys, struct ss_tls_connection *connection,
			     const struct ss_transport *packet, uint64_t position)
{
	const struct ss_tls_hello *hello = ss_tls_connection_client_hello(connection);
	struct ss_tls_session *session;
	uint8_t digest[SS_TLS_HASH_MAX];
	struct ss_tls_id id;

	if (connection->session)
		return; /* the second one */
	connection->flow.client = packet->source;
	connection->flow.server = packet->destination;
	memcpy(connection->flow.server_name, hello->server_name, sizeof(hello->server_name));
	memcpy(connection->flow.alpn, hello->alpn, sizeof(hello->alpn));
	ss_tls_id_set(&id, SS_TLS_ID_RANDOM, hello->random, sizeof(hello->random));
	session = g_hash_table_lookup(keys->ids, &id);
	if (!session) {
		session = new_session(keys, hello->random);
		for (unsigned hash = 0; hash < SS_TLS_HASHES; hash++) {
			ss_tls_connection_hello_hash(connection, hash, digest);
			ss_tls_session_add_id(session, SS_TLS_ID_HELLO, digest,
					      ss_tls_hash_length(hash));
		}
	}
	join(connection, session);
	set_state(keys, connection, SS_TLS_FLOW_HANDSHAKE);
	gather(keys, session);
	tell(keys, session);
	if (hello->early_data)
		need(keys, connection, position, true);
}

static void set_server(const struct ss_tls_connection *connection, struct ss_tls_session *session,
		       const struct ss_tls_hello *hello)
{
	uint8_t length;

	session->version = hello->version;
	session->cipher = hello->cipher;
	memcpy(session->server_random, hello->random, sizeof(session->server_random));
	if (hello->version < VERSION_TLS13)
		return;
	session->hash = ss_tls_hash_of_cipher(hello->cipher);
	if (session->hash == SS_TLS_HASHES)
		return;
	length = ss_tls_hash_length(session->hash);
	ss_tls_connection_transcript(connection, session->hash, session->transcript);
	ss_tls_session_add_id(session, SS_TLS_ID_TRANSCRIPT, session->transcript, length);
}

/* whole: nothing is missing that readers need to go on. */
static void see_server_hello(struct ss_tls_keys *keys, struct ss_tls_connection *connection,
			     bool whole, uint64_t position)
{
	struct ss_tls_hello hello = *ss_tls_connection_server_hello(connection);
	struct ss_tls_session *session = connection->session;

	if (session->version &&
	    memcmp(session->server_random, hello.random, sizeof(hello.random)) != 0) {
		/* Somebody used a random again: not the same connection after all. */
		uint8_t random[SS_TLS_RANDOM_SIZE];

		memcpy(random, session->random, sizeof(random));
		leave(keys, connection);
		session = new_session(keys, random);
		join(connection, session);
	}
	connection->flow.version = hello.version;
	connection->flow.cipher = hello.cipher;
	if (hello.alpn[0])
		memcpy(connection->flow.alpn, hello.alpn, sizeof(hello.alpn));
	if (!session->version)
		set_server(connection, session, &hello);
	if (hello.version >= VERSION_TLS13)
		settle(keys, connection);
	gather(keys, session);
	tell(keys, session);
	if (ss_tls_session_complete(session)) {
		set_state(keys, connection, SS_TLS_FLOW_KEYED);
		settle(keys, connection);
	} else if (whole && hello.version >= VERSION_TLS13) {
		need(keys, connection, position, false);
	}
}

static void remove_connection(struct ss_tls_keys *keys, struct ss_tls_connection *connection)
{
	leave(keys, connection);
	ss_tls_table_remove(keys->table, connection);
	if (connection->closing.data)
		g_queue_unlink(&keys->closing, &connection->closing);
	ss_tls_connection_free(connection);
}

/* With its last report. */
static void end_connection(struct ss_tls_keys *keys, struct ss_tls_connection *connection)
{
	if (connection->flow.state == SS_TLS_FLOW_HANDSHAKE && !connection->handshaking)
		connection->flow.state = SS_TLS_FLOW_DARK; /* it was waited for until now */
	if (connection->flow.state == SS_TLS_FLOW_HANDSHAKE &&
	    ss_tls_connection_has_gap(connection))
		connection->flow.state = SS_TLS_FLOW_MISSED;
	if (connection->reported)
		report(keys, connection);
	remove_connection(keys, connection);
}

static void note_interface(struct ss_tls_connection *connection, uint32_t interface_id)
{
	for (unsigned i = 0; i < connection->interfaces_count; i++) {
		if (connection->interfaces[i] == interface_id)
			return;
	}
	if (connection->interfaces_count < SS_TLS_INTERFACES_MAX)
		connection->interfaces[connection->interfaces_count++] = interface_id;
}

/* Returns false if the connection is gone. */
static bool follow_handshake(struct ss_tls_keys *keys, struct ss_tls_connection *connection,
			     const struct ss_transport *packet, unsigned end, uint64_t position)
{
	unsigned saw;

	note_interface(connection, packet->interface_id);
	saw = ss_tls_connection_segment(connection, packet, end);
	if (saw & SS_TLS_SAW_OTHER) {
		remove_connection(keys, connection);
		return false;
	}
	if (saw & SS_TLS_SAW_CLIENT_HELLO)
		see_client_hello(keys, connection, packet, position);
	if (saw & SS_TLS_SAW_SERVER_HELLO)
		see_server_hello(keys, connection, !(saw & SS_TLS_SAW_GAP), position);
	if (connection->handshaking && (saw & SS_TLS_SAW_CIPHER)) {
		settle(keys, connection);
		need(keys, connection, position, false);
	}
	if ((saw & SS_TLS_SAW_GAP) && connection->flow.state == SS_TLS_FLOW_HANDSHAKE) {
		set_state(keys, connection, SS_TLS_FLOW_MISSED);
		settle(keys, connection);
	}
	ss_tls_table_update(keys->table, connection);
	return true;
}

/* FIN and RST. */
static void close_connection(struct ss_tls_keys *keys, struct ss_tls_connection *connection,
			     const struct ss_transport *packet, unsigned end)
{
	struct ss_tls_session *session = connection->session;

	connection->fins |= (uint8_t)(packet->flags & SS_SEGMENT_RST ? 3u : 1u << end);
	if (session && connection->flow.state == SS_TLS_FLOW_HANDSHAKE)
		session->end_ns = MIN(session->end_ns, keys->now_ns + END_GRACE_NS);
	if (connection->fins != 3 || connection->closing.data)
		return;
	connection->closing.data = connection;
	connection->forget_ns = keys->now_ns + FORGET_NS;
	g_queue_push_tail_link(&keys->closing, &connection->closing);
}

/* A connection that is not in the table: does it belong there now? */
static struct ss_tls_connection *begin_connection(struct ss_tls_keys *keys,
						  const struct ss_transport *packet,
						  const struct ss_tls_tuple *tuple, unsigned end)
{
	bool syn = (packet->flags & (SS_SEGMENT_SYN | SS_SEGMENT_ACK)) == SS_SEGMENT_SYN;
	bool data = !syn && ss_tls_begins_data(packet->payload) &&
		    ss_tls_table_suspect(keys->table, tuple);
	struct ss_tls_connection *connection, *excess;

	if (!syn && !data && !ss_tls_begins_client_hello(packet->payload))
		return NULL;
	connection = ss_tls_connection_new(tuple, packet, end);
	connection->flow.interface_id = packet->interface_id;
	connection->first_ns = packet->time_ns;
	ss_tls_table_add(keys->table, connection);
	while ((excess = ss_tls_table_excess(keys->table, connection)))
		end_connection(keys, excess);
	if (data) {
		/* Servers are where ports are low, mostly. */
		if (packet->source.port < packet->destination.port) {
			connection->flow.client = packet->destination;
			connection->flow.server = packet->source;
		}
		connection->last_ns = packet->time_ns;
		settle(keys, connection);
		set_state(keys, connection, SS_TLS_FLOW_MISSED);
	}
	return connection;
}

static void inspect(struct ss_tls_keys *keys, struct ss_cursor bytes, uint64_t position)
{
	struct ss_tls_connection *connection;
	struct ss_cursor header = bytes;
	struct ss_transport packet;
	struct ss_tls_tuple tuple;
	unsigned end;
	uint32_t id;

	if (ss_cursor_skip(&header, 8) < 0 || ss_cursor_u32(&header, &id) < 0 ||
	    id >= keys->link_types->len ||
	    !ss_transport_read_tcp(bytes, g_array_index(keys->link_types, uint16_t, id), &packet))
		return;
	end = ss_tls_tuple_of(&packet, &tuple);
	connection = ss_tls_table_find(keys->table, &tuple);
	if (connection && (packet.flags & SS_SEGMENT_SYN) &&
	    ss_tls_connection_is_reused(connection, &packet, end)) {
		end_connection(keys, connection);
		connection = NULL;
	}
	if (!connection)
		connection = begin_connection(keys, &packet, &tuple, end);
	if (!connection)
		return;
	connection->referenced = true;
	connection->frames++;
	connection->last_ns = packet.time_ns;
	if (connection->handshaking && !follow_handshake(keys, connection, &packet, end, position))
		return;
	if (packet.flags & (SS_SEGMENT_FIN | SS_SEGMENT_RST))
		close_connection(keys, connection, &packet, end);
}

/* The front door. */

struct ss_tls_keys *ss_tls_keys_new(uint64_t hold_ns, const struct ss_tls_keys_callbacks *callbacks)
{
	struct ss_tls_keys *keys = g_new0(struct ss_tls_keys, 1);

	keys->callbacks = *callbacks;
	keys->hold_ns = hold_ns ? hold_ns : HOLD_NS;
	keys->link_types = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	keys->table = ss_tls_table_new();
	keys->clues = ss_tls_clues_new();
	keys->patience = ss_tls_patience_new();
	keys->ids = g_hash_table_new(ss_tls_id_hash, ss_tls_id_equal);
	g_queue_init(&keys->sessions);
	g_queue_init(&keys->closing);
	g_queue_init(&keys->holds);
	return keys;
}

void ss_tls_keys_free(struct ss_tls_keys *keys)
{
	struct ss_tls_connection *connection;

	if (!keys)
		return;
	g_queue_clear_full(&keys->holds, g_free);
	while ((connection = ss_tls_table_any(keys->table)))
		end_connection(keys, connection);
	ss_tls_table_free(keys->table);
	ss_tls_clues_free(keys->clues);
	ss_tls_patience_free(keys->patience);
	g_hash_table_unref(keys->ids);
	g_array_unref(keys->link_types);
	g_free(keys);
}

void ss_tls_keys_interface(struct ss_tls_keys *keys, uint32_t interface_id, uint16_t link_type)
{
	const uint16_t none = LINKTYPE_NONE;

	if (interface_id >= INTERFACES)
		return;
	while (keys->link_types->len <= interface_id)
		g_array_append_val(keys->link_types, none);
	g_array_index(keys->link_types, uint16_t, interface_id) = link_type;
}

void ss_tls_keys_record(struct ss_tls_keys *keys, const struct ss_tls_record *record)
{
	struct ss_tls_session *session;
	struct ss_tls_clue clue;

	if (!ss_tls_clue_read(record, &clue))
		return;
	ss_tls_clues_follow(keys->clues, &clue);
	session = clue.id.length ? g_hash_table_lookup(keys->ids, &clue.id) : NULL;
	if (!session) {
		ss_tls_clues_keep(keys->clues, &clue);
	} else if (learn(keys, session, &clue)) {
		gather(keys, session);
		tell(keys, session);
	}
	explicit_bzero(&clue, sizeof(clue));
}

/* Inspects the blocks that are new. Returns the length of all whole ones. */
static size_t look(struct ss_tls_keys *keys, struct ss_cursor blocks, uint64_t position)
{
	/* Held blocks are offered again and again, many of them: they are not even walked. */
	uint64_t known = keys->looked > position ? keys->looked - position : 0;
	size_t length = (size_t)MIN(known, blocks.length);

	ss_cursor_skip(&blocks, length);
	while (blocks.length >= 12) {
		struct ss_cursor peek = blocks, block;
		uint32_t type, size;

		ss_cursor_u32(&peek, &type);
		ss_cursor_u32(&peek, &size);
		if (size < 12 || size % 4 || ss_cursor_part(&blocks, size, &block) < 0)
			break;
		inspect(keys, block, position + length);
		length += size;
	}
	keys->looked = MAX(keys->looked, position + length);
	return length;
}

static void forget_closed(struct ss_tls_keys *keys)
{
	struct ss_tls_connection *connection;

	while ((connection = g_queue_peek_head(&keys->closing)) &&
	       keys->now_ns >= connection->forget_ns)
		end_connection(keys, connection);
}

void ss_tls_keys_expire(struct ss_tls_keys *keys, uint64_t now_ns)
{
	keys->now_ns = now_ns;
	ss_tls_clues_expire(keys->clues, now_ns);
	forget_closed(keys);
}

size_t ss_tls_keys_admit(struct ss_tls_keys *keys, const void *blocks, size_t length,
			 uint64_t now_ns, uint64_t *ret_again_ns)
{
	struct hold *hold;
	size_t walked;

	ss_tls_keys_expire(keys, now_ns);
	walked = look(keys, ss_cursor(blocks, length), keys->admitted);
	while ((hold = g_queue_peek_head(&keys->holds)) && resolve(keys, hold))
		drop_hold(keys);
	if (hold && hold->position < keys->admitted + walked) {
		*ret_again_ns = hold_deadline(hold) - now_ns;
		walked = (size_t)(hold->position - keys->admitted);
	}
	keys->admitted += walked;
	return walked;
}

void ss_tls_keys_live_lines(struct ss_tls_keys *keys,
			    void (*line)(const char *line, void *user_data), void *user_data)
{
	for (GList *at = keys->sessions.head; at; at = at->next) {
		struct ss_tls_session *session = at->data;
		bool lives = false;

		for (struct ss_tls_connection *one = session->first; one; one = one->sibling)
			lives = lives || !one->closing.data;
		for (unsigned label = 0; lives && label < SS_TLS_LABELS; label++) {
			if (session->told & 1u << label)
				tell_line(session, label, line, user_data);
		}
	}
}
