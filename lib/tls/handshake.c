/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records, in them messages, in two of them what we want to know (RFC 8446 4, 5.1; RFC 5246). The
 * only memory is one message, of at most SS_TLS_HELLO_MAX. Surprising: bytes are judged as they
 * come, so that what is not TLS is known by its first byte.
 */
#include "tls/handshake.h"

#include <string.h>

#define RECORD_CIPHER    20
#define RECORD_ALERT     21
#define RECORD_HANDSHAKE 22
#define RECORD_DATA      23

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN        16
#define EXTENSION_EARLY_DATA  42
#define EXTENSION_VERSIONS    43

#define VERSION_TLS12 0x0303

/* RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest". */
static const uint8_t retry_random[32] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

/* As far as it is there. */
static bool is_record_header(const uint8_t *header, size_t length)
{
	if (length > 0 && (header[0] < RECORD_CIPHER || header[0] > RECORD_DATA))
		return false;
	if (length > 1 && header[1] != 3)
		return false;
	if (length > 2 && header[2] > 4)
		return false;
	return length < SS_TLS_RECORD_HEADER ||
	       (header[3] << 8 | header[4]) <= (int)SS_TLS_RECORD_MAX;
}

/* Moves bytes until *have is size or there are no more. Returns whether it is. */
static bool fill(uint8_t *to, uint8_t *have, uint8_t size, struct ss_cursor *from)
{
	size_t length = MIN((size_t)(size - *have), from->length);

	ss_cursor_copy(from, length, to + *have);
	*have = (uint8_t)(*have + length);
	return *have == size;
}

/* The next record. *ret_event is its event, SS_TLS_EVENT_MESSAGE for a handshake record. */
static int begin_record(struct ss_tls_handshake *handshake, bool client, struct ss_cursor *stream,
			enum ss_tls_handshake_event *ret_event)
{
	bool whole =
		fill(handshake->header, &handshake->header_length, SS_TLS_RECORD_HEADER, stream);
	const uint8_t *header = handshake->header;

	if (!is_record_header(header, handshake->header_length) ||
	    (client && !handshake->begun && header[0] != RECORD_HANDSHAKE))
		return -EBADMSG;
	*ret_event = SS_TLS_EVENT_MORE;
	if (!whole)
		return 0;
	handshake->header_length = 0;
	handshake->record_left = (uint16_t)(header[3] << 8 | header[4]);
	switch (header[0]) {
	case RECORD_CIPHER:
		*ret_event = SS_TLS_EVENT_CIPHER;
		break;
	case RECORD_ALERT:
		*ret_event = SS_TLS_EVENT_ALERT;
		break;
	case RECORD_HANDSHAKE:
		*ret_event = SS_TLS_EVENT_MESSAGE;
		break;
	default:
		*ret_event = SS_TLS_EVENT_DATA;
	}
	return 0;
}

static int begin_message(struct ss_tls_handshake *handshake, bool client)
{
	const uint8_t *header = handshake->message_header;
	uint32_t length = (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];

	handshake->message_left = length;
	if (header[0] != SS_TLS_CLIENT_HELLO && header[0] != SS_TLS_SERVER_HELLO)
		return 0;
	if (length > SS_TLS_HELLO_MAX)
		return -EBADMSG;
	if (client != (header[0] == SS_TLS_CLIENT_HELLO))
		return -EBADMSG;
	handshake->message = g_byte_array_new();
	g_byte_array_append(handshake->message, header, sizeof(handshake->message_header));
	return 0;
}

/* The part of a message that this record and this piece have. Returns whether a hello is whole. */
static int take_message(struct ss_tls_handshake *handshake, bool client, struct ss_cursor *stream,
			bool *ret_whole)
{
	struct ss_cursor part = {0};
	size_t length = MIN(handshake->record_left, stream->length);
	int r;

	ss_cursor_part(stream, length, &part);
	*ret_whole = false;
	if (handshake->message_header_length < sizeof(handshake->message_header)) {
		bool header = fill(handshake->message_header, &handshake->message_header_length,
				   sizeof(handshake->message_header), &part);

		if (!handshake->begun && client &&
		    handshake->message_header[0] != SS_TLS_CLIENT_HELLO)
			return -EBADMSG;
		handshake->begun = true;
		r = header ? begin_message(handshake, client) : 0;
		if (r < 0)
			return r;
	}
	if (handshake->message_header_length == sizeof(handshake->message_header)) {
		size_t taken = MIN(handshake->message_left, part.length);

		if (handshake->message)
			g_byte_array_append(handshake->message, part.data, (guint)taken);
		ss_cursor_skip(&part, taken);
		handshake->message_left -= (uint32_t)taken;
		if (!handshake->message_left) {
			handshake->message_header_length = 0;
			*ret_whole = handshake->message != NULL;
		}
	}
	/* What the next message has of this piece goes back. */
	stream->data -= part.length;
	stream->length += part.length;
	handshake->record_left = (uint16_t)(handshake->record_left - (length - part.length));
	return 0;
}

int ss_tls_handshake_next(struct ss_tls_handshake *handshake, bool client, struct ss_cursor *stream,
			  enum ss_tls_handshake_event *ret_event)
{
	bool whole = false;
	int r;

	if (handshake->message && !handshake->message_left && !handshake->message_header_length) {
		g_byte_array_unref(handshake->message); /* the one of the last event */
		handshake->message = NULL;
	}
	while (stream->length) {
		if (!handshake->record_left) {
			r = begin_record(handshake, client, stream, ret_event);
			if (r < 0)
				return r;
			if (*ret_event != SS_TLS_EVENT_MORE && *ret_event != SS_TLS_EVENT_MESSAGE)
				return 0;
		} else if (handshake->header[0] != RECORD_HANDSHAKE) {
			size_t length = MIN(handshake->record_left, stream->length);

			ss_cursor_skip(stream, length);
			handshake->record_left = (uint16_t)(handshake->record_left - length);
		} else {
			r = take_message(handshake, client, stream, &whole);
			if (r < 0)
				return r;
			if (whole) {
				*ret_event = SS_TLS_EVENT_MESSAGE;
				return 0;
			}
		}
	}
	*ret_event = SS_TLS_EVENT_MORE;
	return 0;
}

struct ss_cursor ss_tls_handshake_message(const struct ss_tls_handshake *handshake)
{
	return ss_cursor(handshake->message->data, handshake->message->len);
}

void ss_tls_handshake_deinit(struct ss_tls_handshake *handshake)
{
	if (handshake->message)
		g_byte_array_unref(handshake->message);
	handshake->message = NULL;
}

bool ss_tls_begins_client_hello(struct ss_cursor segment)
{
	const uint8_t *data = segment.data;

	return segment.length > SS_TLS_RECORD_HEADER && data[0] == RECORD_HANDSHAKE &&
	       data[5] == SS_TLS_CLIENT_HELLO && is_record_header(data, SS_TLS_RECORD_HEADER) &&
	       (segment.length < 9 ||
		(data[6] == 0 && (data[7] << 8 | data[8]) <= (int)SS_TLS_HELLO_MAX));
}

bool ss_tls_begins_data(struct ss_cursor segment)
{
	uint32_t length;

	if (segment.length < SS_TLS_RECORD_HEADER || segment.data[0] != RECORD_DATA ||
	    segment.data[1] != 3 || segment.data[2] != 3)
		return false;
	length = (uint32_t)(segment.data[3] << 8 | segment.data[4]);
	if (length < 17 || length > SS_TLS_RECORD_MAX) /* a tag, and a byte at least */
		return false;
	ss_cursor_skip(&segment, SS_TLS_RECORD_HEADER);
	return ss_cursor_skip(&segment, length) < 0 ||
	       (is_record_header(segment.data, MIN(segment.length, SS_TLS_RECORD_HEADER)));
}

/* A vector whose length is a u8 or a u16. */
static int vector8(struct ss_cursor *cursor, struct ss_cursor *ret_part)
{
	uint8_t length;

	return ss_cursor_u8(cursor, &length) < 0 ? -EBADMSG
						 : ss_cursor_part(cursor, length, ret_part);
}

static int vector16(struct ss_cursor *cursor, struct ss_cursor *ret_part)
{
	uint16_t length;

	return ss_cursor_be16(cursor, &length) < 0 ? -EBADMSG
						   : ss_cursor_part(cursor, length, ret_part);
}

static void copy_text(char *to, size_t size, struct ss_cursor text)
{
	size_t length = MIN(text.length, size - 1);

	for (size_t i = 0; i < length; i++)
		to[i] = g_ascii_isgraph(text.data[i]) ? (char)text.data[i] : '?';
	to[length] = '\0';
}

/* RFC 6066 3: a list; the entry of type 0 is the host's. */
static void read_server_name(struct ss_cursor value, struct ss_tls_hello *hello)
{
	struct ss_cursor list, name;
	uint8_t type;

	if (vector16(&value, &list) < 0)
		return;
	while (ss_cursor_u8(&list, &type) == 0 && vector16(&list, &name) == 0) {
		if (type != 0)
			continue;
		copy_text(hello->server_name, sizeof(hello->server_name), name);
		return;
	}
}

static void read_alpn(struct ss_cursor value, struct ss_tls_hello *hello)
{
	struct ss_cursor list, name;

	/* A first name of 0x?a?a is GREASE (RFC 8701). */
	if (vector16(&value, &list) < 0)
		return;
	while (vector8(&list, &name) == 0) {
		if (name.length == 2 && (name.data[0] & 15) == 10 && name.data[0] == name.data[1])
			continue;
		copy_text(hello->alpn, sizeof(hello->alpn), name);
		return;
	}
}

static void read_client_extension(uint16_t type, struct ss_cursor value, struct ss_tls_hello *hello)
{
	struct ss_cursor list;
	uint16_t version;

	switch (type) {
	case EXTENSION_SERVER_NAME:
		read_server_name(value, hello);
		break;
	case EXTENSION_ALPN:
		read_alpn(value, hello);
		break;
	case EXTENSION_EARLY_DATA:
		hello->early_data = true;
		break;
	case EXTENSION_VERSIONS:
		if (vector8(&value, &list) < 0)
			break;
		while (ss_cursor_be16(&list, &version) == 0) {
			if (version >> 8 == 3 && version > hello->version)
				hello->version = version;
		}
		break;
	default:
		break;
	}
}

static void read_server_extension(uint16_t type, struct ss_cursor value, struct ss_tls_hello *hello)
{
	uint16_t version;

	if (type == EXTENSION_ALPN)
		read_alpn(value, hello);
	else if (type == EXTENSION_VERSIONS && ss_cursor_be16(&value, &version) == 0)
		hello->version = version;
}

static int read_extensions(struct ss_cursor body, struct ss_tls_hello *hello,
			   void (*read)(uint16_t type, struct ss_cursor value,
					struct ss_tls_hello *hello))
{
	struct ss_cursor extensions, value;
	uint16_t type;

	if (!body.length)
		return 0; /* TLS 1.2 may be without */
	if (vector16(&body, &extensions) < 0)
		return -EBADMSG;
	while (extensions.length) {
		if (ss_cursor_be16(&extensions, &type) < 0 || vector16(&extensions, &value) < 0)
			return -EBADMSG;
		read(type, value, hello);
	}
	return 0;
}

/* What both hellos begin with. */
static int read_front(struct ss_cursor *message, struct ss_tls_hello *hello)
{
	struct ss_cursor session_id;

	if (ss_cursor_skip(message, 4) < 0 || ss_cursor_be16(message, &hello->version) < 0 ||
	    ss_cursor_copy(message, sizeof(hello->random), hello->random) < 0 ||
	    vector8(message, &session_id) < 0 || session_id.length > 32 || hello->version >> 8 != 3)
		return -EBADMSG;
	return 0;
}

int ss_tls_client_hello_parse(struct ss_cursor message, struct ss_tls_hello *ret_hello)
{
	struct ss_tls_hello hello = {0};
	struct ss_cursor ciphers, compressions;

	if (read_front(&message, &hello) < 0 || vector16(&message, &ciphers) < 0 ||
	    vector8(&message, &compressions) < 0 ||
	    read_extensions(message, &hello, read_client_extension) < 0)
		return -EBADMSG;
	*ret_hello = hello;
	return 0;
}

int ss_tls_server_hello_parse(struct ss_cursor message, struct ss_tls_hello *ret_hello)
{
	struct ss_tls_hello hello = {0};

	if (read_front(&message, &hello) < 0 || ss_cursor_be16(&message, &hello.cipher) < 0 ||
	    ss_cursor_skip(&message, 1) < 0 ||
	    read_extensions(message, &hello, read_server_extension) < 0)
		return -EBADMSG;
	hello.retry = hello.version > VERSION_TLS12 &&
		      memcmp(hello.random, retry_random, sizeof(retry_random)) == 0;
	*ret_hello = hello;
	return 0;
}
