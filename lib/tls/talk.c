/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may surprise: one TCP connection can be seen at both of its ends, when both pods are
 * captured. It is shown once: the end that begins first has the connection's entry in endings (the
 * server's, if both wait), the other stays silent until it closes.
 */
#include "tls/talk.h"

#include <string.h>

#include "clock.h"
#include "tls/piece.h"

#define MS                 G_GUINT64_CONSTANT(1000000)
#define UNDECIDED_NS       (100 * MS)  /* for more bytes of a protocol's first word */
#define UNKNOWN_SOCKET_NS  (2000 * MS) /* for the socket to become known */
#define UNKNOWN_SOCKET_MAX (1u << 20)  /* bytes kept meanwhile */
#define REST_NS            (200 * MS)  /* for the rest of what may be a secret */
#define SHUT_NS            (1000 * MS) /* from SSL_shutdown() to our FIN */

/* A call whose beginning was copied. */
#define BUDGET_HINT " (--tls-max-call takes more of a call)"

static void make_busy(struct ss_tls_talk *talk)
{
	if (!talk->is_busy)
		g_queue_push_tail_link(&talk->talks->busy, &talk->busy);
	talk->is_busy = true;
}

static void emit(const struct ss_tls_synth_packet *packet, void *user_data)
{
	const struct ss_tls_talk *talk = user_data;

	talk->talks->callbacks.frame(
		&(struct ss_tls_frame){
			.time_ns = packet->time_ns,
			.cgroup_id = talk->cgroup_id,
			.pid = talk->pid,
			.tid = talk->tid,
			.comm = talk->comm,
			.out = packet->out,
			.data = packet->data,
			.length = packet->length,
			.comment = packet->comment,
		},
		talk->talks->callbacks.user_data);
}

struct ss_tls_talk *ss_tls_talk_new(struct ss_tls_talks *talks, const struct ss_tls_data *data)
{
	struct ss_tls_talk *talk = g_new0(struct ss_tls_talk, 1);

	talk->talks = talks;
	talk->id = data->connection;
	talk->pid = data->head.pid;
	talk->cgroup_id = data->head.cgroup_id;
	memcpy(talk->comm, data->head.comm, sizeof(data->head.comm));
	ss_tls_rendering_init(&talk->rendering, &talks->renderer, emit, talk);
	for (size_t i = 0; i < 2; i++)
		g_queue_init(&talk->ways[i].pieces);
	talk->used.data = talk->busy.data = talk;
	g_queue_push_tail_link(&talks->used, &talk->used);
	return talk;
}

static void free_first(struct ss_tls_talk *talk, struct ss_tls_talk_way *way)
{
	struct ss_tls_piece *piece = g_queue_pop_head(&way->pieces);

	talk->buffered -= piece->length;
	talk->talks->buffered -= piece->length;
	ss_tls_piece_free(piece);
}

static void talk_free(struct ss_tls_talk *talk)
{
	for (size_t i = 0; i < 2; i++)
		while (talk->ways[i].pieces.head)
			free_first(talk, &talk->ways[i]);
	ss_tls_rendering_deinit(&talk->rendering);
	if (talk->is_busy)
		g_queue_unlink(&talk->talks->busy, &talk->busy);
	g_queue_unlink(&talk->talks->used, &talk->used);
	g_free(talk);
}

/* Which end is shown. */

/* Ends the stream, not the connection: the next bytes may begin another. */
static void close_stream(struct ss_tls_talk *talk, uint64_t time_ns, const char *comment)
{
	ss_tls_rendering_close(&talk->rendering, true, time_ns, comment);
	talk->silent = false;
}

static bool is_waiting(const struct ss_tls_talk *talk)
{
	return !talk->silent && !ss_tls_rendering_is_open(&talk->rendering);
}

/* The connection is not shown on this socket any more; its other end may not know yet. */
static void leave_ending(struct ss_tls_talk *talk)
{
	if (!talk->ending)
		return;
	talk->ending->owner = NULL;
	talk->ending->ended_ns = talk->talks->latest_ns;
	talk->ending = NULL;
}

/* Is there another talk that has something to say on this socket, from its other end? */
static struct ss_tls_talk *waiting_opposite(const struct ss_tls_talk *talk,
					    const struct ss_tls_end *end)
{
	for (GList *link = talk->talks->busy.head; link; link = link->next) {
		struct ss_tls_talk *other = link->data;
		struct ss_tls_end other_end;

		if (other == talk || !is_waiting(other) ||
		    other->socket.state != SS_TLS_SOCKET_INET || !other->buffered)
			continue;
		other_end = ss_tls_end_of(&other->socket);
		if (ss_tls_end_is_opposite(end, &other_end))
			return other;
	}
	return NULL;
}

/* May the connection be shown at this end? Then it owns the entry. */
static bool take_ending(struct ss_tls_talk *talk, uint64_t time_ns)
{
	struct ss_tls_end end = ss_tls_end_of(&talk->socket);
	struct ss_tls_talk *server, *owner;
	struct ss_tls_ending *ending;

	if (talk->ending)
		return true;
	ending = ss_tls_endings_ask(talk->talks->endings, &end, time_ns);
	if (!ending)
		return false;
	if (ending->owner) { /* its close was not told to us */
		close_stream(ending->owner, time_ns, NULL);
		leave_ending(ending->owner);
	}
	server = talk->local_is_client ? waiting_opposite(talk, &end) : NULL;
	owner = server ? server : talk;
	leave_ending(owner);
	owner->ending = ending;
	ending->owner = owner;
	ending->shown.is_second = server ? !end.is_second : end.is_second;
	return !server;
}

static bool is_shown(const struct ss_tls_talk *talk)
{
	const struct ss_tls_plaintext_callbacks *callbacks = &talk->talks->callbacks;

	return talk->socket.state == SS_TLS_SOCKET_INET && callbacks->shown &&
	       callbacks->shown(&talk->socket, callbacks->user_data);
}

/* Its packets and keys came to be in the file after all. */
static void hide_if_shown(struct ss_tls_talk *talk, uint64_t time_ns)
{
	if (!ss_tls_rendering_is_open(&talk->rendering) || !is_shown(talk))
		return;
	close_stream(talk, time_ns, "StratoShark: goes on in its own packets");
	talk->silent = true;
}

/* The first bytes that leave. */

/* Is it worth to wait for more to be known of the connection? */
static bool is_worth_waiting(const struct ss_tls_talk *talk, const struct ss_tls_piece *first,
			     uint64_t wait_ns, uint64_t now_ns)
{
	return !talk->closed_ns && !ss_clock_is_over(first->time_ns, wait_ns, now_ns);
}

/* Decides how, and whether, the connection is shown. False: later, more may be known. */
static bool begin(struct ss_tls_talk *talk, bool out, const struct ss_tls_piece *first,
		  uint64_t now_ns)
{
	bool known = talk->socket.state == SS_TLS_SOCKET_INET;
	g_autofree char *reason = NULL, *host = NULL;
	struct ss_tls_opening opening;

	if (talk->socket.state == SS_TLS_SOCKET_UNKNOWN && talk->buffered < UNKNOWN_SOCKET_MAX &&
	    is_worth_waiting(talk, first, UNKNOWN_SOCKET_NS, now_ns))
		return false;
	opening = ss_tls_opening_judge(&talk->ways[0].pieces, &talk->ways[1].pieces);
	host = opening.host;
	if (opening.undecided && is_worth_waiting(talk, first, UNDECIDED_NS, now_ns))
		return false;
	if (opening.roles_known)
		talk->local_is_client = opening.local_is_client;
	else if (!talk->roles_known)
		talk->local_is_client = !known || ss_tls_opening_client_by_ports(&talk->socket);
	talk->roles_known = true;
	if (!known)
		ss_tls_opening_make_up_socket(&talk->socket, talk->pid,
					      ++talk->talks->renderer.streams,
					      talk->local_is_client);
	if (is_shown(talk) || (known && !take_ending(talk, first->time_ns))) {
		talk->silent = true;
		return true;
	}
	if (!talk->ways[out].begun && first->position)
		reason = g_strdup_printf("%" G_GUINT64_FORMAT " bytes were lost before it",
					 first->position);
	opening.local_is_client = talk->local_is_client;
	opening.socket = talk->socket;
	opening.pid = talk->pid;
	opening.comm = talk->comm;
	ss_tls_rendering_open(&talk->rendering, &opening, first->time_ns, reason);
	return true;
}

/* The socket of the connection, which a piece may change. */
static void follow_socket(struct ss_tls_talk *talk, const struct ss_tls_piece *piece)
{
	const struct ss_tls_socket *now = &piece->socket, *old = &talk->socket;

	if (now->state != SS_TLS_SOCKET_INET)
		return;
	if (old->state == SS_TLS_SOCKET_INET && now->local_port == old->local_port &&
	    now->remote_port == old->remote_port && !memcmp(now->local, old->local, 16) &&
	    !memcmp(now->remote, old->remote, 16))
		return;
	if (!is_waiting(talk))
		close_stream(talk, piece->time_ns,
			     "StratoShark: the connection goes on with other addresses");
	leave_ending(talk);
	talk->socket = piece->socket;
}

/* All bytes. */

static void release(struct ss_tls_talk *talk, bool out, const struct ss_tls_piece *piece)
{
	struct ss_tls_talk_way *way = &talk->ways[out];
	uint64_t had = 0, end = piece->position + piece->length;
	g_autofree char *comment = NULL;

	talk->tid = piece->tid;
	if (!way->begun && piece->position && talk->ways[!out].begun)
		comment = g_strdup_printf("StratoShark: %" G_GUINT64_FORMAT
					  " bytes were lost before this",
					  piece->position);
	if (way->begun && piece->position > way->next)
		ss_tls_rendering_gap(&talk->rendering, out, piece->position - way->next, "",
				     piece->time_ns);
	if (way->begun && piece->position < way->next)
		had = MIN(way->next - piece->position, piece->length);
	ss_tls_rendering_pass(&talk->rendering, out, piece->data + had, piece->length - had,
			      piece->time_ns, comment);
	way->next = way->begun ? MAX(way->next, end) : end;
	way->begun = true;
	if (piece->lost && way->next == end) {
		ss_tls_rendering_gap(&talk->rendering, out, piece->lost,
				     piece->length ? BUDGET_HINT : "", piece->time_ns);
		way->next += piece->lost;
	}
}

/* Of the next piece; -1: there is none. */
static int next_way(const struct ss_tls_talk *talk)
{
	const struct ss_tls_piece *in = ss_tls_pieces_first(&talk->ways[0].pieces);
	const struct ss_tls_piece *out = ss_tls_pieces_first(&talk->ways[1].pieces);

	if (!in || !out)
		return in ? 0 : out ? 1 : -1;
	return out->time_ns < in->time_ns;
}

void ss_tls_talk_work(struct ss_tls_talk *talk, uint64_t now_ns)
{
	uint64_t since_ns;
	int out;

	while ((out = next_way(talk)) >= 0) {
		struct ss_tls_talk_way *way = &talk->ways[out];
		const struct ss_tls_piece *piece = ss_tls_pieces_first(&way->pieces);

		if (!ss_clock_is_over(piece->time_ns, SS_TLS_TALK_WINDOW_NS, now_ns))
			return;
		if (ss_tls_rendering_keeps(&talk->rendering, !out, &since_ns) &&
		    !ss_clock_is_over(since_ns, REST_NS, now_ns))
			return; /* the question is not over, the answer waits */
		ss_tls_rendering_let_go(&talk->rendering, !out, piece->time_ns);
		follow_socket(talk, piece);
		hide_if_shown(talk, piece->time_ns);
		if (is_waiting(talk) && !begin(talk, out, piece, now_ns))
			return;
		release(talk, out, piece);
		free_first(talk, way);
	}
	for (out = 0; out < 2; out++)
		if (ss_tls_rendering_keeps(&talk->rendering, out, &since_ns) &&
		    ss_clock_is_over(since_ns, REST_NS, now_ns))
			ss_tls_rendering_let_go(&talk->rendering, out, since_ns);
}

void ss_tls_talk_finish(struct ss_tls_talk *talk, uint64_t time_ns)
{
	if (!talk->closed_ns)
		talk->closed_ns = time_ns;
	ss_tls_talk_work(talk, UINT64_MAX);
	close_stream(talk, talk->closed_ns, NULL);
	leave_ending(talk);
	talk_free(talk);
}

/* Records. */

bool ss_tls_talk_begins_anew(const struct ss_tls_talk *talk, const struct ss_tls_data *data)
{
	const struct ss_tls_talk_way *way = &talk->ways[data->write != 0];
	const struct ss_tls_piece *first = ss_tls_pieces_first(&way->pieces);

	return data->position == 0 && data->length &&
	       (way->begun || (first && first->position == 0));
}

void ss_tls_talk_take(struct ss_tls_talk *talk, const struct ss_tls_data *data)
{
	g_queue_unlink(&talk->talks->used, &talk->used);
	g_queue_push_tail_link(&talk->talks->used, &talk->used);
	talk->buffered += data->length;
	talk->talks->buffered += data->length;
	ss_tls_pieces_add(&talk->ways[data->write != 0].pieces, ss_tls_piece_new(data));
	if (is_waiting(talk) && talk->socket.state != SS_TLS_SOCKET_INET)
		talk->socket = data->socket;
	make_busy(talk);
}

void ss_tls_talk_close(struct ss_tls_talk *talk, uint64_t time_ns)
{
	talk->closed_ns = MAX(time_ns, 1);
	make_busy(talk);
}

void ss_tls_talk_shut(struct ss_tls_talk *talk, uint64_t time_ns)
{
	talk->shut_ns = MAX(time_ns, 1);
	make_busy(talk);
}

bool ss_tls_talk_is_idle(const struct ss_tls_talk *talk)
{
	uint64_t since_ns;

	for (unsigned i = 0; i < 2; i++)
		if (talk->ways[i].pieces.length ||
		    ss_tls_rendering_keeps(&talk->rendering, i, &since_ns))
			return false;
	return !talk->closed_ns && !talk->shut_ns;
}

bool ss_tls_talk_is_over(const struct ss_tls_talk *talk, uint64_t now_ns)
{
	if (talk->closed_ns)
		return ss_clock_is_over(talk->closed_ns, SS_TLS_TALK_WINDOW_NS, now_ns);
	return talk->shut_ns && ss_clock_is_over(talk->shut_ns, SHUT_NS, now_ns) &&
	       next_way(talk) < 0;
}
