/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames are kept until it is known whether they are wanted; all of it is bounded and wiped. */
#include "turns.h"

#include <string.h>

#include "format/pcapng.h"
#include "hash.h"
#include "transport.h"

#define FLOWS_MAX    4096
#define BYTES_MAX    (32u << 20)
#define PROLOGUE_MAX 16 /* frames */

#define TLS_CHANGE_CIPHER_SPEC 20
#define TLS_HANDSHAKE          22

/* Compared as bytes. */
struct key {
	struct ss_endpoint client, server;
	uint32_t interface_id;
};

struct held {
	GByteArray *block;
	bool from_client;
};

struct flow {
	struct key key;
	GList link;      /* in used */
	GQueue prologue; /* struct held, up to the first data; empty once they are wanted */
	GQueue held;     /* struct held, of this turn or exchange */
	bool begun;      /* data was said */
	bool from_client, wanted, client_matches;
};

struct ss_turns {
	bool exchanges;
	ss_turns_wanted wanted;
	void *user_data;
	GHashTable *flows; /* struct key → struct flow */
	GQueue used;       /* struct flow, the most recently used last */
	size_t bytes;      /* of blocks that are kept */
	uint64_t given_up;
};

static guint hash_key(gconstpointer pointer)
{
	return ss_hash_words(pointer, sizeof(struct key));
}

static gboolean same_key(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct key)) == 0;
}

struct ss_turns *ss_turns_new(bool exchanges, ss_turns_wanted wanted, void *user_data)
{
	struct ss_turns *turns = g_new0(struct ss_turns, 1);

	turns->exchanges = exchanges;
	turns->wanted = wanted;
	turns->user_data = user_data;
	turns->flows = g_hash_table_new(hash_key, same_key);
	g_queue_init(&turns->used);
	return turns;
}

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

static void forget(struct ss_turns *turns, struct flow *flow)
{
	drop(turns, &flow->prologue);
	drop(turns, &flow->held);
	g_hash_table_remove(turns->flows, &flow->key);
	g_queue_unlink(&turns->used, &flow->link);
	g_free(flow);
}

void ss_turns_free(struct ss_turns *turns)
{
	if (!turns)
		return;
	while (turns->used.head)
		forget(turns, turns->used.head->data);
	g_hash_table_unref(turns->flows);
	g_free(turns);
}

/* Connections that have not been heard of for the longest time give way. */
static void keep(struct ss_turns *turns, struct flow *flow, GQueue *queue, GByteArray *block,
		 bool from_client)
{
	struct held *held;

	while (turns->bytes + block->len > BYTES_MAX && turns->used.head->data != flow) {
		struct flow *oldest = turns->used.head->data;

		turns->given_up += oldest->held.length;
		forget(turns, oldest);
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

static struct flow *add_flow(struct ss_turns *turns, const struct key *key)
{
	struct flow *flow = g_new0(struct flow, 1);

	if (turns->used.length >= FLOWS_MAX)
		forget(turns, turns->used.head->data);
	flow->key = *key;
	flow->link.data = flow;
	flow->from_client = true;
	g_queue_init(&flow->prologue);
	g_queue_init(&flow->held);
	g_hash_table_insert(turns->flows, &flow->key, flow);
	g_queue_push_tail_link(&turns->used, &flow->link);
	return flow;
}

/* A SYN begins another connection; else who speaks first is the client. */
static struct flow *find_flow(struct ss_turns *turns, const struct ss_transport *segment,
			      bool *ret_from_client)
{
	const struct key out = {segment->source, segment->destination, segment->interface_id};
	const struct key back = {segment->destination, segment->source, segment->interface_id};
	struct flow *flow = g_hash_table_lookup(turns->flows, &out);
	bool begins = (segment->flags & (SS_SEGMENT_SYN | SS_SEGMENT_ACK)) == SS_SEGMENT_SYN;

	*ret_from_client = flow != NULL;
	if (!flow)
		flow = g_hash_table_lookup(turns->flows, &back);
	if (flow && begins) {
		forget(turns, flow);
		flow = NULL;
	}
	if (!flow) {
		*ret_from_client = true;
		return add_flow(turns, &out);
	}
	g_queue_unlink(&turns->used, &flow->link);
	g_queue_push_tail_link(&turns->used, &flow->link);
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
