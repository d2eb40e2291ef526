/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One direction of a TLS connection, as long as it is in the clear: takes the stream in pieces of
 * any size, gives events. Messages may be spread over records and pieces, records may hold several.
 */
#ifndef SS_TLS_HANDSHAKE_H
#define SS_TLS_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "cursor.h"

enum ss_tls_handshake_event {
	SS_TLS_EVENT_MORE,    /* all was taken */
	SS_TLS_EVENT_MESSAGE, /* a ClientHello or ServerHello is whole; other messages are passed
				 over */
	SS_TLS_EVENT_CIPHER,  /* a ChangeCipherSpec record */
	SS_TLS_EVENT_ALERT,
	SS_TLS_EVENT_DATA, /* an application data record: what follows is encrypted */
};

#define SS_TLS_CLIENT_HELLO 1 /* types of messages */
#define SS_TLS_SERVER_HELLO 2

#define SS_TLS_RECORD_HEADER 5u
#define SS_TLS_RECORD_MAX    (16384u + 2048u) /* bytes behind the header: RFC 5246 6.2.3 */
#define SS_TLS_HELLO_MAX     32768u           /* bytes; longer messages are not taken for TLS */

/* Embedded in a connection. All zeros is a new one. */
struct ss_tls_handshake {
	uint8_t header[SS_TLS_RECORD_HEADER];
	uint8_t header_length;
	uint8_t message_header[4];
	uint8_t message_header_length;
	bool begun; /* the first message's type is known */
	uint16_t record_left;
	uint32_t message_left;
	GByteArray *message; /* with its header; NULL while it is passed over */
};

/*
 * Takes bytes off the stream up to the next event. client: the first message must be a ClientHello.
 * -EBADMSG: this is not TLS; don't go on.
 */
int ss_tls_handshake_next(struct ss_tls_handshake *handshake, bool client, struct ss_cursor *stream,
			  enum ss_tls_handshake_event *ret_event);
/* The message of SS_TLS_EVENT_MESSAGE, valid until _next. */
struct ss_cursor ss_tls_handshake_message(const struct ss_tls_handshake *handshake);
void ss_tls_handshake_deinit(struct ss_tls_handshake *handshake);

/* Does a segment begin with a ClientHello? For connections whose beginning was not TLS. */
bool ss_tls_begins_client_hello(struct ss_cursor segment);
/* With records of application data? */
bool ss_tls_begins_data(struct ss_cursor segment);

/* What a hello says. Texts: other than printable ASCII is '?'. */
struct ss_tls_hello {
	uint8_t random[32];
	uint16_t version;      /* client: the highest that it offers; server: chosen */
	uint16_t cipher;       /* server: chosen */
	bool retry;            /* server: this is a HelloRetryRequest */
	bool early_data;       /* client */
	char server_name[256]; /* client */
	char alpn[32];         /* client: the first; server (TLS 1.2): chosen */
};

/* -EBADMSG: malformed. */
int ss_tls_client_hello_parse(struct ss_cursor message, struct ss_tls_hello *ret_hello);
int ss_tls_server_hello_parse(struct ss_cursor message, struct ss_tls_hello *ret_hello);

#endif
