/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow is a connection, with its exchanges that are not over, oldest first. Frames of both halves
 * wait together, because one verdict is theirs: as soon as one of them is selected the others need
 * not wait. What could surprise: a frame may be of several exchanges, where a client does not wait
 * for answers. The kernel may have kept responses back that can't match: then the client has
 * acknowledged bytes which nobody saw.
 */
#include "partners.h"

#include <netinet/in.h>
#include <string.h>

#include "analysis/http.h"
#include "connections.h"

#define HOLD_NS       100000000ull /* in the ring; most answers take less */
#define FLOWS_MAX     65536
#define PENDING_MAX   1024            /* exchanges of a flow ... */
#define EXCHANGES_MAX 131072          /* ... and of all */
#define COPIES_MAX    (32u << 20)     /* bytes */
#define PART_MAX      (4u << 20)      /* bytes of an exchange that wait */
#define FRAME_BYTES   256             /* beside its payload */
#define PATIENCE_NS   600000000000ull /* for its end */

struct exchange {
	GList link, all; /* in the flow's exchanges; in partners->waiting, or wanted */
	struct flow *flow;
	GPtrArray *frames; /* struct ss_held_frame, which wait */
	size_t bytes;      /* of these */
	uint32_t acknowledgement;
	uint64_t deadline_ns, end_ns;
	bool wanted, cut;
	bool asked, answered; /* that half is over */
	bool is_head, is_connect;
};

struct flow {
	struct ss_connection connection;
	struct ss_http_side client, server;
	GQueue exchanges;                    /* struct exchange, oldest first */
	struct exchange *asking, *answering; /* whose message is under way; NULL: none */
};

struct ss_partners {
	struct ss_held *held;
	struct ss_held_counts counts;
	struct ss_connections *flows; /* struct flow */
	GQueue waiting, wanted;       /* struct exchange, oldest first */
	/* What is being taken. */
	struct flow *flow;
	const struct ss_transport *segment;
	struct ss_held_frame *frame; /* NULL: nobody may have it */
	bool is_behind_gap;          /* bytes before it were not seen */
	uint64_t now_ns;
};

/* --- Exchanges --- */

static void decide(struct ss_partners *partners, struct exchange *exchange)
{
	for (guint i = 0; i < exchange->frames->len; i++)
		ss_held_decide(partners->held, exchange->frames->pdata[i], exchange->wanted);
	g_ptr_array_set_size(exchange->frames, 0);
}

static void want(struct ss_partners *partners, struct exchange *exchange)
{
	if (exchange->wanted)
		return;
	exchange->wanted = true;
	g_queue_unlink(&partners->waiting, &exchange->all);
	g_queue_push_tail_link(&partners->wanted, &exchange->all);
	decide(partners, exchange);
}

static void remove_exchange(struct ss_partners *partners, struct exchange *exchange)
{
	struct flow *flow = exchange->flow;

	if (flow->asking == exchange)
		flow->asking = NULL;
	if (flow->answering == exchange)
		flow->answering = NULL;
	g_queue_unlink(exchange->wanted ? &partners->wanted : &partners->waiting, &exchange->all);
	g_queue_unlink(&flow->exchanges, &exchange->link);
	g_ptr_array_unref(exchange->frames);
	g_free(exchange);
}

static void finish(struct ss_partners *partners, struct exchange *exchange)
{
	decide(partners, exchange);
	partners->counts.kept += exchange->wanted;
	partners->counts.cut += exchange->wanted && exchange->cut;
	remove_exchange(partners, exchange);
}

static void give_up(struct ss_partners *partners, struct exchange *exchange)
{
	partners->counts.given_up += exchange->wanted || exchange->frames->len;
	finish(partners, exchange);
}

/* Wanted ones have no end but that of their connection. */
static void make_room(struct ss_partners *partners, struct flow *flow)
{
	if (flow->exchanges.length >= PENDING_MAX)
		give_up(partners, flow->exchanges.head->data);
	if (partners->wanted.length + partners->waiting.length >= EXCHANGES_MAX)
		give_up(partners,
			(partners->wanted.head ? partners->wanted.head : partners->waiting.head)
				->data);
}

static struct exchange *add_exchange(struct ss_partners *partners, struct flow *flow)
{
	struct exchange *exchange = g_new0(struct exchange, 1);

	make_room(partners, flow);
	exchange->flow = flow;
	exchange->link.data = exchange->all.data = exchange;
	exchange->frames = g_ptr_array_new();
	exchange->deadline_ns = partners->now_ns + HOLD_NS;
	exchange->end_ns = partners->now_ns + PATIENCE_NS;
	exchange->acknowledgement = partners->segment->acknowledgement;
	g_queue_push_tail_link(&flow->exchanges, &exchange->link);
	g_queue_push_tail_link(&partners->waiting, &exchange->all);
	return exchange;
}

/* The frame that is being taken is of the exchange. */
static void add_frame(struct ss_partners *partners, struct exchange *exchange)
{
	struct ss_held_frame *frame = partners->frame;
	size_t bytes = partners->segment->payload.length + FRAME_BYTES;

	if (!frame)
		return;
	if (!frame->is_left_out) {
		want(partners, exchange);
	} else if (exchange->wanted) {
		frame->wanted = true;
	} else if (exchange->bytes + bytes > PART_MAX) {
		exchange->cut = true;
	} else {
		exchange->bytes += bytes;
		ss_held_wait(frame, exchange->deadline_ns);
		g_ptr_array_add(exchange->frames, frame);
	}
}

/* --- Flows --- */

static void end_flow(struct ss_partners *partners, struct flow *flow)
{
	while (flow->exchanges.head)
		finish(partners, flow->exchanges.head->data);
	ss_connections_remove(partners->flows, flow);
}

static void give_up_flow(void *connection, void *user_data)
{
	struct flow *flow = connection;

	while (flow->exchanges.head)
		give_up(user_data, flow->exchanges.head->data);
}

/* --- Requests --- */

static bool is_unanswered(const struct exchange *exchange)
{
	return !exchange->answered && exchange != exchange->flow->answering;
}

/* The client has acknowledged what nobody saw: the kernel kept responses back. */
static void drop_answered(struct ss_partners *partners, struct flow *flow)
{
	uint32_t acknowledgement = partners->segment->acknowledgement;
	GList *next;

	if (flow->server.started && (int32_t)(acknowledgement - flow->server.next) <= 0)
		return;
	for (GList *link = flow->exchanges.head; link; link = next) {
		struct exchange *exchange = link->data;

		next = link->next;
		if (is_unanswered(exchange) && exchange->acknowledgement != acknowledgement)
			finish(partners, exchange);
	}
}

static void client_told(enum ss_http_event event, void *user_data)
{
	struct ss_partners *partners = user_data;
	struct flow *flow = partners->flow;
	struct exchange *exchange = flow->asking;

	switch (event) {
	case SS_HTTP_REQUEST:
		drop_answered(partners, flow);
		flow->asking = add_exchange(partners, flow);
		add_frame(partners, flow->asking);
		break;
	case SS_HTTP_MORE:
		if (exchange)
			add_frame(partners, exchange);
		break;
	case SS_HTTP_END:
		flow->asking = NULL;
		if (!exchange)
			break;
		exchange->asked = true;
		exchange->is_head = flow->client.is_head;
		exchange->is_connect = flow->client.is_connect;
		if (exchange->answered)
			finish(partners, exchange);
		break;
	case SS_HTTP_NONE:
		if (exchange)
			finish(partners, exchange);
		break;
	case SS_HTTP_RESPONSE: /* not from a client */
		break;
	}
}

/* --- Responses --- */

/* The other one, too, may be what is answered now. */
static void merge(struct ss_partners *partners, struct exchange *exchange, struct exchange *other)
{
	struct flow *flow = exchange->flow;

	for (guint i = 0; i < other->frames->len; i++)
		g_ptr_array_add(exchange->frames, other->frames->pdata[i]);
	g_ptr_array_set_size(other->frames, 0);
	exchange->bytes += other->bytes;
	exchange->cut |= other->cut;
	exchange->asked &= other->asked;
	if (other->wanted)
		want(partners, exchange);
	else if (exchange->wanted)
		decide(partners, exchange);
	if (flow->asking == other)
		flow->asking = exchange;
	remove_exchange(partners, other);
}

/* Bytes before the response are missing, perhaps of others: any of the requests that the client had
 * sent without waiting for an answer may be its own. */
static void join_candidates(struct ss_partners *partners, struct exchange *first)
{
	uint32_t sequence = partners->segment->sequence;
	GList *next;

	if (!partners->is_behind_gap || sequence == first->acknowledgement)
		return;
	for (GList *link = first->link.next; link; link = next) {
		struct exchange *other = link->data;

		next = link->next;
		if ((int32_t)(sequence - other->acknowledgement) >= 0)
			merge(partners, first, other);
	}
}

/* The oldest request without an answer; or one that nobody saw. */
static void begin_response(struct ss_partners *partners, struct flow *flow)
{
	GList *link = flow->exchanges.head;
	struct exchange *exchange;

	while (link && ((struct exchange *)link->data)->answered)
		link = link->next;
	exchange = link ? link->data : add_exchange(partners, flow);
	if (link)
		join_candidates(partners, exchange);
	else
		exchange->asked = true;
	partners->is_behind_gap = false;
	flow->answering = exchange;
	flow->server.answers_head = exchange->is_head;
	flow->server.answers_connect = exchange->is_connect;
	add_frame(partners, exchange);
}

static void end_response(struct ss_partners *partners, struct flow *flow)
{
	struct exchange *exchange = flow->answering;
	bool is_interim = ss_http_side_is_interim(&flow->server);

	flow->answering = NULL;
	if (exchange && !is_interim) {
		exchange->answered = true;
		if (exchange->asked)
			finish(partners, exchange);
	}
	/* What is in a tunnel may be HTTP as well. */
	if (ss_http_side_is_switch(&flow->server) && !flow->server.answers_connect) {
		ss_http_side_stop(&flow->client);
		ss_http_side_stop(&flow->server);
	}
}

static void server_told(enum ss_http_event event, void *user_data)
{
	struct ss_partners *partners = user_data;
	struct flow *flow = partners->flow;

	switch (event) {
	case SS_HTTP_RESPONSE:
		begin_response(partners, flow);
		break;
	case SS_HTTP_MORE:
		if (flow->answering)
			add_frame(partners, flow->answering);
		break;
	case SS_HTTP_END:
		end_response(partners, flow);
		break;
	case SS_HTTP_NONE:
		flow->answering = NULL;
		break;
	case SS_HTTP_REQUEST: /* not from a server */
		break;
	}
}

/* --- Frames --- */

/* NULL: none that is known, and no message begins here. *ret_from_client: who sent. */
static struct flow *flow_of(struct ss_partners *partners, const struct ss_transport *segment,
			    uint32_t owner, bool *ret_from_client)
{
	enum ss_http_event beginning = ss_http_beginning(segment->payload);
	struct flow *flow =
		ss_connections_find_both(partners->flows, segment, owner, ret_from_client);
	const struct ss_http_side *side;

	if (flow) {
		side = *ret_from_client ? &flow->client : &flow->server;
		if (!ss_http_side_is_idle(side) || beginning == SS_HTTP_NONE ||
		    *ret_from_client == (beginning == SS_HTTP_REQUEST))
			return flow;
		/* It was no request, or of another connection. */
		end_flow(partners, flow);
	}
	if (beginning == SS_HTTP_NONE)
		return NULL;
	*ret_from_client = beginning == SS_HTTP_REQUEST;
	return ss_connections_add_both(partners->flows, segment, owner, *ret_from_client,
				       sizeof(*flow));
}

static void take_segment(struct ss_partners *partners, bool from_client)
{
	const struct ss_transport *segment = partners->segment;
	struct flow *flow = partners->flow;
	struct ss_http_side *side = from_client ? &flow->client : &flow->server;
	ss_http_told told = from_client ? client_told : server_told;

	partners->is_behind_gap = !side->started || (int32_t)(segment->sequence - side->next) > 0;
	if (segment->length)
		ss_http_side_take(side, segment->sequence, segment->payload, segment->length, told,
				  partners);
	if (segment->flags & SS_SEGMENT_RST) {
		end_flow(partners, flow);
	} else if (segment->flags & SS_SEGMENT_FIN && !from_client) {
		/* It may be what completes the response. */
		if (!segment->length && flow->answering)
			add_frame(partners, flow->answering);
		ss_http_side_end(side, told, partners);
		end_flow(partners, flow);
	}
}

static void take(struct ss_held_frame *frame, const struct ss_transport *transport, uint32_t owner,
		 uint64_t now_ns, void *user_data)
{
	struct ss_partners *partners = user_data;
	bool from_client;

	if (transport->protocol != IPPROTO_TCP || transport->is_error || transport->is_fragment ||
	    (!transport->length && !(transport->flags & (SS_SEGMENT_FIN | SS_SEGMENT_RST))))
		return;
	partners->segment = transport;
	partners->frame = frame;
	partners->now_ns = now_ns;
	partners->flow = flow_of(partners, transport, owner, &from_client);
	if (partners->flow)
		take_segment(partners, from_client);
}

static void taken(uint64_t now_ns, void *user_data)
{
	struct ss_partners *partners = user_data;
	struct exchange *oldest;

	while ((oldest = g_queue_peek_head(&partners->waiting)) &&
	       (ss_held_copied(partners->held) > COPIES_MAX || oldest->end_ns <= now_ns))
		give_up(partners, oldest);
}

/* --- Life --- */

struct ss_partners *ss_partners_new(const struct ss_held_callbacks *callbacks)
{
	struct ss_partners *partners = g_new0(struct ss_partners, 1);
	const struct ss_held_reader reader = {take, taken, partners};

	partners->held = ss_held_new(&reader, callbacks);
	partners->flows = ss_connections_new(FLOWS_MAX, give_up_flow, partners);
	g_queue_init(&partners->waiting);
	g_queue_init(&partners->wanted);
	return partners;
}

void ss_partners_free(struct ss_partners *partners)
{
	if (!partners)
		return;
	ss_connections_free(partners->flows);
	ss_held_free(partners->held);
	g_free(partners);
}

struct ss_stage ss_partners_stage(struct ss_partners *partners)
{
	return ss_held_stage(partners->held);
}

struct ss_held_counts ss_partners_counts(const struct ss_partners *partners)
{
	return partners->counts;
}
