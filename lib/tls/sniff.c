/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guesses a protocol from the first bytes: a table of beginnings, and HTTP/2 frames, which are
 * recognized in the middle of a connection too. In HTTP/2 it is the first header field of a HEADERS
 * frame that tells a request (:method, :path, :scheme, :authority) from a response (:status).
 */
#include "tls/sniff.h"

#include <arpa/inet.h>
#include <string.h>

#include <glib.h>

#include "tls/http2.h"

#define HOST_MAX 253u /* bytes of a name */

#define CLIENT SS_TLS_SPEAKER_CLIENT
#define SERVER SS_TLS_SPEAKER_SERVER

static const struct {
	const char *text;
	enum ss_tls_protocol protocol;
	enum ss_tls_speaker speaker;
} beginnings[] = {
	{"HTTP/1.", SS_TLS_PROTOCOL_HTTP1, SERVER},
	{"GET ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"POST ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"PUT ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"HEAD ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"DELETE ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"OPTIONS ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"PATCH ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"CONNECT ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"TRACE ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"PROPFIND ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"PROPPATCH ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"MKCOL ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"COPY ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"MOVE ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"LOCK ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"UNLOCK ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	{"REPORT ", SS_TLS_PROTOCOL_HTTP1, CLIENT},
	/* Servers that speak first, and what their clients answer. */
	{"220 ", SS_TLS_PROTOCOL_UNKNOWN, SERVER},
	{"220-", SS_TLS_PROTOCOL_UNKNOWN, SERVER},
	{"250-", SS_TLS_PROTOCOL_UNKNOWN, SERVER},
	{"+OK", SS_TLS_PROTOCOL_UNKNOWN, SERVER},
	{"* OK", SS_TLS_PROTOCOL_UNKNOWN, SERVER},
	{"* CAPABILITY", SS_TLS_PROTOCOL_UNKNOWN, SERVER},
	{"EHLO ", SS_TLS_PROTOCOL_UNKNOWN, CLIENT},
	{"HELO ", SS_TLS_PROTOCOL_UNKNOWN, CLIENT},
};

/* Who would send a block that begins with this header field: static indexes 1 to 7 are a request's
 * pseudo-headers, 8 to 14 are :status (RFC 7541 A). */
static enum ss_tls_speaker speaker_of_index(uint8_t index)
{
	if (index >= 1 && index <= 7)
		return CLIENT;
	return index >= 8 && index <= 14 ? SERVER : SS_TLS_SPEAKER_UNKNOWN;
}

static enum ss_tls_speaker speaker_of_fragment(const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = data[i];

		if (byte & 0x80)
			return speaker_of_index(byte & 0x7f);
		if (byte & 0x40)
			return speaker_of_index(byte & 0x3f);
		if (!(byte & 0x20))
			return speaker_of_index(byte & 0x0f);
		if ((byte & 0x1f) == 0x1f) /* a long update of the table's size comes first */
			while (++i < length && data[i] & 0x80)
				;
	}
	return SS_TLS_SPEAKER_UNKNOWN;
}

static enum ss_tls_speaker speaker_of_frame(const struct ss_http2_frame *frame,
					    const uint8_t *payload, size_t length)
{
	size_t skip = (frame->flags & SS_HTTP2_PADDED ? 1u : 0u) +
		      (frame->flags & SS_HTTP2_PRIORITIZED ? 5u : 0u);

	if (frame->type == SS_HTTP2_PUSH_PROMISE)
		return SERVER;
	length = MIN(length, frame->length);
	if (frame->type != SS_HTTP2_HEADERS || length <= skip)
		return SS_TLS_SPEAKER_UNKNOWN;
	return speaker_of_fragment(payload + skip, length - skip);
}

/* Two frames, or one that fills or exceeds what there is. */
static struct ss_tls_sniff sniff_frames(const uint8_t *data, size_t length)
{
	struct ss_tls_sniff sniff = {0};
	size_t offset = 0;

	while (length - offset >= SS_HTTP2_FRAME_HEADER_SIZE) {
		struct ss_http2_frame frame = ss_http2_frame_read(data + offset);

		if (!ss_http2_frame_plausible(&frame))
			return sniff.speaker ? sniff : (struct ss_tls_sniff){0};
		offset += SS_HTTP2_FRAME_HEADER_SIZE;
		sniff.protocol = SS_TLS_PROTOCOL_HTTP2;
		if (!sniff.speaker)
			sniff.speaker = speaker_of_frame(&frame, data + offset, length - offset);
		if (frame.length > length - offset)
			return sniff;
		offset += frame.length;
	}
	sniff.undecided = !sniff.protocol;
	return sniff;
}

struct ss_tls_sniff ss_tls_sniff(const uint8_t *data, size_t length)
{
	struct ss_tls_sniff sniff = {0};

	if (!length)
		return (struct ss_tls_sniff){.undecided = true};
	if (!memcmp(data, SS_HTTP2_PREFACE, MIN(length, SS_HTTP2_PREFACE_SIZE))) {
		if (length < SS_HTTP2_PREFACE_SIZE)
			sniff.undecided = true;
		else
			sniff = (struct ss_tls_sniff){SS_TLS_PROTOCOL_HTTP2, CLIENT, true, false};
		return sniff;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(beginnings); i++) {
		size_t wanted = strlen(beginnings[i].text);

		if (memcmp(data, beginnings[i].text, MIN(length, wanted)))
			continue;
		if (length < wanted) {
			sniff.undecided = true;
			continue;
		}
		return (struct ss_tls_sniff){beginnings[i].protocol, beginnings[i].speaker, true,
					     false};
	}
	return sniff.undecided ? sniff : sniff_frames(data, length);
}

/* A host name as SNI has it: not an address, nothing that a name does not consist of. */
static char *name_of(const uint8_t *value, size_t length)
{
	g_autofree char *host = g_strndup((const char *)value, length);
	uint8_t address[16];

	g_strstrip(host);
	host[strcspn(host, ":")] = '\0';
	if (!*host || strlen(host) > HOST_MAX || inet_pton(AF_INET, host, address) == 1)
		return NULL;
	for (const char *c = host; *c; c++) {
		if (!g_ascii_isalnum(*c) && !strchr("-._", *c))
			return NULL;
	}
	return g_steal_pointer(&host);
}

/* Not by copies of lines: they hold secrets. */
char *ss_tls_sniff_host(const uint8_t *data, size_t length)
{
	static const char header[] = "host:";
	const size_t skip = strlen(header);
	const uint8_t *end;

	/* The last line may be cut. */
	while ((end = memchr(data, '\n', length)) && end > data + 1) {
		size_t line = (size_t)(end - data);

		if (line > skip && !g_ascii_strncasecmp((const char *)data, header, skip))
			return name_of(data + skip, line - skip);
		data = end + 1;
		length -= line + 1;
	}
	return NULL;
}
