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

#include "analysis/http.h"
#include "connections.h"
#include "spare.h"

#define HOLD_NS     100000000ull /* in the ring; most answers take less */
#define FLOWS_MAX   65536
#define PENDING_MAX 1024            /* requests of a flow */
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

struct flow {
	struct ss_connection connection;
	GQueue pending; /* struct request, oldest first */
	bool switched;  /* to another protocol */
};

struct request {
	struct flow *flow;
	GList link, all; /* in the flow's pending; in requests->waiting */
	uint32_t sequence, acknowledgement;
	uint64_t deadline_ns, end_ns;
	struct ss_held_frame *first; /* waits ... */
	GPtrArray *more;             /* ... and others with it, if there are any */
	bool is_connect;
};

struct ss_requests {
	struct ss_held *held;
	struct ss_held_counts counts;
	struct ss_connections *flows; /* struct flow */
	GQueue waiting;               /* struct request, oldest first */
	struct ss_spare spare;        /* struct request */
	bool (*wants)(unsigned code, void *user_data);
	void *user_data;
};

/* The request is over. */
static void finish(struct ss_requests *requests, struct request *request, bool wanted)
{
	ss_held_decide(requests->held, request->first, wanted);
	for (guint i = 0; request->more && i < request->more->len; i++)
		ss_held_decide(requests->held, request->more->pdata[i], wanted);
	requests->counts.kept += wanted;
	g_queue_unlink(&request->flow->pending, &request->link);
	g_queue_unlink(&requests->waiting, &request->all);
	g_clear_pointer(&request->more, g_ptr_array_unref);
	ss_spare_give(&requests->spare, request);
}

static void give_up(struct ss_requests *requests, struct request *request)
{
	requests->counts.given_up++;
	finish(requests, request, false);
}

static void end_flow(struct ss_requests *requests, struct flow *flow)
{
	while (flow->pending.head)
		finish(requests, flow->pending.head->data, false);
	ss_connections_remove(requests->flows, flow);
}

static void give_up_flow(void *connection, void *user_data)
{
	struct flow *flow = connection;

	while (flow->pending.head)
		give_up(user_data, flow->pending.head->data);
}

/* --- Frames --- */

static bool is_word(const uint8_t *bytes, size_t length)
{
	size_t at = 0;

	while (at < length && (g_ascii_isupper((char)bytes[at]) || bytes[at] == '-'))
		at++;
	return at && (at == length || bytes[at] == ' ');
}

/* Of a response; 0: it is not there. */
static unsigned code_of(const struct ss_transport *segment)
{
	const uint8_t *bytes = segment->payload.data;

	if (segment->payload.length < 12 || bytes[8] != ' ')
		return 0;
	return (unsigned)((bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + bytes[11] - '0');
}

/* How HTTP/2 begins. */
static const char preface[] = "PRI * HTTP/2";

static enum kind kind_of(const struct ss_transport *segment)
{
	const uint8_t *bytes = segment->payload.data;
	size_t length = MIN(segment->payload.length, 16);

	if (segment->protocol != IPPROTO_TCP || segment->is_later || segment->is_error)
		return KIND_OTHER;
	if (!segment->length)
		return segment->flags & (SS_SEGMENT_FIN | SS_SEGMENT_RST) ? KIND_END : KIND_OTHER;
	if (length >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
		return ss_http_is_interim(code_of(segment)) ? KIND_INTERIM : KIND_RESPONSE;
	if (length >= strlen(preface) && memcmp(bytes, preface, strlen(preface)) == 0)
		return KIND_MORE;
	return is_word(bytes, length) ? KIND_REQUEST : KIND_MORE;
}

static void add_part(struct request *request, struct ss_held_frame *frame)
{
	if (request->more && request->more->len >= FRAMES_MAX - 1) {
		frame->wanted = false;
		return;
	}
	ss_held_wait(frame, request->deadline_ns);
	if (!request->more)
		request->more = g_ptr_array_new();
	g_ptr_array_add(request->more, frame);
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
			 uint32_t owner, uint64_t now_ns, struct ss_held_frame *frame)
{
	bool from_client = true;
	struct flow *flow = ss_connections_find_both(requests->flows, segment, owner, &from_client);
	struct request *request;

	if (!from_client)
		return; /* of a response, which only looks like a request */
	if (!flow)
		flow = ss_connections_add_both(requests->flows, segment, owner, true,
					       sizeof(*flow));
	for (GList *link = flow->pending.head; link; link = link->next) {
		request = link->data;
		if (request->sequence == segment->sequence) { /* once more */
			add_part(request, frame);
			return;
		}
	}
	drop_answered(requests, flow, segment->acknowledgement);
	if (flow->pending.length >= PENDING_MAX)
		give_up(requests, flow->pending.head->data);
	flow->switched = false;
	request = ss_spare_take(&requests->spare, sizeof(*request));
	request->flow = flow;
	request->link.data = request->all.data = request;
	request->sequence = segment->sequence;
	request->acknowledgement = segment->acknowledgement;
	request->deadline_ns = now_ns + HOLD_NS;
	request->end_ns = now_ns + PATIENCE_NS;
	request->first = frame;
	request->is_connect =
		segment->payload.length >= 8 && memcmp(segment->payload.data, "CONNECT ", 8) == 0;
	ss_held_wait(frame, request->deadline_ns);
	g_queue_push_tail_link(&flow->pending, &request->link);
	g_queue_push_tail_link(&requests->waiting, &request->all);
}

/* Everything that waits for it is wanted. */
static void take_response(struct ss_requests *requests, const struct ss_transport *segment,
			  uint32_t owner)
{
	unsigned code = code_of(segment);
	bool from_client, connects = false;
	struct flow *flow = ss_connections_find_both(requests->flows, segment, owner, &from_client);
	struct request *request;

	if (!flow || from_client)
		return;
	while ((request = g_queue_peek_head(&flow->pending))) {
		connects = request->is_connect;
		finish(requests, request, true);
	}
	flow->switched = ss_http_is_switch(code, connects);
}

/* A request's body, or an interim response, shares its fate. */
static void take_more(struct ss_requests *requests, const struct ss_transport *segment,
		      uint32_t owner, bool interim, struct ss_held_frame *frame)
{
	bool from_client;
	struct flow *flow = ss_connections_find_both(requests->flows, segment, owner, &from_client);
	struct request *request = flow ? g_queue_peek_tail(&flow->pending) : NULL;

	if (flow && flow->switched)
		frame->wanted = false;
	else if (request && from_client != interim)
		add_part(request, frame);
}

static void take_interim(struct ss_requests *requests, const struct ss_transport *segment,
			 uint32_t owner, struct ss_held_frame *frame)
{
	if (requests->wants && requests->wants(code_of(segment), requests->user_data))
		take_response(requests, segment, owner);
	else
		take_more(requests, segment, owner, true, frame);
}

static void take_end(struct ss_requests *requests, const struct ss_transport *segment,
		     uint32_t owner, struct ss_held_frame *frame)
{
	bool reset = segment->flags & SS_SEGMENT_RST;
	bool from_client = false;
	struct flow *flow = ss_connections_find_both(requests->flows, segment, owner, &from_client);

	/* A client that has asked may close its side and wait. */
	if (from_client && !reset)
		flow = NULL;
	/* Of a response until the end of the connection it is the last frame. */
	frame->wanted = flow && !reset && !flow->pending.head && !flow->switched;
	if (flow)
		end_flow(requests, flow);
}

static void take_frame(struct ss_held_frame *frame, const struct ss_transport *segment,
		       uint32_t owner, uint64_t now_ns, void *user_data)
{
	struct ss_requests *requests = user_data;

	if (!frame)
		return;
	switch (kind_of(segment)) {
	case KIND_REQUEST:
		take_request(requests, segment, owner, now_ns, frame);
		break;
	case KIND_RESPONSE:
		take_response(requests, segment, owner);
		break;
	case KIND_INTERIM:
		take_interim(requests, segment, owner, frame);
		break;
	case KIND_MORE:
		take_more(requests, segment, owner, false, frame);
		break;
	case KIND_END:
		take_end(requests, segment, owner, frame);
		break;
	case KIND_OTHER:
		break;
	}
}

static void taken(uint64_t now_ns, void *user_data)
{
	struct ss_requests *requests = user_data;
	struct request *oldest;

	while ((oldest = g_queue_peek_head(&requests->waiting)) &&
	       (ss_held_copied(requests->held) > COPIES_MAX || oldest->end_ns <= now_ns))
		give_up(requests, oldest);
}

/* --- Life --- */

struct ss_requests *ss_requests_new(const struct ss_held_callbacks *callbacks,
				    bool (*wants)(unsigned code, void *user_data))
{
	struct ss_requests *requests = g_new0(struct ss_requests, 1);
	const struct ss_held_reader reader = {take_frame, taken, requests};

	requests->held = ss_held_new(&reader, callbacks);
	requests->flows = ss_connections_new(FLOWS_MAX, give_up_flow, requests);
	g_queue_init(&requests->waiting);
	requests->wants = wants;
	requests->user_data = callbacks->user_data;
	return requests;
}

void ss_requests_free(struct ss_requests *requests)
{
	if (!requests)
		return;
	ss_connections_free(requests->flows);
	ss_spare_deinit(&requests->spare);
	ss_held_free(requests->held);
	g_free(requests);
}

struct ss_stage ss_requests_stage(struct ss_requests *requests)
{
	return ss_held_stage(requests->held);
}

struct ss_held_counts ss_requests_counts(const struct ss_requests *requests)
{
	return requests->counts;
}
