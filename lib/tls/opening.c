/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client is who writes a request, or reads a response. Without such a sign the end that has a
 * server's port is the server, else the one that has the lower port.
 */
#include "tls/opening.h"

#include <string.h>

#include "tls/piece.h"
#include "tls/ports.h"

#define SNIFF_MAX 2048u /* bytes */

struct ss_tls_opening ss_tls_opening_judge(const GQueue *in, const GQueue *out)
{
	const GQueue *const ways[] = {in, out};
	struct ss_tls_opening opening = {.undecided = true};
	uint8_t buffer[SNIFF_MAX];

	for (size_t i = 0; i < 2; i++) {
		size_t length = ss_tls_pieces_peek(ways[i], buffer, sizeof(buffer));
		struct ss_tls_sniff sniff = ss_tls_sniff(buffer, length);

		if (length && !sniff.undecided)
			opening.undecided = false;
		if (sniff.protocol > opening.protocol)
			opening.protocol = sniff.protocol;
		opening.begins |= sniff.begins;
		if (sniff.speaker && !opening.roles_known) {
			opening.roles_known = true;
			opening.local_is_client = (sniff.speaker == SS_TLS_SPEAKER_CLIENT) == i;
		}
		if (sniff.protocol == SS_TLS_PROTOCOL_HTTP1 && !opening.host)
			opening.host = ss_tls_sniff_host(buffer, length);
	}
	explicit_bzero(buffer, sizeof(buffer));
	return opening;
}

bool ss_tls_opening_client_by_ports(const struct ss_tls_socket *socket)
{
	bool local = ss_tls_ports_is_server(socket->local_port),
	     remote = ss_tls_ports_is_server(socket->remote_port);

	return local != remote ? remote : socket->local_port > socket->remote_port;
}

/* The process is 127.<its pid>, and each connection has another peer. */
void ss_tls_opening_make_up_socket(struct ss_tls_socket *socket, uint32_t pid, uint32_t number,
				   bool local_is_client)
{
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

static uint16_t server_port(const struct ss_tls_opening *opening)
{
	return opening->local_is_client ? opening->socket.remote_port : opening->socket.local_port;
}

static uint16_t client_port(const struct ss_tls_opening *opening)
{
	return opening->local_is_client ? opening->socket.local_port : opening->socket.remote_port;
}

static bool is_bare(const struct ss_tls_opening *opening)
{
	return ss_tls_ports_is_bare(server_port(opening), opening->protocol, opening->begins);
}

/* What makes Wireshark take the TLS of a stream for something else. */
static void warn_of_ports(GString *text, const struct ss_tls_opening *opening)
{
	uint16_t server = server_port(opening), client = client_port(opening);

	if (is_bare(opening))
		return;
	if (opening->protocol && ss_tls_ports_takes_no_tls(server))
		g_string_append_printf(text,
				       "; Wireshark expects another protocol on port %u: "
				       "Decode As TLS shows the content",
				       server);
	else if (server >= 1024 && ss_tls_ports_is_taken(client))
		g_string_append_printf(text,
				       "; Wireshark may expect another protocol on the client's "
				       "port %u: Decode As TLS shows the content then",
				       client);
}

char *ss_tls_opening_comment(const struct ss_tls_opening *opening, const char *reason)
{
	GString *text = g_string_new("StratoShark: plaintext of a TLS connection, from process ");

	g_string_append_printf(text, "%u (%s); its TCP and TLS headers are made up", opening->pid,
			       opening->comm);
	if (opening->socket.state == SS_TLS_SOCKET_NONE)
		g_string_append(text, "; it is not on a TCP socket, so its addresses are, too");
	else if (opening->socket.state == SS_TLS_SOCKET_UNKNOWN)
		g_string_append(text, "; its socket is not known, so its addresses are, too");
	if (opening->protocol == SS_TLS_PROTOCOL_HTTP2 && !opening->begins)
		g_string_append(text, "; seen from its middle on: header fields that HTTP/2 sent "
				      "before and refers to are not known");
	warn_of_ports(text, opening);
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

struct ss_tls_synth_options ss_tls_opening_options(const struct ss_tls_opening *opening,
						   uint32_t seed)
{
	return (struct ss_tls_synth_options){
		.socket = opening->socket,
		.local_is_client = opening->local_is_client,
		.raw = is_bare(opening),
		.alpn = alpn_of(opening->protocol),
		.server_name = opening->host,
		.seed = seed,
	};
}
