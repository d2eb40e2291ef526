/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An exchange is what is known of one id between two endpoints. What could surprise: messages are
 * also read in frames that were left out, because an answer that nobody wants ends the waiting. Of
 * a message in several segments or fragments the last one is what tshark judges.
 */
#include "queries.h"

#include <netinet/in.h>
#include <string.h>

#include "analysis/channel.h"
#include "analysis/dns.h"
#include "connections.h"

#define HOLD_NS       5000000000ull /* in the ring: until a resolver would ask again */
#define PATIENCE_NS   60000000000ull
#define EXCHANGES_MAX 65536
#define COPIES_MAX    (32u << 20) /* bytes */
#define FRAMES_MAX    64          /* of one exchange */
#define FRAGMENTS_MAX 64
#define CHANNEL_NS    5000000000ull /* for the rest of a message */
#define IS_ANSWER     0x80          /* of the first byte of the flags */

struct exchange {
	struct ss_connection connection; /* from client to server; detail: id, protocol */
	uint64_t end_ns;
	GPtrArray *frames; /* struct ss_held_frame of its queries, which wait */
	bool asked;        /* by a query that is selected */
	bool answered;     /* likewise; then more answers may come */
};

/* The first part of a datagram, for what comes with the last. */
struct fragment {
	struct ss_endpoint source, destination;
	uint32_t fragment_id, owner;
	uint8_t head[3]; /* id, flags */
};

struct ss_queries {
	struct ss_held *held;
	struct ss_held_counts counts;
	struct ss_connections *exchanges; /* struct exchange, oldest first */
	struct ss_channels *channels;
	struct ss_exchange_frame carrier; /* of all segments: nobody asks */
	struct fragment fragments[FRAGMENTS_MAX];
	unsigned fragment_next;
	/* What is being taken. */
	struct ss_held_frame *frame; /* NULL: nobody may have it */
	uint64_t now_ns;
};

/* --- Exchanges --- */

static void decide(struct ss_queries *queries, struct exchange *exchange, bool wanted)
{
	for (guint i = 0; i < exchange->frames->len; i++)
		ss_held_decide(queries->held, exchange->frames->pdata[i], wanted);
	g_ptr_array_set_size(exchange->frames, 0);
}

static void deinit_exchange(struct ss_queries *queries, struct exchange *exchange, bool wanted)
{
	decide(queries, exchange, wanted);
	g_ptr_array_unref(exchange->frames);
}

static void finish(struct ss_queries *queries, struct exchange *exchange, bool wanted)
{
	queries->counts.kept += wanted;
	deinit_exchange(queries, exchange, wanted);
	ss_connections_remove(queries->exchanges, exchange);
}

static void give_up(void *exchange, void *user_data)
{
	struct ss_queries *queries = user_data;

	queries->counts.given_up++;
	deinit_exchange(queries, exchange, false);
}

static struct exchange *add(struct ss_queries *queries, const struct ss_connection_key *key)
{
	struct exchange *exchange = ss_connections_add(queries->exchanges, key, sizeof(*exchange));

	exchange->end_ns = queries->now_ns + PATIENCE_NS;
	exchange->frames = g_ptr_array_new();
	return exchange;
}

static void taken(uint64_t now_ns, void *user_data)
{
	struct ss_queries *queries = user_data;
	const GQueue *ages = ss_connections_used(queries->exchanges);

	ss_channels_expire(queries->channels, now_ns);
	while (ages->head) {
		struct exchange *oldest = ages->head->data;

		if (oldest->end_ns <= now_ns)
			finish(queries, oldest, false);
		else if (ss_held_copied(queries->held) > COPIES_MAX)
			ss_connections_forget(queries->exchanges, oldest);
		else
			break;
	}
}

/* --- Messages --- */

/* Who answers that does so from an address of its own. */
static bool is_multicast(const struct ss_endpoint *endpoint)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (memcmp(endpoint->address, mapped, sizeof(mapped)) == 0)
		return endpoint->address[12] >> 4 == 0xe;
	return endpoint->address[0] == 0xff;
}

static bool is_selected(const struct ss_queries *queries)
{
	return queries->frame && !queries->frame->is_left_out;
}

static void take_query(struct ss_queries *queries, const struct ss_connection_key *key)
{
	struct exchange *exchange = ss_connections_peek(queries->exchanges, key);
	bool selected = is_selected(queries);

	/* The id may have been that of another query. */
	if (exchange && (exchange->answered || (exchange->asked && !selected))) {
		finish(queries, exchange, false);
		exchange = NULL;
	}
	if (!queries->frame || (!selected && is_multicast(&key->destination)))
		return;
	if (!exchange)
		exchange = add(queries, key);
	exchange->asked |= selected;
	if (selected || exchange->frames->len >= FRAMES_MAX)
		return;
	ss_held_wait(queries->frame, queries->now_ns + HOLD_NS);
	g_ptr_array_add(exchange->frames, queries->frame);
}

/* Several may answer a selected query, or one more than once. */
static void take_answer(struct ss_queries *queries, const struct ss_connection_key *key)
{
	struct exchange *exchange = ss_connections_peek(queries->exchanges, key);
	bool first;

	if (!exchange)
		return;
	if (!exchange->asked) {
		finish(queries, exchange, is_selected(queries));
		return;
	}
	first = !exchange->answered;
	exchange->answered = true;
	decide(queries, exchange, is_selected(queries));
	if (!queries->frame)
		return;
	queries->frame->wanted = true;
	queries->counts.kept += first;
}

static void take_message(struct ss_queries *queries, const struct ss_exchange_flow *flow,
			 const uint8_t head[3])
{
	bool is_answer = head[2] & IS_ANSWER;
	const struct ss_connection_key key = {
		.source = is_answer ? flow->destination : flow->source,
		.destination = is_answer ? flow->source : flow->destination,
		.owner = flow->place,
		.detail = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | flow->protocol,
	};

	if (is_answer)
		take_answer(queries, &key);
	else
		take_query(queries, &key);
}

static void tcp_message(const struct ss_exchange_flow *flow, struct ss_cursor bytes,
			uint64_t time_ns, GPtrArray *frames, void *user_data)
{
	(void)time_ns;
	(void)frames;
	if (bytes.length >= 3)
		take_message(user_data, flow, bytes.data);
}

/* --- Frames --- */

static bool is_port(uint16_t port)
{
	return port == SS_DNS_PORT || port == 5353 || port == 5355;
}

/* Of a datagram the last fragment is judged. */
static void take_fragment(struct ss_queries *queries, const struct ss_transport *transport,
			  struct ss_exchange_flow *flow)
{
	struct fragment *first;

	if (!transport->is_later) {
		if (transport->payload.length < sizeof(first->head))
			return;
		first = &queries->fragments[queries->fragment_next++ % FRAGMENTS_MAX];
		*first = (struct fragment){
			.source = transport->source,
			.destination = transport->destination,
			.fragment_id = transport->fragment_id,
			.owner = flow->place,
		};
		memcpy(first->head, transport->payload.data, sizeof(first->head));
		return;
	}
	if (!queries->frame || !transport->is_last)
		return;
	for (unsigned i = 1; i <= FRAGMENTS_MAX; i++) {
		first = &queries->fragments[(queries->fragment_next - i) % FRAGMENTS_MAX];
		if (first->fragment_id != transport->fragment_id || first->owner != flow->place ||
		    memcmp(first->source.address, transport->source.address, 16) != 0 ||
		    memcmp(first->destination.address, transport->destination.address, 16) != 0)
			continue;
		flow->source = first->source;
		flow->destination = first->destination;
		take_message(queries, flow, first->head);
		return;
	}
}

static void take(struct ss_held_frame *frame, const struct ss_transport *transport, uint32_t owner,
		 uint64_t now_ns, void *user_data)
{
	struct ss_queries *queries = user_data;
	struct ss_exchange_flow flow = {transport->source, transport->destination, owner,
					transport->protocol};

	queries->frame = frame;
	queries->now_ns = now_ns;
	if (transport->is_error)
		return;
	if (transport->protocol == IPPROTO_TCP) {
		if (is_port(flow.source.port) || is_port(flow.destination.port))
			ss_channels_segment(queries->channels, &flow, transport, now_ns,
					    &queries->carrier);
	} else if (transport->is_fragment) {
		take_fragment(queries, transport, &flow);
	} else if (transport->payload.length >= SS_DNS_HEADER_SIZE) {
		take_message(queries, &flow, transport->payload.data);
	}
}

/* --- Life --- */

struct ss_queries *ss_queries_new(const struct ss_held_callbacks *callbacks)
{
	struct ss_queries *queries = g_new0(struct ss_queries, 1);
	const struct ss_held_reader reader = {take, taken, queries};

	queries->held = ss_held_new(&reader, callbacks);
	queries->exchanges = ss_connections_new(EXCHANGES_MAX, give_up, queries);
	queries->channels = ss_channels_new(CHANNEL_NS, tcp_message, queries);
	return queries;
}

void ss_queries_free(struct ss_queries *queries)
{
	if (!queries)
		return;
	ss_connections_free(queries->exchanges);
	ss_channels_free(queries->channels);
	ss_held_free(queries->held);
	g_free(queries);
}

struct ss_stage ss_queries_stage(struct ss_queries *queries)
{
	return ss_held_stage(queries->held);
}

struct ss_held_counts ss_queries_counts(const struct ss_queries *queries)
{
	return queries->counts;
}
