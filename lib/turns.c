/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames are kept until it is known whether they are wanted; all of it is bounded and wiped. */
#include "turns.h"

#include <string.h>

#include "connections.h"
#include "format/pcapng.h"
#include "transport.h"

#define FLOWS_MAX    4096
#define BYTES_MAX    (32u << 20)
#define PROLOGUE_MAX 16 /* frames */

#define TLS_CHANGE_CIPHER_SPEC 20
#define TLS_HANDSHAKE          22

struct held {
	GByteArray *block;
	bool from_client;
};

struct flow {
	struct ss_connection connection;
	GQueue prologue; /* struct held, up to the first data; empty once they are wanted */
	GQueue held;     /* struct held, of this turn or exchange */
	bool begun;      /* data was said */
	bool from_client, wanted, client_matches;
};

struct ss_turns {
	bool exchanges;
	ss_turns_wanted wanted;
	void *user_data;
	struct ss_connections *flows; /* struct flow; owner: the interface */
	size_t bytes;                 /* of blocks that are kept */
	uint64_t given_up;
};

static void wipe(GByteArray *block)
{
	explicit_bzero(block->data, block->len);
	g_byte_array_unref(block);
}

static void drop(struct ss_turns *turns, GQueue *queue)
{
	struct held *held;

	while ((held = g_queue_pop_head(queue))) {
		turns->bytes -= held->block->len;
		wipe(held->block);
		g_free(held);
	}
}

static void forget(void *connection, void *user_data)
{
	struct ss_turns *turns = user_data;
	struct flow *flow = connection;

	drop(turns, &flow->prologue);
	drop(turns, &flow->held);
}

struct ss_turns *ss_turns_new(bool exchanges, ss_turns_wanted wanted, void *user_data)
{
	struct ss_turns *turns = g_new0(struct ss_turns, 1);

	turns->exchanges = exchanges;
	turns->wanted = wanted;
	turns->user_data = user_data;
	turns->flows = ss_connections_new(FLOWS_MAX, forget, turns);
	return turns;
}

void ss_turns_free(struct ss_turns *turns)
{
	if (!turns)
		return;
	ss_connections_free(turns->flows);
	g_free(turns);
}

/* Connections that have not been heard of for the longest time give way. */
static void keep(struct ss_turns *turns, struct flow *flow, GQueue *queue, GByteArray *block,
		 bool from_client)
{
	const GQueue *used = ss_connections_used(turns->flows);
	struct held *held;

	while (turns->bytes + block->len > BYTES_MAX && used->head->data != flow) {
		struct flow *oldest = used->head->data;

		turns->given_up += oldest->held.length;
		ss_connections_forget(turns->flows, oldest);
	}
	if (turns->bytes + block->len > BYTES_MAX) {
		turns->given_up++;
		wipe(block);
		return;
	}
	held = g_new(struct held, 1);
	*held = (struct held){block, from_client};
	turns->bytes += block->len;
	g_queue_push_tail(queue, held);
}

static void hand_out(struct ss_turns *turns, struct flow *flow, GQueue *queue)
{
	bool is_prologue = queue == &flow->prologue;
	struct held *held;

	while ((held = g_queue_pop_head(queue))) {
		turns->bytes -= held->block->len;
		turns->wanted(held->block, is_prologue || held->from_client != flow->client_matches,
			      turns->user_data);
		g_free(held);
	}
}

/* A SYN begins another connection; else who speaks first is the client. */
static struct flow *find_flow(struct ss_turns *turns, const struct ss_transport *segment,
			      bool *ret_from_client)
{
	struct flow *flow = ss_connections_find_both(turns->flows, segment, segment->interface_id,
						     ret_from_client);
	bool begins = (segment->flags & (SS_SEGMENT_SYN | SS_SEGMENT_ACK)) == SS_SEGMENT_SYN;

	if (flow && !begins)
		return flow;
	if (flow)
		ss_connections_forget(turns->flows, flow);
	flow = ss_connections_add_both(turns->flows, segment, segment->interface_id, true,
				       sizeof(*flow));
	flow->from_client = *ret_from_client = true;
	return flow;
}

static bool is_data(const struct ss_transport *segment)
{
	const struct ss_cursor *payload = &segment->payload;

	return payload->length && payload->data[0] != TLS_HANDSHAKE &&
	       payload->data[0] != TLS_CHANGE_CIPHER_SPEC;
}

/* Another turn, or exchange, begins. */
static bool is_next(const struct ss_turns *turns, const struct flow *flow, bool from_client)
{
	return flow->from_client != from_client && (from_client || !turns->exchanges);
}

static void take(struct ss_turns *turns, struct flow *flow, GByteArray *block, bool from_client,
		 bool has_payload, bool matches)
{
	if (has_payload && is_next(turns, flow, from_client)) {
		drop(turns, &flow->held);
		flow->wanted = false;
	}
	if (has_payload)
		flow->from_client = from_client;
	if (matches && !flow->wanted) {
		flow->wanted = true;
		flow->client_matches = from_client;
	}
	keep(turns, flow, &flow->held, block, from_client);
	if (!flow->wanted)
		return;
	hand_out(turns, flow, &flow->prologue);
	hand_out(turns, flow, &flow->held);
}

void ss_turns_take(struct ss_turns *turns, GByteArray *block, bool matches)
{
	struct ss_transport segment;
	bool from_client, ends;
	struct flow *flow;

	if (!ss_transport_read(ss_cursor(block->data, block->len), SS_LINKTYPE_RAW, &segment)) {
		if (matches)
			turns->wanted(block, false, turns->user_data);
		else
			wipe(block);
		return;
	}
	flow = find_flow(turns, &segment, &from_client);
	ends = segment.flags & (SS_SEGMENT_FIN | SS_SEGMENT_RST);
	flow->begun |= is_data(&segment) || ends;
	if (!flow->begun && !matches && flow->prologue.length < PROLOGUE_MAX)
		keep(turns, flow, &flow->prologue, block, from_client);
	else
		take(turns, flow, block, from_client, segment.length > 0, matches);
}

uint64_t ss_turns_given_up(const struct ss_turns *turns)
{
	return turns->given_up;
}
