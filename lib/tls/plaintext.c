/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From records to connections to frames. Records of a connection's two ways wait in two queues,
 * each in the order of positions, and leave merged by time when they are WINDOW_NS old: a write is
 * stamped when it entered but told of when it returned. What leaves is cut of what was had before,
 * holes are filled, it goes through the redaction, and becomes packets of the connection's stream.
 *
 * A stream begins with the first bytes that leave. They tell the protocol, and the client: who
 * writes a request (or reads a response) is it. Without such a sign the end that has a server's
 * port is the server, else the one that has the lower port.
 *
 * What may surprise: one TCP connection can be seen at both of its ends, when both pods are
 * captured. It is shown once: the end that begins first has the connection's entry in endings (the
 * server's, if both wait), the other stays silent until it closes. In HTTP/2 a gap is filled to the
 * end of its frame only; what follows is left out up to the next frame that is found.
 */
#include "tls/plaintext.h"

#include <string.h>

#include <glib.h>

#include "tls/http2.h"
#include "tls/ports.h"
#include "tls/sniff.h"
#include "tls/synth.h"

#define MS                 G_GUINT64_CONSTANT(1000000)
#define WINDOW_NS          (10 * MS)
#define UNDECIDED_NS       (100 * MS)   /* for more bytes of a protocol's first word */
#define UNKNOWN_SOCKET_NS  (2000 * MS)  /* for the socket to become known */
#define UNKNOWN_SOCKET_MAX (1u << 20)   /* bytes kept meanwhile */
#define REST_NS            (200 * MS)   /* for the rest of what may be a secret */
#define SHUT_NS            (1000 * MS)  /* from SSL_shutdown() to our FIN */
#define LINGER_NS          (10000 * MS) /* an ended connection's other end may still speak */
#define SWEEP_NS           (1000 * MS)  /* how often such are looked for */
#define GAP_FILL_MAX       (1u << 20)   /* bytes, unless less is asked for */
#define BUFFERED_MAX       (64u << 20)  /* bytes, over all connections */
#define CONNECTIONS_MAX    4096u
#define SNIFF_MAX          2048u  /* bytes */
#define SEEK_MAX           65536u /* bytes without a frame: it is no HTTP/2 */

/* Of one record. */
/* A call whose beginning was copied. */
#define BUDGET_HINT " (--tls-max-call takes more of a call)"

struct piece {
	uint64_t time_ns, position;
	struct ss_tls_socket socket;
	uint32_t tid, length, lost;
	uint8_t data[];
};

/* One of a connection's two ways. */
struct way {
	GQueue pieces; /* struct piece *, by position */
	bool begun;
	uint64_t next; /* position after what has left */
	struct ss_tls_redact_stream *redact;
	GByteArray *rest; /* what the redaction keeps back */
	char *comment;    /* for the next packet */
	uint64_t rest_since_ns;
	bool tracked; /* frames says where in HTTP/2 the way is */
	bool seeking; /* a frame's beginning: what comes before is left out */
	struct ss_http2_track frames;
	uint64_t left_out; /* bytes, while seeking */
};

enum phase {
	WAITING, /* nothing has left yet, or not on this socket */
	OPEN,    /* synth exists */
	SILENT,  /* shown otherwise: by its other end, or by its own packets */
};

struct connection {
	struct ss_tls_plaintext *plaintext;
	uint64_t id;
	uint64_t cgroup_id;
	uint32_t pid, tid;
	char comm[17];
	struct ss_tls_socket socket;
	struct way ways[2]; /* [0] what the process reads, [1] what it writes */
	enum phase phase;
	struct ss_tls_synth *synth;
	struct ending *ending;         /* that it owns, or NULL */
	enum ss_tls_protocol protocol; /* of the stream; what a new one after a gap begins with */
	bool roles_known, local_is_client;
	uint64_t closed_ns; /* close record, or EXIT; 0 */
	uint64_t shut_ns;   /* SSL_shutdown(); 0 */
	size_t buffered;    /* bytes in pieces */
	bool retired;       /* no longer in connections: its object is gone */
	GList used;         /* in plaintext->used */
	GList busy;         /* in plaintext->busy while it has something to do */
	bool is_busy;
};

/* Both ends of a TCP connection, the same whichever of them says it. */
struct tuple {
	uint8_t address[2][16];
	uint16_t port[2];
	uint32_t netns; /* loopback addresses mean something else in each */
};

/* Which end of a connection is shown. */
struct ending {
	struct tuple tuple;
	bool swapped;             /* the local end of the shown one is the second of the tuple */
	struct connection *owner; /* NULL: it has ended */
	uint64_t ended_ns;
};

struct ss_tls_plaintext {
	struct ss_tls_redact *redact;
	struct ss_tls_plaintext_callbacks callbacks;
	GHashTable *connections; /* struct connection * by pid and id; not the retired ones */
	GHashTable *endings;     /* struct ending * by tuple */
	GQueue used;             /* all connections, the longest unused first */
	GQueue busy;
	size_t buffered;
	uint32_t gap_max;   /* bytes; larger gaps are not filled */
	uint64_t latest_ns; /* of records */
	uint64_t swept_ns;  /* when old endings were looked for */
	uint32_t streams;   /* so far; seeds and made-up addresses differ by it */
};

static guint connection_hash(gconstpointer key)
{
	const struct connection *connection = key;

	return g_int64_hash(&connection->id) ^ connection->pid;
}

static gboolean connection_equal(gconstpointer a, gconstpointer b)
{
	const struct connection *one = a, *other = b;

	return one->id == other->id && one->pid == other->pid;
}

static guint tuple_hash(gconstpointer key)
{
	const uint8_t *bytes = key;
	guint hash = 5381;

	for (size_t i = 0; i < sizeof(struct tuple); i++)
		hash = hash * 33 + bytes[i];
	return hash;
}

static gboolean tuple_equal(gconstpointer a, gconstpointer b)
{
	return !memcmp(a, b, sizeof(struct tuple));
}

static bool is_loopback(const uint8_t *address)
{
	static const uint8_t ipv4[13] = {[10] = 0xff, [11] = 0xff, [12] = 127},
			     ipv6[16] = {[15] = 1};

	return !memcmp(address, ipv4, sizeof(ipv4)) || !memcmp(address, ipv6, sizeof(ipv6));
}

/* Says in *ret_swapped whether the socket's local end became the second. */
static struct tuple tuple_of(const struct ss_tls_socket *socket, bool *ret_swapped)
{
	int order = memcmp(socket->local, socket->remote, 16);
	bool swapped = order ? order > 0 : socket->local_port > socket->remote_port;
	struct tuple tuple;

	memset(&tuple, 0, sizeof(tuple)); /* it is a key, padding included */
	memcpy(tuple.address[swapped], socket->local, 16);
	memcpy(tuple.address[!swapped], socket->remote, 16);
	tuple.port[swapped] = socket->local_port;
	tuple.port[!swapped] = socket->remote_port;
	if (is_loopback(socket->local))
		tuple.netns = socket->netns;
	*ret_swapped = swapped;
	return tuple;
}

static bool same_socket(const struct ss_tls_socket *a, const struct ss_tls_socket *b)
{
	return a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       !memcmp(a->local, b->local, 16) && !memcmp(a->remote, b->remote, 16);
}

static bool is_due(uint64_t since_ns, uint64_t wait_ns, uint64_t now_ns)
{
	return now_ns >= wait_ns && since_ns <= now_ns - wait_ns;
}

static void wipe_bytes(GByteArray *bytes)
{
	if (bytes->len)
		explicit_bzero(bytes->data, bytes->len);
	g_byte_array_set_size(bytes, 0);
}

static void piece_free(struct connection *connection, struct piece *piece)
{
	connection->buffered -= piece->length;
	connection->plaintext->buffered -= piece->length;
	explicit_bzero(piece->data, piece->length);
	g_free(piece);
}

static void way_clear(struct connection *connection, struct way *way)
{
	struct piece *piece;

	while ((piece = g_queue_pop_head(&way->pieces)))
		piece_free(connection, piece);
	wipe_bytes(way->rest);
}

static void connection_free(struct connection *connection)
{
	struct ss_tls_plaintext *plaintext = connection->plaintext;

	for (size_t i = 0; i < 2; i++) {
		way_clear(connection, &connection->ways[i]);
		g_byte_array_unref(connection->ways[i].rest);
		g_free(connection->ways[i].comment);
		ss_tls_redact_stream_free(connection->ways[i].redact);
	}
	ss_tls_synth_free(connection->synth);
	if (connection->is_busy)
		g_queue_unlink(&plaintext->busy, &connection->busy);
	g_queue_unlink(&plaintext->used, &connection->used);
	if (!connection->retired)
		g_hash_table_remove(plaintext->connections, connection);
	g_free(connection);
}

static void make_busy(struct connection *connection)
{
	if (!connection->is_busy)
		g_queue_push_tail_link(&connection->plaintext->busy, &connection->busy);
	connection->is_busy = true;
}

/* A packet of the connection that is worked on. */
static void emit(const struct ss_tls_synth_packet *packet, void *user_data)
{
	struct connection *connection = user_data;
	struct ss_tls_plaintext *plaintext = connection->plaintext;

	plaintext->callbacks.frame(
		&(struct ss_tls_frame){
			.time_ns = packet->time_ns,
			.cgroup_id = connection->cgroup_id,
			.pid = connection->pid,
			.tid = connection->tid,
			.comm = connection->comm,
			.out = packet->out,
			.data = packet->data,
			.length = packet->length,
			.comment = packet->comment,
		},
		plaintext->callbacks.user_data);
}

/* The connection is not shown on this socket any more; its other end may not know yet. */
static void leave_ending(struct connection *connection)
{
	if (!connection->ending)
		return;
	connection->ending->owner = NULL;
	connection->ending->ended_ns = connection->plaintext->latest_ns;
	connection->ending = NULL;
}

static void deliver(struct connection *connection, bool out, const uint8_t *data, size_t length,
		    uint64_t time_ns, const char *comment)
{
	if (connection->phase == OPEN && length)
		ss_tls_synth_data(connection->synth, out, data, length, time_ns, comment);
}

/* What the redaction keeps back leaves as it is now. */
static void send_rest(struct connection *connection, bool out, uint64_t time_ns)
{
	struct way *way = &connection->ways[out];

	if (!way->rest->len)
		return;
	ss_tls_redact_run(way->redact, way->rest->data, way->rest->len, true);
	deliver(connection, out, way->rest->data, way->rest->len, time_ns, way->comment);
	g_clear_pointer(&way->comment, g_free);
	wipe_bytes(way->rest);
}

/* Through the redaction; data NULL: zeros. */
static void pass(struct connection *connection, bool out, const uint8_t *data, size_t length,
		 uint64_t time_ns, const char *comment)
{
	struct way *way = &connection->ways[out];
	guint kept = way->rest->len;
	size_t final;

	if (!length)
		return;
	if (!way->redact) {
		deliver(connection, out, data, length, time_ns, comment);
		return;
	}
	g_byte_array_set_size(way->rest, kept + (guint)length);
	if (data)
		memcpy(way->rest->data + kept, data, length);
	else
		memset(way->rest->data + kept, 0, length);
	if (comment) {
		g_free(way->comment);
		way->comment = g_strdup(comment);
	}
	if (!kept)
		way->rest_since_ns = time_ns;
	final = ss_tls_redact_run(way->redact, way->rest->data, way->rest->len, false);
	if (final) {
		deliver(connection, out, way->rest->data, final, time_ns, way->comment);
		g_clear_pointer(&way->comment, g_free);
		memmove(way->rest->data, way->rest->data + final, way->rest->len - final);
		explicit_bzero(way->rest->data + way->rest->len - final, final);
		g_byte_array_set_size(way->rest, way->rest->len - (guint) final);
		way->rest_since_ns = time_ns;
	}
}

/* Ends the stream, not the connection. */
static void close_stream(struct connection *connection, bool out, uint64_t time_ns,
			 const char *comment)
{
	send_rest(connection, false, time_ns);
	send_rest(connection, true, time_ns);
	if (connection->phase == OPEN)
		ss_tls_synth_close(connection->synth, out, time_ns, comment);
	g_clear_pointer(&connection->synth, ss_tls_synth_free);
	for (size_t i = 0; i < 2; i++)
		g_clear_pointer(&connection->ways[i].redact, ss_tls_redact_stream_free);
	connection->phase = WAITING;
}

/* The bytes that are about to leave, as far as they follow each other. */
static size_t peek(const struct way *way, uint8_t *buffer, size_t size)
{
	size_t length = 0;
	uint64_t next = 0;

	for (GList *link = way->pieces.head; link && length < size; link = link->next) {
		const struct piece *piece = link->data;
		size_t part = MIN(piece->length, size - length);

		if (length && piece->position != next)
			break;
		memcpy(buffer + length, piece->data, part);
		length += part;
		next = piece->position + piece->length;
	}
	return length;
}

/* What the first bytes of both ways tell together. */
struct judgement {
	enum ss_tls_protocol protocol;
	bool roles_known, local_is_client;
	bool begins;    /* seen from its beginning */
	bool undecided; /* the next bytes may tell */
	char *host;     /* to be freed */
};

static struct judgement judge(struct connection *connection)
{
	struct judgement judgement = {.undecided = true};
	uint8_t buffer[SNIFF_MAX];

	for (size_t out = 0; out < 2; out++) {
		size_t length = peek(&connection->ways[out], buffer, sizeof(buffer));
		struct ss_tls_sniff sniff = ss_tls_sniff(buffer, length);

		if (length && !sniff.undecided)
			judgement.undecided = false;
		if (sniff.protocol > judgement.protocol)
			judgement.protocol = sniff.protocol;
		judgement.begins |= sniff.begins;
		if (sniff.speaker && !judgement.roles_known) {
			judgement.roles_known = true;
			judgement.local_is_client = (sniff.speaker == SS_TLS_SPEAKER_CLIENT) == out;
		}
		if (sniff.protocol == SS_TLS_PROTOCOL_HTTP1 && !judgement.host)
			judgement.host = ss_tls_sniff_host(buffer, length);
	}
	explicit_bzero(buffer, sizeof(buffer));
	return judgement;
}

/* Servers have the well-known port, or the lower one. */
static bool client_by_ports(const struct ss_tls_socket *socket)
{
	bool local = ss_tls_ports_is_server(socket->local_port),
	     remote = ss_tls_ports_is_server(socket->remote_port);

	return local != remote ? remote : socket->local_port > socket->remote_port;
}

/* Addresses for a connection whose socket is not known: the process is 127.<its pid>, and each
 * connection has another peer. */
static void make_up_socket(struct connection *connection, bool local_is_client)
{
	uint32_t pid = connection->pid, number = ++connection->plaintext->streams;
	struct ss_tls_socket *socket = &connection->socket;
	const uint8_t local[4] = {127, (uint8_t)(pid >> 16), (uint8_t)(pid >> 8), (uint8_t)pid};
	const uint8_t remote[4] = {127, 255, (uint8_t)(number >> 8), (uint8_t)number};
	uint16_t high = (uint16_t)(49152 + number % 16384);

	memset(socket->local, 0, sizeof(socket->local));
	memset(socket->remote, 0, sizeof(socket->remote));
	socket->local[10] = socket->local[11] = socket->remote[10] = socket->remote[11] = 0xff;
	memcpy(socket->local + 12, local, 4);
	memcpy(socket->remote + 12, remote, 4);
	socket->local_port = local_is_client ? high : 443;
	socket->remote_port = local_is_client ? 443 : high;
}

/* Is there another connection that has something to say on this socket, from its other end? */
static struct connection *waiting_server(struct connection *client)
{
	bool swapped, other_swapped;
	struct tuple tuple = tuple_of(&client->socket, &swapped);

	for (GList *link = client->plaintext->busy.head; link; link = link->next) {
		struct connection *other = link->data;
		struct tuple other_tuple;

		if (other == client || other->phase != WAITING ||
		    other->socket.state != SS_TLS_SOCKET_INET || !other->buffered)
			continue;
		other_tuple = tuple_of(&other->socket, &other_swapped);
		if (tuple_equal(&tuple, &other_tuple) && swapped != other_swapped)
			return other;
	}
	return NULL;
}

/* May the connection be shown at this end? Then it owns the entry. */
static bool take_ending(struct connection *connection, uint64_t time_ns)
{
	struct ss_tls_plaintext *plaintext = connection->plaintext;
	struct connection *server, *owner;
	struct ending *ending;
	struct tuple tuple;
	bool swapped;

	if (connection->ending)
		return true;
	tuple = tuple_of(&connection->socket, &swapped);
	ending = g_hash_table_lookup(plaintext->endings, &tuple);
	if (ending && ending->swapped != swapped &&
	    (ending->owner || time_ns < ending->ended_ns + LINGER_NS))
		return false;
	if (!ending) {
		ending = g_new0(struct ending, 1);
		ending->tuple = tuple;
		g_hash_table_add(plaintext->endings, ending);
	}
	if (ending->owner) { /* its close was not told to us */
		close_stream(ending->owner, true, time_ns, NULL);
		leave_ending(ending->owner);
	}
	server = connection->local_is_client ? waiting_server(connection) : NULL;
	owner = server ? server : connection;
	leave_ending(owner);
	owner->ending = ending;
	ending->owner = owner;
	ending->swapped = server ? !swapped : swapped;
	return !server;
}

static bool is_shown(const struct connection *connection)
{
	const struct ss_tls_plaintext_callbacks *callbacks = &connection->plaintext->callbacks;

	return connection->socket.state == SS_TLS_SOCKET_INET && callbacks->shown &&
	       callbacks->shown(&connection->socket, callbacks->user_data);
}

/* Its packets and keys came to be in the file after all. */
static void hide_if_shown(struct connection *connection, uint64_t time_ns)
{
	if (connection->phase != OPEN || !is_shown(connection))
		return;
	close_stream(connection, true, time_ns, "StratoShark: goes on in its own packets");
	connection->phase = SILENT;
}

/* What makes Wireshark take the TLS of a stream for something else. */
static void warn_of_ports(GString *text, const struct connection *connection,
			  const struct judgement *judgement, uint16_t port)
{
	const struct ss_tls_socket *socket = &connection->socket;
	uint16_t client = connection->local_is_client ? socket->local_port : socket->remote_port;

	if (ss_tls_ports_is_bare(port, judgement->protocol, judgement->begins))
		return;
	if (judgement->protocol && ss_tls_ports_takes_no_tls(port))
		g_string_append_printf(text,
				       "; Wireshark expects another protocol on port %u: "
				       "Decode As TLS shows the content",
				       port);
	else if (port >= 1024 && ss_tls_ports_is_taken(client))
		g_string_append_printf(text,
				       "; Wireshark may expect another protocol on the client's "
				       "port %u: Decode As TLS shows the content then",
				       client);
}

static char *opening_comment(const struct connection *connection, const struct judgement *judgement,
			     uint16_t port, const char *reason)
{
	GString *text = g_string_new("StratoShark: plaintext of a TLS connection, from process ");

	g_string_append_printf(text, "%u (%s); its TCP and TLS headers are made up",
			       connection->pid, connection->comm);
	if (connection->socket.state == SS_TLS_SOCKET_NONE)
		g_string_append(text, "; it is not on a TCP socket, so its addresses are, too");
	else if (connection->socket.state == SS_TLS_SOCKET_UNKNOWN)
		g_string_append(text, "; its socket is not known, so its addresses are, too");
	if (judgement->protocol == SS_TLS_PROTOCOL_HTTP2 && !judgement->begins)
		g_string_append(text, "; seen from its middle on: header fields that HTTP/2 sent "
				      "before and refers to are not known");
	warn_of_ports(text, connection, judgement, port);
	if (reason)
		g_string_append_printf(text, "; %s", reason);
	return g_string_free(text, FALSE);
}

static const char *alpn_of(enum ss_tls_protocol protocol)
{
	static const char *const names[] = {
		[SS_TLS_PROTOCOL_HTTP1] = "http/1.1",
		[SS_TLS_PROTOCOL_HTTP2] = "h2",
	};

	return names[protocol];
}

/* In the middle of a frame its rest would be taken for another by who reads the new stream. */
static void begin_frames(struct way *way, enum ss_tls_protocol protocol)
{
	bool in_frame = way->tracked && (way->frames.left || way->frames.header_length);

	way->tracked = protocol == SS_TLS_PROTOCOL_HTTP2;
	way->seeking = way->tracked && (way->seeking || in_frame);
	way->left_out = 0;
	way->frames = (struct ss_http2_track){.begun = way->seeking};
}

static void begin_stream(struct connection *connection, const struct judgement *judgement,
			 uint64_t time_ns, const char *reason)
{
	struct ss_tls_plaintext *plaintext = connection->plaintext;
	const struct ss_tls_socket *socket = &connection->socket;
	uint16_t port = connection->local_is_client ? socket->remote_port : socket->local_port;
	g_autofree char *comment = opening_comment(connection, judgement, port, reason);

	connection->synth = ss_tls_synth_new(
		&(struct ss_tls_synth_options){
			.socket = *socket,
			.local_is_client = connection->local_is_client,
			.raw = ss_tls_ports_is_bare(port, judgement->protocol, judgement->begins),
			.alpn = alpn_of(judgement->protocol),
			.server_name = judgement->host,
			.seed = ++plaintext->streams * 2654435761u,
		},
		emit, connection);
	connection->phase = OPEN;
	for (size_t i = 0; i < 2; i++) {
		begin_frames(&connection->ways[i], judgement->protocol);
		if (!plaintext->redact)
			continue;
		connection->ways[i].redact = ss_tls_redact_stream_new(plaintext->redact);
		if (judgement->protocol == SS_TLS_PROTOCOL_HTTP2)
			ss_tls_redact_stream_http2(connection->ways[i].redact);
	}
	ss_tls_synth_open(connection->synth, time_ns, comment);
}

/* Decides how, and whether, the connection is shown. False: later, more may be known. */
static bool open_connection(struct connection *connection, bool out, const struct piece *first,
			    uint64_t now_ns)
{
	bool known = connection->socket.state == SS_TLS_SOCKET_INET;
	const struct way *way = &connection->ways[out];
	g_autofree char *reason = NULL, *host = NULL;
	struct judgement judgement;

	if (connection->socket.state == SS_TLS_SOCKET_UNKNOWN &&
	    !is_due(first->time_ns, UNKNOWN_SOCKET_NS, now_ns) &&
	    connection->buffered < UNKNOWN_SOCKET_MAX && !connection->closed_ns)
		return false;
	judgement = judge(connection);
	host = judgement.host;
	if (judgement.undecided && !is_due(first->time_ns, UNDECIDED_NS, now_ns) &&
	    !connection->closed_ns)
		return false;
	if (judgement.roles_known) {
		connection->local_is_client = judgement.local_is_client;
	} else if (!connection->roles_known) {
		connection->local_is_client = !known || client_by_ports(&connection->socket);
	}
	connection->roles_known = true;
	connection->protocol = judgement.protocol;
	if (!known)
		make_up_socket(connection, connection->local_is_client);
	if (!way->begun && first->position)
		reason = g_strdup_printf("%" G_GUINT64_FORMAT " bytes were lost before it",
					 first->position);
	if (is_shown(connection) || (known && !take_ending(connection, first->time_ns)))
		connection->phase = SILENT;
	else
		begin_stream(connection, &judgement, first->time_ns, reason);
	return true;
}

/* Zeros for what was lost. */
static void pass_zeros(struct connection *connection, bool out, uint64_t length, uint64_t time_ns,
		       const char *comment)
{
	struct way *way = &connection->ways[out];
	static const uint8_t zeros[4096];

	for (uint64_t done = 0; way->tracked && done < length; done += sizeof(zeros))
		ss_http2_track_take(&way->frames, zeros, MIN(length - done, sizeof(zeros)));
	pass(connection, out, NULL, length, time_ns, comment);
}

/* So much was lost that what follows is a stream of its own. */
static void restart_stream(struct connection *connection, bool out, uint64_t gap, const char *why,
			   uint64_t time_ns)
{
	g_autofree char *comment = NULL;

	comment = g_strdup_printf("%" G_GUINT64_FORMAT " bytes were lost before it%s", gap, why);
	connection->ways[out].seeking = connection->ways[out].tracked;
	close_stream(connection, out, time_ns, "StratoShark: the rest of this stream was lost");
	begin_stream(connection, &(struct judgement){.protocol = connection->protocol}, time_ns,
		     comment);
}

/*
 * What was lost, and why (or ""): zeros keep the framing, up to a limit. In HTTP/2 they do so to
 * the end of a frame only, behind which whole frames may be missing.
 */
static void fill_gap(struct connection *connection, bool out, uint64_t gap, const char *why,
		     uint64_t time_ns)
{
	struct way *way = &connection->ways[out];
	g_autofree char *comment = NULL;
	uint64_t fill = gap;

	send_rest(connection, out, time_ns);
	if (connection->phase != OPEN)
		return;
	if (way->redact)
		ss_tls_redact_stream_gap(way->redact);
	if (way->seeking) {
		way->left_out += gap;
		return;
	}
	if (way->tracked)
		fill = MIN(gap, way->frames.left);
	if (fill > connection->plaintext->gap_max || (way->tracked && way->frames.header_length)) {
		restart_stream(connection, out, gap, why, time_ns);
		return;
	}
	comment = g_strdup_printf("StratoShark: %" G_GUINT64_FORMAT
				  " bytes were lost here%s; zeros stand for them",
				  fill, why);
	pass_zeros(connection, out, fill, time_ns, comment);
	if (fill < gap) {
		way->seeking = true;
		way->left_out = gap - fill;
	}
}

/* Can the first bytes of a way be the beginning of a frame, or of the connection? */
static bool begins_frame(const uint8_t *data, size_t length)
{
	struct ss_http2_frame frame;

	if (!memcmp(data, SS_HTTP2_PREFACE, MIN(length, SS_HTTP2_PREFACE_SIZE)))
		return true;
	if (length < SS_HTTP2_FRAME_HEADER_SIZE)
		return data[0] == 0;
	frame = ss_http2_frame_read(data);
	return ss_http2_frame_acceptable(&frame);
}

/* Leaves out what is in front of a frame. False if none begins here. */
static bool seek_frame(struct way *way, const uint8_t **data, size_t *length)
{
	ssize_t found = ss_http2_frame_find(*data, *length);
	size_t before = found < 0 ? *length : (size_t)found;

	way->left_out += before;
	*data += before;
	*length -= before;
	if (found < 0) {
		way->tracked = way->seeking = way->left_out < SEEK_MAX;
		return false;
	}
	way->seeking = false;
	way->frames = (struct ss_http2_track){.begun = true};
	return true;
}

/* Bytes of an HTTP/2 way. */
static void pass_frames(struct connection *connection, bool out, const uint8_t *data, size_t length,
			uint64_t time_ns, const char *reason)
{
	struct way *way = &connection->ways[out];
	g_autofree char *comment = NULL;

	if (length && !way->frames.begun && !begins_frame(data, length))
		way->seeking = true;
	if (way->seeking) {
		if (!seek_frame(way, &data, &length))
			return;
		comment = g_strdup_printf("StratoShark: %" G_GUINT64_FORMAT
					  " bytes are missing here, up to the next HTTP/2 frame",
					  way->left_out);
		reason = comment;
	}
	if (!ss_http2_track_take(&way->frames, data, length))
		way->tracked = false;
	pass(connection, out, data, length, time_ns, reason);
}

/* The socket of the connection, which a piece may change. */
static void follow_socket(struct connection *connection, const struct piece *piece)
{
	if (piece->socket.state != SS_TLS_SOCKET_INET)
		return;
	if (connection->socket.state == SS_TLS_SOCKET_INET &&
	    same_socket(&connection->socket, &piece->socket))
		return;
	if (connection->phase != WAITING)
		close_stream(connection, true, piece->time_ns,
			     "StratoShark: the connection goes on with other addresses");
	leave_ending(connection);
	connection->socket = piece->socket;
}

static void release(struct connection *connection, bool out, const struct piece *piece)
{
	struct way *way = &connection->ways[out];
	g_autofree char *comment = NULL;
	uint64_t had = 0;

	connection->tid = piece->tid;
	if (!way->begun && piece->position && connection->ways[!out].begun)
		comment = g_strdup_printf("StratoShark: %" G_GUINT64_FORMAT
					  " bytes were lost before this",
					  piece->position);
	if (way->begun && piece->position > way->next)
		fill_gap(connection, out, piece->position - way->next, "", piece->time_ns);
	if (way->begun && piece->position < way->next)
		had = MIN(way->next - piece->position, piece->length);
	if (way->tracked && connection->phase == OPEN)
		pass_frames(connection, out, piece->data + had, piece->length - had, piece->time_ns,
			    comment);
	else
		pass(connection, out, piece->data + had, piece->length - had, piece->time_ns,
		     comment);
	if (!way->begun || piece->position + piece->length > way->next)
		way->next = piece->position + piece->length;
	way->begun = true;
	if (piece->lost && way->next == piece->position + piece->length) {
		fill_gap(connection, out, piece->lost, piece->length ? BUDGET_HINT : "",
			 piece->time_ns);
		way->next += piece->lost;
	}
}

/* Of the next piece; -1: there is none. */
static int next_way(const struct connection *connection)
{
	const GList *in_head = connection->ways[0].pieces.head;
	const GList *out_head = connection->ways[1].pieces.head;
	const struct piece *in = in_head ? in_head->data : NULL;
	const struct piece *out = out_head ? out_head->data : NULL;

	if (!in || !out)
		return in ? 0 : out ? 1 : -1;
	return out->time_ns < in->time_ns;
}

/* Lets go what has waited long enough. */
static void work(struct connection *connection, uint64_t now_ns)
{
	int out;

	while ((out = next_way(connection)) >= 0) {
		struct way *way = &connection->ways[out], *other = &connection->ways[!out];
		struct piece *piece = g_queue_peek_head(&way->pieces);

		if (!is_due(piece->time_ns, WINDOW_NS, now_ns))
			return;
		if (other->rest->len && !is_due(other->rest_since_ns, REST_NS, now_ns))
			return; /* the question is not over, the answer waits */
		send_rest(connection, !out, piece->time_ns);
		follow_socket(connection, piece);
		hide_if_shown(connection, piece->time_ns);
		if (connection->phase == WAITING &&
		    !open_connection(connection, out, piece, now_ns))
			return;
		g_queue_pop_head(&way->pieces);
		release(connection, out, piece);
		piece_free(connection, piece);
	}
	for (out = 0; out < 2; out++) {
		if (is_due(connection->ways[out].rest_since_ns, REST_NS, now_ns))
			send_rest(connection, out, connection->ways[out].rest_since_ns);
	}
}

/* Everything of the connection leaves, and it with it. */
static void finish(struct connection *connection, uint64_t time_ns)
{
	if (!connection->closed_ns)
		connection->closed_ns = time_ns;
	work(connection, UINT64_MAX);
	close_stream(connection, true, connection->closed_ns, NULL);
	leave_ending(connection);
	connection_free(connection);
}

/* Its object is gone: another may get its address. Records of other CPUs may still come. */
static void retire(struct connection *connection, uint64_t time_ns)
{
	if (connection->retired)
		return;
	g_hash_table_remove(connection->plaintext->connections, connection);
	connection->retired = true;
	connection->closed_ns = MAX(time_ns, 1);
	make_busy(connection);
}

static struct connection *connection_new(struct ss_tls_plaintext *plaintext,
					 const struct ss_tls_data *data)
{
	struct connection *connection = g_new0(struct connection, 1);

	connection->plaintext = plaintext;
	connection->id = data->connection;
	connection->pid = data->head.pid;
	connection->cgroup_id = data->head.cgroup_id;
	memcpy(connection->comm, data->head.comm, sizeof(data->head.comm));
	for (size_t i = 0; i < 2; i++) {
		g_queue_init(&connection->ways[i].pieces);
		connection->ways[i].rest = g_byte_array_new();
	}
	connection->used.data = connection->busy.data = connection;
	g_queue_push_tail_link(&plaintext->used, &connection->used);
	g_hash_table_add(plaintext->connections, connection);
	if (plaintext->used.length > CONNECTIONS_MAX)
		finish(plaintext->used.head->data, plaintext->latest_ns);
	return connection;
}

static struct connection *find(struct ss_tls_plaintext *plaintext, uint32_t pid, uint64_t id)
{
	const struct connection key = {.pid = pid, .id = id};

	return g_hash_table_lookup(plaintext->connections, &key);
}

/* Positions begin anew when the object's address is used again, and its close was lost. */
static bool begins_anew(const struct connection *connection, const struct ss_tls_data *data)
{
	const struct way *way = &connection->ways[data->write != 0];
	const struct piece *first = way->pieces.head ? way->pieces.head->data : NULL;

	return data->position == 0 && data->length &&
	       (way->begun || (first && first->position == 0));
}

/* Nearly always the last. */
static void insert_piece(GQueue *pieces, struct piece *piece)
{
	GList *link = pieces->tail;

	while (link && ((const struct piece *)link->data)->position > piece->position)
		link = link->prev;
	if (link)
		g_queue_insert_after(pieces, link, piece);
	else
		g_queue_push_head(pieces, piece);
}

static void take_data(struct ss_tls_plaintext *plaintext, const struct ss_tls_data *data)
{
	struct connection *connection;
	struct piece *piece;

	if (data->head.size < sizeof(*data) || data->length > data->head.size - sizeof(*data))
		return;
	connection = find(plaintext, data->head.pid, data->connection);
	if (connection && begins_anew(connection, data)) {
		retire(connection, data->head.time_ns);
		connection = NULL;
	}
	if (!connection)
		connection = connection_new(plaintext, data);
	g_queue_unlink(&plaintext->used, &connection->used);
	g_queue_push_tail_link(&plaintext->used, &connection->used);

	piece = g_malloc(sizeof(*piece) + data->length);
	piece->time_ns = data->head.time_ns;
	piece->position = data->position;
	piece->socket = data->socket;
	piece->tid = data->head.tid;
	piece->length = data->length;
	piece->lost = data->lost;
	memcpy(piece->data, data->data, data->length);
	connection->buffered += piece->length;
	plaintext->buffered += piece->length;
	insert_piece(&connection->ways[data->write != 0].pieces, piece);
	if (connection->phase == WAITING && connection->socket.state != SS_TLS_SOCKET_INET)
		connection->socket = data->socket;
	make_busy(connection);
}

static void take_close(struct ss_tls_plaintext *plaintext, const struct ss_tls_close *close)
{
	struct connection *connection;

	if (close->head.size < sizeof(*close))
		return;
	connection = find(plaintext, close->head.pid, close->connection);
	if (!connection)
		return;
	if (close->freed) {
		retire(connection, close->head.time_ns);
	} else {
		connection->shut_ns = MAX(close->head.time_ns, 1);
		make_busy(connection);
	}
}

static void take_exit(struct ss_tls_plaintext *plaintext, const struct ss_tls_record *record)
{
	for (GList *link = plaintext->used.head, *next; link; link = next) {
		struct connection *connection = link->data;

		next = link->next;
		if (connection->pid == record->pid)
			retire(connection, record->time_ns);
	}
}

struct ss_tls_plaintext *ss_tls_plaintext_new(struct ss_tls_redact *redact,
					      const struct ss_tls_plaintext_callbacks *callbacks)
{
	struct ss_tls_plaintext *plaintext = g_new0(struct ss_tls_plaintext, 1);

	plaintext->redact = redact;
	plaintext->gap_max = GAP_FILL_MAX;
	plaintext->callbacks = *callbacks;
	plaintext->connections = g_hash_table_new(connection_hash, connection_equal);
	plaintext->endings = g_hash_table_new_full(tuple_hash, tuple_equal, g_free, NULL);
	g_queue_init(&plaintext->used);
	g_queue_init(&plaintext->busy);
	return plaintext;
}

void ss_tls_plaintext_limit_gaps(struct ss_tls_plaintext *plaintext, uint32_t length)
{
	plaintext->gap_max = MIN(length, GAP_FILL_MAX);
}

void ss_tls_plaintext_free(struct ss_tls_plaintext *plaintext)
{
	if (!plaintext)
		return;
	while (plaintext->used.head)
		finish(plaintext->used.head->data, plaintext->latest_ns);
	g_hash_table_unref(plaintext->connections);
	g_hash_table_unref(plaintext->endings);
	g_free(plaintext);
}

void ss_tls_plaintext_record(struct ss_tls_plaintext *plaintext, const struct ss_tls_record *record)
{
	plaintext->latest_ns = MAX(plaintext->latest_ns, record->time_ns);
	switch (record->type) {
	case SS_TLS_RECORD_DATA:
		take_data(plaintext, (const struct ss_tls_data *)record);
		break;
	case SS_TLS_RECORD_CLOSE:
		take_close(plaintext, (const struct ss_tls_close *)record);
		break;
	case SS_TLS_RECORD_EXIT:
		take_exit(plaintext, record);
		break;
	default:
		break;
	}
	if (plaintext->buffered > BUFFERED_MAX) /* nobody flushes */
		ss_tls_plaintext_flush(plaintext, plaintext->latest_ns + WINDOW_NS);
	if (plaintext->buffered > BUFFERED_MAX)
		ss_tls_plaintext_flush(plaintext, UINT64_MAX);
}

static bool is_idle(const struct connection *connection)
{
	return !connection->ways[0].pieces.length && !connection->ways[1].pieces.length &&
	       !connection->ways[0].rest->len && !connection->ways[1].rest->len &&
	       !connection->closed_ns && !connection->shut_ns;
}

static bool is_over(const struct connection *connection, uint64_t now_ns)
{
	if (connection->closed_ns)
		return is_due(connection->closed_ns, WINDOW_NS, now_ns);
	return connection->shut_ns && is_due(connection->shut_ns, SHUT_NS, now_ns) &&
	       next_way(connection) < 0;
}

static gboolean is_forgotten(gpointer key, gpointer value, gpointer user_data)
{
	const struct ending *ending = key;
	const uint64_t *now_ns = user_data;

	(void)value;
	return !ending->owner && is_due(ending->ended_ns, LINGER_NS, *now_ns);
}

void ss_tls_plaintext_flush(struct ss_tls_plaintext *plaintext, uint64_t now_ns)
{
	for (GList *link = plaintext->busy.head, *next; link; link = next) {
		struct connection *connection = link->data;

		next = link->next;
		work(connection, now_ns);
		if (is_over(connection, now_ns)) {
			finish(connection,
			       connection->closed_ns ? connection->closed_ns : connection->shut_ns);
		} else if (is_idle(connection)) {
			g_queue_unlink(&plaintext->busy, &connection->busy);
			connection->is_busy = false;
		}
	}
	if (is_due(plaintext->swept_ns, SWEEP_NS, now_ns)) {
		plaintext->swept_ns = plaintext->latest_ns;
		g_hash_table_foreach_remove(plaintext->endings, is_forgotten, &now_ns);
	}
}
