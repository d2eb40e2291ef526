/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow is a connection, with the requests on it that are not answered yet. What could surprise:
 * responses that are not wanted are not seen. That one came is told by the acknowledgement number
 * of the next request; if it is the same, the client did not wait (pipelining), and all of its
 * requests stay candidates for the next response.
 */
#include "requests.h"

#include <netinet/in.h>
#include <string.h>

#include "format/pcapng.h"
#include "hash.h"
#include "output/block.h"
#include "transport.h"

#define HOLD_NS     100000000ull /* in the ring; most answers take less */
#define FLOWS_MAX   65536
#define COPIES_MAX  (32u << 20)     /* bytes */
#define PATIENCE_NS 600000000000ull /* for an answer */
#define FRAMES_MAX  64              /* of one request */

enum kind {
	KIND_REQUEST,
	KIND_RESPONSE,
	KIND_INTERIM, /* 1xx: not the answer yet */
	KIND_MORE,    /* of a message */
	KIND_END,     /* of the connection */
	KIND_OTHER,
};

/* Compared as bytes. */
struct key {
	struct ss_endpoint client, server;
	uint32_t owner;
};

struct flow {
	struct key key;
	GList link;     /* in used */
	GQueue pending; /* struct request, oldest first */
};

/* A frame of a request: in the ring, or copied. */
struct part {
	struct frame *frame; /* NULL: it is not in the ring any more */
	GByteArray *copy;    /* ... but here */
	uint32_t interface_id;
	uint64_t time_ns;
};

struct request {
	struct flow *flow;
	GList link, all; /* in the flow's pending; in requests->waiting */
	uint32_t sequence, acknowledgement;
	uint64_t deadline_ns, end_ns;
	GArray *parts; /* struct part */
};

/* A frame in the ring that is not finished. */
struct frame {
	uint64_t position;
	struct request *request; /* NULL: decided */
	guint part;
	bool wanted;
};

struct place {
	uint32_t owner;
	uint16_t link_type; /* UINT16_MAX: not known */
};

struct ss_requests {
	struct ss_requests_callbacks callbacks;
	struct ss_requests_counts counts;
	GArray *places;
	GHashTable *flows; /* struct key → struct flow */
	GQueue used;       /* struct flow, the most recently used last */
	GQueue waiting;    /* struct request, oldest first */
	GQueue frames;     /* struct frame, in order */
	size_t copied;     /* bytes */
	uint64_t admitted; /* bytes so far: positions count from there */
	size_t inspected;  /* bytes behind it that were looked at */
	uint64_t front_ns; /* stamp of the first frame offered */
	bool released;
};

static guint hash_key(gconstpointer pointer)
{
	return ss_hash_words(pointer, sizeof(struct key));
}

static gboolean same_key(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct key)) == 0;
}

struct ss_requests *ss_requests_new(const struct ss_requests_callbacks *callbacks)
{
	struct ss_requests *requests = g_new0(struct ss_requests, 1);

	requests->callbacks = *callbacks;
	requests->places = g_array_new(FALSE, FALSE, sizeof(struct place));
	requests->flows = g_hash_table_new(hash_key, same_key);
	g_queue_init(&requests->used);
	g_queue_init(&requests->waiting);
	g_queue_init(&requests->frames);
	return requests;
}

/* The comment goes before the end of the options. */
static void add_comment(GByteArray *block, const char *text)
{
	uint16_t head[2] = {GUINT16_TO_LE(SS_OPT_COMMENT), GUINT16_TO_LE((uint16_t)strlen(text))};
	static const uint8_t padding[3];
	uint8_t tail[8];
	uint32_t size;

	memcpy(tail, block->data + block->len - sizeof(tail), sizeof(tail));
	g_byte_array_set_size(block, block->len - (guint)sizeof(tail));
	g_byte_array_append(block, (const guint8 *)head, sizeof(head));
	g_byte_array_append(block, (const guint8 *)text, (guint)strlen(text));
	g_byte_array_append(block, padding, -(guint)strlen(text) & 3);
	g_byte_array_append(block, tail, sizeof(tail));
	size = GUINT32_TO_LE(block->len);
	memcpy(block->data + 4, &size, sizeof(size));
	memcpy(block->data + block->len - 4, &size, sizeof(size));
}

/* A copy leaves after all, not before what has left already. */
static void write_late(struct ss_requests *requests, struct part *part)
{
	uint64_t time_ns = MAX(part->time_ns, requests->front_ns);
	uint32_t words[2] = {GUINT32_TO_LE((uint32_t)(time_ns >> 32)),
			     GUINT32_TO_LE((uint32_t)time_ns)};
	g_autofree char *text = NULL;

	if (time_ns != part->time_ns) {
		text = g_strdup_printf("sent %.6f s before; it waited for its answer",
				       (double)(time_ns - part->time_ns) / 1e9);
		memcpy(part->copy->data + 12, words, sizeof(words));
		add_comment(part->copy, text);
	}
	requests->callbacks.late(part->interface_id, time_ns, g_steal_pointer(&part->copy),
				 requests->callbacks.user_data);
}

/* The request is over. */
static void finish(struct ss_requests *requests, struct request *request, bool wanted)
{
	for (guint i = 0; i < request->parts->len; i++) {
		struct part *part = &g_array_index(request->parts, struct part, i);

		if (part->frame) {
			part->frame->request = NULL;
			part->frame->wanted = wanted;
			continue;
		}
		requests->copied -= part->copy->len;
		if (wanted)
			write_late(requests, part);
		g_clear_pointer(&part->copy, g_byte_array_unref);
	}
	requests->counts.kept += wanted;
	g_queue_unlink(&request->flow->pending, &request->link);
	g_queue_unlink(&requests->waiting, &request->all);
	g_array_unref(request->parts);
	g_free(request);
}

static void give_up(struct ss_requests *requests, struct request *request)
{
	requests->counts.given_up++;
	finish(requests, request, false);
}

static void forget_flow(struct ss_requests *requests, struct flow *flow, bool given_up)
{
	while (flow->pending.head) {
		if (given_up)
			give_up(requests, flow->pending.head->data);
		else
			finish(requests, flow->pending.head->data, false);
	}
	g_hash_table_remove(requests->flows, &flow->key);
	g_queue_unlink(&requests->used, &flow->link);
	g_free(flow);
}

void ss_requests_free(struct ss_requests *requests)
{
	if (!requests)
		return;
	while (requests->used.head)
		forget_flow(requests, requests->used.head->data, false);
	g_hash_table_unref(requests->flows);
	g_queue_clear_full(&requests->frames, g_free);
	g_array_unref(requests->places);
	g_free(requests);
}

void ss_requests_interface(struct ss_requests *requests, uint32_t interface_id, uint16_t link_type,
			   uint32_t owner)
{
	const struct place none = {.link_type = UINT16_MAX};

	while (requests->places->len <= interface_id)
		g_array_append_val(requests->places, none);
	g_array_index(requests->places, struct place, interface_id) =
		(struct place){owner, link_type};
}

/* Flows. */

static struct flow *find_flow(struct ss_requests *requests, const struct ss_transport *segment,
			      uint32_t owner, bool from_client)
{
	const struct key key = {
		.client = from_client ? segment->source : segment->destination,
		.server = from_client ? segment->destination : segment->source,
		.owner = owner,
	};
	struct flow *flow = g_hash_table_lookup(requests->flows, &key);

	if (flow) {
		g_queue_unlink(&requests->used, &flow->link);
		g_queue_push_tail_link(&requests->used, &flow->link);
	}
	return flow;
}

static struct flow *add_flow(struct ss_requests *requests, const struct ss_transport *segment,
			     uint32_t owner)
{
	struct flow *flow = g_new0(struct flow, 1);

	if (requests->used.length >= FLOWS_MAX)
		forget_flow(requests, requests->used.head->data, true);
	flow->key.client = segment->source;
	flow->key.server = segment->destination;
	flow->key.owner = owner;
	flow->link.data = flow;
	g_queue_init(&flow->pending);
	g_hash_table_insert(requests->flows, &flow->key, flow);
	g_queue_push_tail_link(&requests->used, &flow->link);
	return flow;
}

/* --- Frames --- */

static bool is_word(const uint8_t *bytes, size_t length)
{
	size_t at = 0;

	while (at < length && (g_ascii_isupper((char)bytes[at]) || bytes[at] == '-'))
		at++;
	return at && (at == length || bytes[at] == ' ');
}

static enum kind kind_of(const struct ss_transport *segment)
{
	const uint8_t *bytes = segment->payload.data;
	size_t length = MIN(segment->payload.length, 16);

	if (segment->protocol != IPPROTO_TCP || segment->is_later || segment->is_error)
		return KIND_OTHER;
	if (!segment->length)
		return segment->flags & (SS_SEGMENT_FIN | SS_SEGMENT_RST) ? KIND_END : KIND_OTHER;
	if (length >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
		return length > 9 && bytes[8] == ' ' && bytes[9] == '1' ? KIND_INTERIM
									: KIND_RESPONSE;
	return is_word(bytes, length) ? KIND_REQUEST : KIND_MORE;
}

static void add_part(struct request *request, struct frame *frame,
		     const struct ss_transport *segment)
{
	const struct part part = {
		.frame = frame,
		.interface_id = segment->interface_id,
		.time_ns = segment->time_ns,
	};

	if (request->parts->len >= FRAMES_MAX) {
		frame->wanted = false;
		return;
	}
	frame->request = request;
	frame->part = request->parts->len;
	g_array_append_val(request->parts, part);
}

/* Requests that were answered before this one was sent. */
static void drop_answered(struct ss_requests *requests, struct flow *flow, uint32_t acknowledgement)
{
	struct request *request;

	while ((request = g_queue_peek_head(&flow->pending)) &&
	       request->acknowledgement != acknowledgement)
		finish(requests, request, false);
}

static void take_request(struct ss_requests *requests, const struct ss_transport *segment,
			 uint32_t owner, uint64_t now_ns, struct frame *frame)
{
	struct flow *flow = find_flow(requests, segment, owner, true);
	struct request *request;

	if (find_flow(requests, segment, owner, false))
		return; /* of a response, which only looks like a request */
	if (!flow)
		flow = add_flow(requests, segment, owner);
	for (GList *link = flow->pending.head; link; link = link->next) {
		request = link->data;
		if (request->sequence == segment->sequence) { /* once more */
			add_part(request, frame, segment);
			return;
		}
	}
	drop_answered(requests, flow, segment->acknowledgement);
	request = g_new0(struct request, 1);
	request->flow = flow;
	request->link.data = request->all.data = request;
	request->sequence = segment->sequence;
	request->acknowledgement = segment->acknowledgement;
	request->deadline_ns = now_ns + HOLD_NS;
	request->end_ns = now_ns + PATIENCE_NS;
	request->parts = g_array_new(FALSE, FALSE, sizeof(struct part));
	g_queue_push_tail_link(&flow->pending, &request->link);
	g_queue_push_tail_link(&requests->waiting, &request->all);
	add_part(request, frame, segment);
}

static void take_response(struct ss_requests *requests, const struct ss_transport *segment,
			  uint32_t owner)
{
	struct flow *flow = find_flow(requests, segment, owner, false);

	while (flow && flow->pending.head)
		finish(requests, flow->pending.head->data, true);
}

/* A request's body, or an interim response, shares its fate. */
static void take_more(struct ss_requests *requests, const struct ss_transport *segment,
		      uint32_t owner, bool from_client, struct frame *frame)
{
	struct flow *flow = find_flow(requests, segment, owner, from_client);
	struct request *request = flow ? g_queue_peek_tail(&flow->pending) : NULL;

	if (request)
		add_part(request, frame, segment);
}

static void take_end(struct ss_requests *requests, const struct ss_transport *segment,
		     uint32_t owner, struct frame *frame)
{
	bool reset = segment->flags & SS_SEGMENT_RST;
	struct flow *flow = find_flow(requests, segment, owner, false);

	/* A client that has asked may close its side and wait. */
	if (!flow && reset)
		flow = find_flow(requests, segment, owner, true);
	/* Of a response until the end of the connection it is the last frame. */
	frame->wanted = flow && !reset && !flow->pending.head;
	if (flow)
		forget_flow(requests, flow, false);
}

static void take_frame(struct ss_requests *requests, const struct ss_transport *segment,
		       uint32_t owner, uint64_t now_ns, struct frame *frame)
{
	switch (kind_of(segment)) {
	case KIND_REQUEST:
		take_request(requests, segment, owner, now_ns, frame);
		break;
	case KIND_RESPONSE:
		take_response(requests, segment, owner);
		break;
	case KIND_INTERIM:
		take_more(requests, segment, owner, false, frame);
		break;
	case KIND_MORE:
		take_more(requests, segment, owner, true, frame);
		break;
	case KIND_END:
		take_end(requests, segment, owner, frame);
		break;
	case KIND_OTHER:
		break;
	}
}

static void inspect(struct ss_requests *requests, const uint8_t *blocks, size_t length,
		    uint64_t now_ns)
{
	while (length - requests->inspected >= 12) {
		const uint8_t *block = blocks + requests->inspected;
		uint32_t size = ss_block_word(block + 4), id = ss_block_word(block + 8);
		struct ss_transport segment;
		struct frame *frame;
		struct place *place;

		if (size < 12 || size % 4 || size > length - requests->inspected)
			break;
		requests->inspected += size;
		if (id >= requests->places->len)
			continue;
		place = &g_array_index(requests->places, struct place, id);
		if (place->link_type == UINT16_MAX ||
		    !ss_transport_read(ss_cursor(block, size), place->link_type, &segment))
			continue;
		frame = g_new0(struct frame, 1);
		frame->position = requests->admitted + (uint64_t)(block - blocks);
		frame->wanted = true;
		g_queue_push_tail(&requests->frames, frame);
		take_frame(requests, &segment, place->owner, now_ns, frame);
	}
	requests->inspected = length;
}

static void leave_out(const struct ss_requests *requests, uint8_t *block)
{
	uint32_t type = GUINT32_TO_LE(SS_BLOCK_LEFT_OUT);

	requests->callbacks.left_out(ss_block_word(block + 8), requests->callbacks.user_data);
	memcpy(block, &type, sizeof(type));
}

/* Out of the ring, so that others need not wait. */
static void copy_out(struct ss_requests *requests, struct frame *frame, uint8_t *block)
{
	struct part *part = &g_array_index(frame->request->parts, struct part, frame->part);

	part->frame = NULL;
	part->copy = g_byte_array_sized_new(ss_block_word(block + 4));
	g_byte_array_append(part->copy, block, ss_block_word(block + 4));
	requests->copied += part->copy->len;
	frame->request = NULL;
	frame->wanted = false;
}

/* Finishes the frames at the front that need not wait any more. Returns how much may go on. */
static size_t settle(struct ss_requests *requests, uint8_t *blocks, size_t length, uint64_t now_ns,
		     uint64_t *ret_again_ns)
{
	struct frame *frame;

	while ((frame = g_queue_peek_head(&requests->frames))) {
		size_t offset = (size_t)(frame->position - requests->admitted);
		uint8_t *block = blocks + offset;

		if (offset > length || length - offset < 12 ||
		    ss_block_word(block + 4) > length - offset)
			return length; /* offered less than before */
		if (frame->request && frame->request->deadline_ns > now_ns && !requests->released) {
			*ret_again_ns = frame->request->deadline_ns - now_ns;
			return offset;
		}
		if (frame->request)
			copy_out(requests, frame, block);
		if (!frame->wanted)
			leave_out(requests, block);
		g_free(g_queue_pop_head(&requests->frames));
	}
	return length;
}

static void bound(struct ss_requests *requests, uint64_t now_ns)
{
	struct request *oldest;

	while ((oldest = g_queue_peek_head(&requests->waiting)) &&
	       (requests->copied > COPIES_MAX || oldest->end_ns <= now_ns))
		give_up(requests, oldest);
}

size_t ss_requests_admit(struct ss_requests *requests, void *blocks, size_t length, uint64_t now_ns,
			 uint64_t *ret_again_ns)
{
	const uint8_t *front = blocks;
	size_t admitted;

	if (length >= 20)
		requests->front_ns =
			(uint64_t)ss_block_word(front + 12) << 32 | ss_block_word(front + 16);
	if (requests->inspected < length)
		inspect(requests, blocks, length, now_ns);
	admitted = settle(requests, blocks, length, now_ns, ret_again_ns);
	bound(requests, now_ns);
	requests->admitted += admitted;
	requests->inspected -= admitted;
	requests->released = false;
	return admitted;
}

void ss_requests_release(struct ss_requests *requests)
{
	requests->released = true;
}

void ss_requests_count(const struct ss_requests *requests, struct ss_requests_counts *ret)
{
	*ret = requests->counts;
}
