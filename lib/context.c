/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which half a frame is of is told by the side that sent it. First lines tell sides; segments
 * without one are looked up in a table of fixed size, where an entry may fall to another connection
 * with the same place: then a segment in the middle of a message stays without its mark.
 */
#include "context.h"

#include <netinet/in.h>

#include <glib.h>

#include "hash.h"
#include "output/blocks.h"
#include "transport.h"

#define SIDES 16384 /* a power of two */

/* Compared as bytes. */
struct side {
	struct ss_endpoint source, destination;
	uint32_t owner;
	uint32_t server; /* 1: it sends responses */
};

struct ss_context {
	bool requests;
	GArray *places;
	struct side sides[SIDES];
};

struct ss_context *ss_context_new(bool requests)
{
	struct ss_context *context = g_new0(struct ss_context, 1);

	context->requests = requests;
	context->places = ss_places_new();
	return context;
}

void ss_context_free(struct ss_context *context)
{
	if (!context)
		return;
	g_array_unref(context->places);
	g_free(context);
}

/* "GET /": a word in capitals, then a blank. */
static bool is_request_line(const struct ss_cursor *payload)
{
	size_t at = 0, most = MIN(payload->length, 24);

	while (at < most && (g_ascii_isupper((char)payload->data[at]) || payload->data[at] == '-'))
		at++;
	return at && at < most && payload->data[at] == ' ';
}

static bool is_status_line(const struct ss_cursor *payload)
{
	return payload->length >= 5 && memcmp(payload->data, "HTTP/", 5) == 0;
}

static bool is_of_server(struct ss_context *context, const struct ss_transport *segment,
			 uint32_t owner)
{
	struct side side = {segment->source, segment->destination, owner, 0};
	guint hash = ss_hash_words(&side, offsetof(struct side, server));
	struct side *known = &context->sides[hash % SIDES];
	bool same = memcmp(known, &side, offsetof(struct side, server)) == 0;

	side.server = is_status_line(&segment->payload);
	/* A body may have a line that looks like a request. */
	if (side.server || (is_request_line(&segment->payload) && !(same && known->server)))
		*known = side;
	else if (!same)
		return context->requests; /* not known: no mark */
	return known->server;
}

/* Of what the kernel did not look into tshark says what it is. */
static bool is_http(const struct ss_transport *segment)
{
	return segment->protocol == IPPROTO_TCP && !segment->is_error && !segment->is_later;
}

static void look(void *blocks, size_t length, void *user_data)
{
	struct ss_context *context = user_data;

	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);) {
		uint8_t *block = (uint8_t *)blocks + walk.at;
		const struct ss_place *place =
			ss_places_get(context->places, ss_block_word(block + 8));
		struct ss_transport segment;

		if (!place || ss_block_type(block) == SS_BLOCK_LEFT_OUT ||
		    !ss_transport_read(ss_cursor(block, walk.size), place->link_type, &segment) ||
		    !is_http(&segment))
			continue;
		ss_block_set_context(block, walk.size,
				     is_of_server(context, &segment, place->owner) !=
					     context->requests);
	}
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	ss_places_set(((struct ss_context *)user_data)->places, place);
}

struct ss_stage ss_context_stage(struct ss_context *context)
{
	return (struct ss_stage){.look = look, .interface = add_interface, .user_data = context};
}
