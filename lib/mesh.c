/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pairs the halves of redirected connections.
 *
 * A half is one direction of a TCP connection on a pod's lo: what goes from one endpoint to
 * another. If the way back exists, it is an ordinary connection. If instead something else answers
 * the same client, with sequence numbers that fit, it was redirected: a SYN-ACK names the SYN
 * exactly; of connections older than the capture, both halves must be near what the other
 * acknowledges. Halves without a partner are found by the client's endpoint ("meetings").
 *
 * Frames of an undecided half wait in the ring, by position, until the half is decided or its time
 * is up. All tables are bounded; what is forgotten too early is shown as lo had it.
 */
#include "mesh.h"

#include <string.h>

#include <glib.h>

#include "connections.h"
#include "output/blocks.h"
#include "segment.h"

#define HOLD_NS       50000000ull /* a frame waits at most so long */
#define HALVES_MAX    16384
#define TARGETS_MAX   4096
#define ATTEMPTS_MAX  256        /* frames of a half that look for a partner */
#define NEAR          (1u << 18) /* bytes between what one half sent and the other acknowledged */
#define MEETING_MAX   4          /* halves without a partner at one endpoint */
#define HBONE_PORT    15008      /* istio.io: mTLS tunnel of ambient and of newer sidecars */
#define ALPN_OF_ISTIO "istio"    /* "istio-http/1.1", "istio-peer-exchange" ...: of proxies only */

/* Of a key's owner, the pod: for what is not on lo. */
#define ELSEWHERE (1u << 31)

enum state {
	UNDECIDED,
	PLAIN,    /* as it is */
	REQUEST,  /* goes to "target" in truth */
	REPLY,    /* of a redirected connection */
	LEFT_OUT, /* of an encrypted twin */
};

struct half {
	struct ss_connection connection;
	enum state state;
	bool begun;   /* first is the sequence number of its SYN */
	bool has_ack; /* it has acknowledged something */
	bool shown;   /* its first payload has been looked at */
	bool expired; /* don't wait for it any more */
	uint32_t first, next, ack;
	struct ss_endpoint target;
	uint16_t port; /* of the redirect */
	unsigned attempts;
	uint64_t deadline_ns;
};

struct meeting {
	struct ss_connection_key key;
	struct half *halves[MEETING_MAX];
};

/* A frame in the ring that belongs to a half which was undecided when it was looked at. */
struct wait {
	uint64_t position;
	struct half *half; /* acquired */
	uint16_t link_type;
};

struct ss_mesh {
	ss_mesh_left_out left_out;
	void *user_data;
	GArray *places;
	struct ss_connections *halves; /* struct half */
	GHashTable *sources;           /* key with a source only → struct meeting */
	GHashTable *destinations;
	/* Key with a destination only → GINT_TO_POINTER(plaintext?); without one: the pod has any.
	 */
	GHashTable *targets;
	GQueue waits;      /* struct wait, in order */
	uint64_t admitted; /* bytes so far: positions count from there */
	size_t inspected;  /* bytes behind it that were looked at */
};

static bool same_endpoint(const struct ss_endpoint *a, const struct ss_endpoint *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_near(uint32_t a, uint32_t b)
{
	return a - b + NEAR < 2 * NEAR;
}

/* Meetings. */

static struct ss_connection_key only(const struct half *half, bool source)
{
	struct ss_connection_key key = half->connection.key;

	memset(source ? &key.destination : &key.source, 0, sizeof(key.source));
	return key;
}

static void join_meeting(GHashTable *meetings, struct ss_connection_key key, struct half *half)
{
	struct meeting *meeting = g_hash_table_lookup(meetings, &key);

	if (!meeting) {
		meeting = g_new0(struct meeting, 1);
		meeting->key = key;
		g_hash_table_insert(meetings, &meeting->key, meeting);
	}
	/* The newest first; of many, the oldest has had its chances. */
	memmove(meeting->halves + 1, meeting->halves,
		sizeof(meeting->halves[0]) * (MEETING_MAX - 1));
	meeting->halves[0] = half;
}

static void leave_meeting(GHashTable *meetings, struct ss_connection_key key,
			  const struct half *half)
{
	struct meeting *meeting = g_hash_table_lookup(meetings, &key);
	bool empty = true;

	for (size_t i = 0; meeting && i < MEETING_MAX; i++) {
		if (meeting->halves[i] == half)
			meeting->halves[i] = NULL;
		empty = empty && !meeting->halves[i];
	}
	if (meeting && empty)
		g_hash_table_remove(meetings, &key);
}

/* Halves. */

static void decide(struct ss_mesh *mesh, struct half *half, enum state state)
{
	if (half->state == UNDECIDED) {
		leave_meeting(mesh->sources, only(half, true), half);
		leave_meeting(mesh->destinations, only(half, false), half);
	}
	half->state = state;
}

static void forget(void *connection, void *user_data)
{
	struct ss_mesh *mesh = user_data;
	struct half *half = connection;

	if (half->state == UNDECIDED)
		decide(mesh, half, PLAIN);
}

static struct half *add(struct ss_mesh *mesh, const struct ss_connection_key *key, enum state state)
{
	struct half *half, *old = ss_connections_peek(mesh->halves, key);

	if (old)
		ss_connections_forget(mesh->halves, old);
	half = ss_connections_add(mesh->halves, key, sizeof(*half));
	half->state = state;
	if (state == UNDECIDED) {
		join_meeting(mesh->sources, only(half, true), half);
		join_meeting(mesh->destinations, only(half, false), half);
	}
	return half;
}

static struct ss_connection_key key_of(const struct ss_segment *segment, uint32_t pod, bool back)
{
	return (struct ss_connection_key){
		.source = back ? segment->destination : segment->source,
		.destination = back ? segment->source : segment->destination,
		.owner = pod,
	};
}

/* Does reply answer request? Both have been seen. */
static bool fits(const struct half *request, const struct half *reply)
{
	if (!reply->has_ack ||
	    same_endpoint(&request->connection.key.destination, &reply->connection.key.source))
		return false;
	if (!request->has_ack)
		return reply->ack == request->next;
	return is_near(reply->ack, request->next) && is_near(request->ack, reply->next);
}

static void pair(struct ss_mesh *mesh, struct half *request, struct half *reply)
{
	request->target = reply->connection.key.source;
	request->port = reply->port = request->connection.key.destination.port;
	decide(mesh, request, REQUEST);
	decide(mesh, reply, REPLY);
}

/* Looks for the partner of an undecided half. */
static void meet(struct ss_mesh *mesh, struct half *half)
{
	const struct ss_connection_key *key = &half->connection.key;
	struct ss_connection_key way_back = {key->destination, key->source, key->owner, 0};
	struct half *back = ss_connections_peek(mesh->halves, &way_back);
	struct ss_connection_key as_reply = {.source = key->destination, .owner = key->owner};
	struct ss_connection_key as_request = {.destination = key->source, .owner = key->owner};
	struct meeting *meeting;

	if (back && half->has_ack && is_near(half->ack, back->next)) {
		decide(mesh, half, PLAIN);
		decide(mesh, back, back->state == UNDECIDED ? PLAIN : back->state);
		return;
	}
	meeting = g_hash_table_lookup(mesh->sources, &as_reply);
	for (size_t i = 0; meeting && i < MEETING_MAX; i++) {
		if (meeting->halves[i] && fits(meeting->halves[i], half)) {
			pair(mesh, meeting->halves[i], half);
			return;
		}
	}
	meeting = g_hash_table_lookup(mesh->destinations, &as_request);
	for (size_t i = 0; meeting && i < MEETING_MAX; i++) {
		if (meeting->halves[i] && fits(half, meeting->halves[i])) {
			pair(mesh, half, meeting->halves[i]);
			return;
		}
	}
	if (++half->attempts == ATTEMPTS_MAX)
		decide(mesh, half, PLAIN);
}

static void remember(struct half *half, const struct ss_segment *segment)
{
	half->next = segment->sequence + segment->length +
		     !!(segment->flags & (SS_SEGMENT_SYN | SS_SEGMENT_FIN));
	if (segment->flags & SS_SEGMENT_ACK) {
		half->ack = segment->acknowledgement;
		half->has_ack = true;
	}
}

/* The half of a segment on lo; a SYN that is not a repetition begins a new one. */
static struct half *take_half(struct ss_mesh *mesh, const struct ss_segment *segment, uint32_t pod,
			      uint64_t now_ns)
{
	struct ss_connection_key key = key_of(segment, pod, false);
	struct half *half = ss_connections_find(mesh->halves, &key);
	bool begins = segment->flags & SS_SEGMENT_SYN;

	if (!half || (begins && (!half->begun || half->first != segment->sequence))) {
		half = add(mesh, &key, UNDECIDED);
		half->begun = begins;
		half->first = segment->sequence;
		half->deadline_ns = now_ns + HOLD_NS;
	}
	remember(half, segment);
	if (half->state == UNDECIDED)
		meet(mesh, half);
	return half;
}

/* Encrypted twins. */

/* Istio's sidecars connect to the application from here. */
static bool is_from_sidecar(const struct ss_endpoint *source)
{
	static const uint8_t ipv4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 6};
	static const uint8_t ipv6[16] = {[15] = 6};

	return memcmp(source->address, ipv4, 16) == 0 || memcmp(source->address, ipv6, 16) == 0;
}

static void put_target(struct ss_mesh *mesh, const struct ss_connection_key *target, bool plaintext)
{
	if (g_hash_table_size(mesh->targets) >= TARGETS_MAX)
		g_hash_table_remove_all(mesh->targets);
	g_hash_table_replace(mesh->targets, g_memdup2(target, sizeof(*target)),
			     GINT_TO_POINTER(plaintext));
}

/* Notes where plaintext goes through the sidecar. Where TLS went too, nothing will be left out. */
static void note_target(struct ss_mesh *mesh, struct half *half, const struct ss_segment *segment)
{
	const struct ss_connection_key *key = &half->connection.key;
	struct ss_connection_key target = {.owner = key->owner};
	bool plaintext = !ss_segment_is_client_hello(segment);

	if (half->state == REQUEST)
		target.destination = half->target;
	else if (is_from_sidecar(&key->source))
		target.destination = key->destination;
	else
		return;
	if (!plaintext || !g_hash_table_contains(mesh->targets, &target))
		put_target(mesh, &target, plaintext);
	if (plaintext) {
		target.destination = (struct ss_endpoint){0};
		put_target(mesh, &target, true);
	}
}

static bool is_target(const struct ss_mesh *mesh, const struct ss_endpoint *destination,
		      uint32_t pod)
{
	struct ss_connection_key target = {.destination = *destination, .owner = pod};

	return GPOINTER_TO_INT(g_hash_table_lookup(mesh->targets, &target));
}

/* Without plaintext on lo (a gateway, a waypoint) there is nothing to be the twin of. */
static bool is_twin(const struct ss_mesh *mesh, const struct ss_segment *segment, uint32_t pod)
{
	const struct ss_endpoint any = {0};

	if (!ss_segment_is_client_hello(segment) || !is_target(mesh, &any, pod))
		return false;
	return segment->destination.port == HBONE_PORT ||
	       is_target(mesh, &segment->destination, pod) ||
	       memmem(segment->payload, segment->captured, ALPN_OF_ISTIO, strlen(ALPN_OF_ISTIO));
}

static void leave_out(struct ss_mesh *mesh, uint8_t *block, uint32_t interface_id)
{
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
	mesh->left_out(interface_id, mesh->user_data);
}

static void inspect_other(struct ss_mesh *mesh, uint8_t *block, uint32_t interface_id,
			  const struct ss_segment *segment, uint32_t pod)
{
	struct ss_connection_key key = key_of(segment, pod | ELSEWHERE, false);
	struct ss_connection_key back = key_of(segment, pod | ELSEWHERE, true);
	struct half *half = ss_connections_find(mesh->halves, &key);

	if (half && segment->flags & SS_SEGMENT_SYN) {
		ss_connections_forget(mesh->halves, half); /* the ports are used again */
		return;
	}
	if (!half && is_twin(mesh, segment, pod)) {
		add(mesh, &back, LEFT_OUT); /* before: it may be the same, if both ends are */
		half = add(mesh, &key, LEFT_OUT);
	}
	/* Only its option tells of frames that are missing before it. */
	if (half && half->state == LEFT_OUT && !ss_segment_is_after_loss(segment))
		leave_out(mesh, block, interface_id);
}

/* Frames. */

static void apply(struct ss_mesh *mesh, struct half *half, struct ss_segment *segment)
{
	if (!half->shown && segment->length && mesh->left_out && half->state != UNDECIDED) {
		half->shown = true;
		note_target(mesh, half, segment);
	}
	if (half->state == REQUEST)
		ss_segment_readdress(segment, &half->target);
	if (half->state == REQUEST || half->state == REPLY)
		ss_segment_name_redirect(segment, half->port);
}

static void inspect_lo(struct ss_mesh *mesh, struct ss_segment *segment,
		       const struct ss_place *place, uint64_t position, uint64_t now_ns)
{
	struct half *half = take_half(mesh, segment, place->owner, now_ns);

	if (half->state == UNDECIDED && !half->expired) {
		struct wait *wait = g_new(struct wait, 1);

		*wait = (struct wait){position, g_rc_box_acquire(half), place->link_type};
		g_queue_push_tail(&mesh->waits, wait);
		return;
	}
	apply(mesh, half, segment);
}

static void inspect(struct ss_mesh *mesh, uint8_t *blocks, size_t length, uint64_t now_ns)
{
	struct ss_blocks walk = ss_blocks(blocks, length, mesh->inspected);

	while (ss_blocks_next(&walk)) {
		uint8_t *block = blocks + walk.at;
		uint32_t id = ss_block_word(block + 8);
		const struct ss_place *place = ss_places_get(mesh->places, id);
		struct ss_segment segment;

		if (!place || (!place->is_lo && !mesh->left_out) ||
		    !ss_segment_find(block, walk.size, place->link_type, &segment))
			continue;
		if (!place->is_lo)
			inspect_other(mesh, block, id, &segment, place->owner);
		else
			inspect_lo(mesh, &segment, place, mesh->admitted + walk.at, now_ns);
	}
	mesh->inspected = length;
}

static void drop_wait(struct ss_mesh *mesh)
{
	struct wait *wait = g_queue_pop_head(&mesh->waits);

	g_rc_box_release(wait->half);
	g_free(wait);
}

/* Finishes the frames at the front that need not wait any more. Returns how much may go on. */
static size_t settle(struct ss_mesh *mesh, uint8_t *blocks, size_t length, uint64_t now_ns,
		     uint64_t *ret_again_ns)
{
	struct wait *wait;

	while ((wait = g_queue_peek_head(&mesh->waits))) {
		size_t offset = (size_t)(wait->position - mesh->admitted);
		struct half *half = wait->half;
		uint8_t *block = blocks + offset;
		struct ss_segment segment;

		if (offset > length || length - offset < 12 ||
		    ss_block_word(block + 4) > length - offset)
			return length; /* offered less than before */
		if (half->state == UNDECIDED && now_ns >= half->deadline_ns)
			half->expired = true;
		if (half->state == UNDECIDED && !half->expired) {
			*ret_again_ns = half->deadline_ns - now_ns;
			return offset;
		}
		if (ss_segment_find(block, ss_block_word(block + 4), wait->link_type, &segment))
			apply(mesh, half, &segment);
		drop_wait(mesh);
	}
	return length;
}

struct ss_mesh *ss_mesh_new(ss_mesh_left_out left_out, void *user_data)
{
	struct ss_mesh *mesh = g_new0(struct ss_mesh, 1);

	mesh->left_out = left_out;
	mesh->user_data = user_data;
	mesh->places = ss_places_new();
	mesh->halves = ss_connections_new(HALVES_MAX, forget, mesh);
	mesh->sources =
		g_hash_table_new_full(ss_connection_hash, ss_connection_equal, NULL, g_free);
	mesh->destinations =
		g_hash_table_new_full(ss_connection_hash, ss_connection_equal, NULL, g_free);
	mesh->targets =
		g_hash_table_new_full(ss_connection_hash, ss_connection_equal, g_free, NULL);
	g_queue_init(&mesh->waits);
	return mesh;
}

void ss_mesh_free(struct ss_mesh *mesh)
{
	if (!mesh)
		return;
	while (mesh->waits.length)
		drop_wait(mesh);
	ss_connections_free(mesh->halves);
	g_hash_table_unref(mesh->targets);
	g_hash_table_unref(mesh->destinations);
	g_hash_table_unref(mesh->sources);
	g_array_unref(mesh->places);
	g_free(mesh);
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	struct ss_mesh *mesh = user_data;

	if (place->pod)
		ss_places_set(mesh->places, place);
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_mesh *mesh = user_data;
	size_t admitted;

	if (mesh->places->len == 0)
		return length;
	if (mesh->inspected < length)
		inspect(mesh, blocks, length, now_ns);
	admitted = settle(mesh, blocks, length, now_ns, ret_again_ns);
	mesh->admitted += admitted;
	mesh->inspected -= admitted;
	return admitted;
}

static void release(void *user_data)
{
	struct ss_mesh *mesh = user_data;

	for (GList *link = mesh->waits.head; link; link = link->next)
		((struct wait *)link->data)->half->expired = true;
}

struct ss_stage ss_mesh_stage(struct ss_mesh *mesh)
{
	return (struct ss_stage){
		.admit = admit,
		.release = release,
		.interface = add_interface,
		.leaves_out = mesh->left_out,
		.user_data = mesh,
	};
}
