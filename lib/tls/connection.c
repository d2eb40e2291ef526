/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sends the ClientHello is the client, whoever sent the SYN. What surprises: a direction may be
 * seen before the other one says where it begins. The server's bytes are kept, not read, until the
 * ClientHello is whole, because the transcript needs that order.
 */
#include "tls/connection.h"

#include <string.h>

#include "tls/assembly.h"
#include "tls/transcript.h"

#define VERSION_TLS13 0x0304

#define SAW_LAST     (SS_TLS_SAW_CIPHER | SS_TLS_SAW_OTHER | SS_TLS_SAW_GAP)
#define NOBODY       2u
#define POSITION_MAX (1u << 20) /* bytes of one direction that a handshake may have */

struct direction {
	struct ss_tls_assembly assembly;
	struct ss_tls_handshake handshake;
};

struct ss_tls_handshaking {
	struct direction directions[2]; /* by end */
	unsigned client;                /* end, or NOBODY */
	bool has_client_hello, has_retry, has_server_hello;
	uint8_t hello_hashes[SS_TLS_HASHES][SS_TLS_HASH_MAX];
	struct ss_tls_hello client_hello, server_hello;
	struct ss_tls_transcript transcript;
};

unsigned ss_tls_tuple_of(const struct ss_transport *packet, struct ss_tls_tuple *ret_tuple)
{
	const struct ss_endpoint *ends[2] = {&packet->source, &packet->destination};
	int order = memcmp(packet->source.address, packet->destination.address, 16);
	unsigned end;

	if (order == 0)
		order = packet->source.port < packet->destination.port ? -1 : 1;
	end = order > 0;
	for (unsigned i = 0; i < 2; i++) {
		memcpy(ret_tuple->addresses[i], ends[i ^ end]->address, 16);
		ret_tuple->ports[i] = ends[i ^ end]->port;
	}
	return end;
}

static void anchor(struct direction *direction, uint32_t sequence)
{
	if (!direction->assembly.anchored)
		ss_tls_assembly_anchor(&direction->assembly, sequence);
}

struct ss_tls_connection *ss_tls_connection_new(const struct ss_tls_tuple *tuple,
						const struct ss_transport *packet, unsigned end)
{
	struct ss_tls_connection *connection = g_new0(struct ss_tls_connection, 1);

	connection->tuple = *tuple;
	connection->link.data = connection;
	connection->flow.client = packet->source;
	connection->flow.server = packet->destination;
	connection->handshaking = g_new0(struct ss_tls_handshaking, 1);
	connection->handshaking->client = NOBODY;
	connection->syn_end = NOBODY;
	if (packet->flags & SS_SEGMENT_SYN) {
		connection->syn_end = (uint8_t)end;
		connection->syn = packet->sequence;
	}
	anchor(&connection->handshaking->directions[end], packet->sequence);
	return connection;
}

void ss_tls_connection_settle(struct ss_tls_connection *connection)
{
	struct ss_tls_handshaking *handshaking = connection->handshaking;

	if (!handshaking)
		return;
	for (unsigned end = 0; end < 2; end++) {
		ss_tls_assembly_deinit(&handshaking->directions[end].assembly);
		ss_tls_handshake_deinit(&handshaking->directions[end].handshake);
	}
	ss_tls_transcript_deinit(&handshaking->transcript);
	g_clear_pointer(&connection->handshaking, g_free);
}

void ss_tls_connection_free(struct ss_tls_connection *connection)
{
	if (!connection)
		return;
	ss_tls_connection_settle(connection);
	g_free(connection);
}

size_t ss_tls_connection_buffered(const struct ss_tls_connection *connection)
{
	const struct ss_tls_handshaking *handshaking = connection->handshaking;
	size_t length = 0;

	for (unsigned end = 0; handshaking && end < 2; end++) {
		const struct direction *direction = &handshaking->directions[end];

		length += direction->assembly.length;
		if (direction->handshake.message)
			length += direction->handshake.message->len;
	}
	return length;
}

const struct ss_tls_hello *
ss_tls_connection_client_hello(const struct ss_tls_connection *connection)
{
	return &connection->handshaking->client_hello;
}

const struct ss_tls_hello *
ss_tls_connection_server_hello(const struct ss_tls_connection *connection)
{
	return &connection->handshaking->server_hello;
}

void ss_tls_connection_transcript(const struct ss_tls_connection *connection, enum ss_tls_hash hash,
				  uint8_t *ret_digest)
{
	ss_tls_transcript_digest(&connection->handshaking->transcript, hash, ret_digest);
}

void ss_tls_connection_hello_hash(const struct ss_tls_connection *connection, enum ss_tls_hash hash,
				  uint8_t *ret_digest)
{
	memcpy(ret_digest, connection->handshaking->hello_hashes[hash], SS_TLS_HASH_MAX);
}

bool ss_tls_connection_has_gap(const struct ss_tls_connection *connection)
{
	const struct ss_tls_handshaking *handshaking = connection->handshaking;

	return handshaking && (handshaking->directions[0].assembly.count ||
			       handshaking->directions[1].assembly.count);
}

bool ss_tls_connection_is_reused(const struct ss_tls_connection *connection,
				 const struct ss_transport *packet, unsigned end)
{
	return (packet->flags & (SS_SEGMENT_SYN | SS_SEGMENT_ACK)) == SS_SEGMENT_SYN &&
	       (connection->syn_end != end || connection->syn != packet->sequence);
}

static unsigned read_client_hello(struct ss_tls_connection *connection, struct ss_cursor message,
				  unsigned end)
{
	struct ss_tls_handshaking *handshaking = connection->handshaking;
	struct ss_tls_hello hello;

	if (handshaking->has_client_hello && !handshaking->has_retry)
		return SS_TLS_SAW_GAP;
	if (ss_tls_client_hello_parse(message, &hello) < 0)
		return SS_TLS_SAW_OTHER;
	ss_tls_transcript_add(&handshaking->transcript, message);
	if (!handshaking->has_client_hello) {
		handshaking->client_hello = hello;
		for (unsigned hash = 0; hash < SS_TLS_HASHES; hash++)
			ss_tls_transcript_digest(&handshaking->transcript, hash,
						 handshaking->hello_hashes[hash]);
	}
	handshaking->has_client_hello = true;
	handshaking->client = end;
	return SS_TLS_SAW_CLIENT_HELLO;
}

static unsigned read_server_hello(struct ss_tls_connection *connection, struct ss_cursor message)
{
	struct ss_tls_handshaking *handshaking = connection->handshaking;
	struct ss_tls_hello hello;

	if (ss_tls_server_hello_parse(message, &hello) < 0 ||
	    (hello.retry && handshaking->has_retry))
		return SS_TLS_SAW_GAP;
	if (hello.retry)
		ss_tls_transcript_retry(&handshaking->transcript);
	ss_tls_transcript_add(&handshaking->transcript, message);
	if (hello.retry) {
		handshaking->has_retry = true;
		return 0;
	}
	handshaking->server_hello = hello;
	handshaking->has_server_hello = true;
	return SS_TLS_SAW_SERVER_HELLO;
}

static unsigned read_event(struct ss_tls_connection *connection, unsigned end,
			   enum ss_tls_handshake_event event)
{
	struct ss_tls_handshaking *handshaking = connection->handshaking;
	struct ss_cursor message;

	switch (event) {
	case SS_TLS_EVENT_MESSAGE:
		message = ss_tls_handshake_message(&handshaking->directions[end].handshake);
		if (handshaking->client == NOBODY || handshaking->client == end)
			return read_client_hello(connection, message, end);
		return read_server_hello(connection, message);
	case SS_TLS_EVENT_CIPHER:
		return handshaking->has_server_hello ? SS_TLS_SAW_CIPHER : 0;
	case SS_TLS_EVENT_DATA:
		if (handshaking->client == end && handshaking->client_hello.early_data)
			return 0;
		return SS_TLS_SAW_GAP;
	default:
		return 0;
	}
}

/* What is next of a direction. Stops where nothing more can be read. */
static unsigned read_stream(struct ss_tls_connection *connection, unsigned end,
			    struct ss_cursor stream)
{
	struct ss_tls_handshaking *handshaking = connection->handshaking;
	struct direction *direction = &handshaking->directions[end];
	unsigned saw = 0;

	while (!(saw & SAW_LAST)) {
		bool client = handshaking->client == NOBODY || handshaking->client == end;
		enum ss_tls_handshake_event event;

		if (ss_tls_handshake_next(&direction->handshake, client, &stream, &event) < 0)
			return saw |
			       (handshaking->has_client_hello ? SS_TLS_SAW_GAP : SS_TLS_SAW_OTHER);
		if (event == SS_TLS_EVENT_MORE)
			break;
		saw |= read_event(connection, end, event);
		if ((saw & SS_TLS_SAW_SERVER_HELLO) &&
		    handshaking->server_hello.version >= VERSION_TLS13)
			break;
	}
	if (direction->assembly.position > POSITION_MAX)
		saw |= SS_TLS_SAW_GAP;
	return saw;
}

/* Is the ServerHello here before the ClientHello? */
static bool is_early_server(const struct ss_tls_handshaking *handshaking,
			    const struct ss_transport *packet, unsigned end)
{
	const struct ss_cursor *payload = &packet->payload;

	return handshaking->client == NOBODY &&
	       (handshaking->directions[end ^ 1].handshake.begun ||
		(payload->length > SS_TLS_RECORD_HEADER && payload->data[0] == 22 &&
		 payload->data[SS_TLS_RECORD_HEADER] == SS_TLS_SERVER_HELLO));
}

/* The kept pieces of a direction that are next now. */
static unsigned read_kept(struct ss_tls_connection *connection, unsigned end)
{
	struct direction *direction = &connection->handshaking->directions[end];
	struct ss_cursor stream;
	unsigned saw = 0;

	while (!(saw & ~SS_TLS_SAW_CLIENT_HELLO) &&
	       ss_tls_assembly_take(&direction->assembly, &stream))
		saw |= read_stream(connection, end, stream);
	return saw;
}

static void anchor_both(struct ss_tls_handshaking *handshaking, const struct ss_transport *packet,
			unsigned end)
{
	anchor(&handshaking->directions[end], packet->sequence);
	if (packet->flags & SS_SEGMENT_ACK)
		anchor(&handshaking->directions[end ^ 1], packet->acknowledgement);
}

unsigned ss_tls_connection_segment(struct ss_tls_connection *connection,
				   const struct ss_transport *packet, unsigned end)
{
	struct ss_tls_handshaking *handshaking = connection->handshaking;
	struct ss_tls_assembly *assembly = &handshaking->directions[end].assembly;
	struct ss_cursor stream;
	unsigned saw;

	anchor_both(handshaking, packet, end);
	if (!packet->length)
		return 0;
	if (is_early_server(handshaking, packet, end))
		return ss_tls_assembly_keep(assembly, packet->sequence, packet->payload) < 0
			       ? SS_TLS_SAW_GAP
			       : 0;
	if (ss_tls_assembly_add(assembly, packet->sequence, packet->payload, &stream) < 0)
		return SS_TLS_SAW_GAP;
	saw = read_stream(connection, end, stream);
	if (!(saw & ~SS_TLS_SAW_CLIENT_HELLO))
		saw |= read_kept(connection, end);
	if (saw == SS_TLS_SAW_CLIENT_HELLO)
		saw |= read_kept(connection, end ^ 1);
	if (packet->payload.length < packet->length && !(saw & SAW_LAST))
		saw |= handshaking->has_client_hello || handshaking->directions[end].handshake.begun
			       ? SS_TLS_SAW_GAP
			       : SS_TLS_SAW_OTHER;
	return saw;
}
