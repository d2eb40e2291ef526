/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TCP connection that is, or may become, TLS: both directions are followed until everything
 * that can be read without secrets is known; then only frames are counted.
 */
#ifndef SS_TLS_CONNECTION_H
#define SS_TLS_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "tls/handshake.h"
#include "tls/keys.h"
#include "tls/session.h"
#include "transport.h"

/* Both ends, the lesser one first, so that both directions have the same. No padding. */
struct ss_tls_tuple {
	uint8_t addresses[2][16];
	uint16_t ports[2];
};

/* Returns which end sent the packet. */
unsigned ss_tls_tuple_of(const struct ss_transport *packet, struct ss_tls_tuple *ret_tuple);

/* What a segment brought, in this order. */
#define SS_TLS_SAW_CLIENT_HELLO 0x01u /* also the second one after a HelloRetryRequest */
#define SS_TLS_SAW_SERVER_HELLO 0x02u /* not a HelloRetryRequest */
#define SS_TLS_SAW_CIPHER       0x04u /* the first ChangeCipherSpec of TLS 1.2 */
#define SS_TLS_SAW_OTHER        0x08u /* this is not TLS */
#define SS_TLS_SAW_GAP          0x10u /* frames of the handshake are missing */

#define SS_TLS_INTERFACES_MAX 4

struct ss_tls_handshaking; /* both directions */

struct ss_tls_connection {
	/* Touched by every frame. */
	struct ss_tls_connection *next; /* in its bucket */
	uint64_t hash;
	struct ss_tls_tuple tuple;
	bool settled;    /* for the table: it is in that list */
	bool referenced; /* since the table last looked for somebody to evict */
	uint8_t fins;    /* bits by end */
	uint8_t syn_end; /* who sent the SYN; 2: not seen */
	uint32_t syn;    /* sequence number behind it */
	uint64_t frames, last_ns, first_ns;
	struct ss_tls_handshaking *handshaking; /* NULL: nothing more to be read */
	/* The rest. */
	GList link;    /* in the table's list of its kind; data is this */
	GList closing; /* data is this, if it has begun to close */
	uint64_t forget_ns;
	size_t buffered;                            /* bytes, as last told to the table */
	bool reported;                              /* it is TLS, and was called back */
	uint32_t interfaces[SS_TLS_INTERFACES_MAX]; /* where it was seen while handshaking */
	uint8_t interfaces_count;
	struct ss_tls_session *session;
	struct ss_tls_connection *sibling; /* the next one of the session */
	struct ss_tls_flow flow;           /* without counters */
};

/* packet is its first: a SYN, a ClientHello or application data. */
struct ss_tls_connection *ss_tls_connection_new(const struct ss_tls_tuple *tuple,
						const struct ss_transport *packet, unsigned end);
void ss_tls_connection_free(struct ss_tls_connection *connection);

/* Does this SYN begin another connection with the same ends? */
bool ss_tls_connection_is_reused(const struct ss_tls_connection *connection,
				 const struct ss_transport *packet, unsigned end);
/* A segment from that end. Only while it is handshaking. Returns SS_TLS_SAW_* bits. */
unsigned ss_tls_connection_segment(struct ss_tls_connection *connection,
				   const struct ss_transport *packet, unsigned end);
/* After SAW_CLIENT_HELLO, SAW_SERVER_HELLO; while it is handshaking. */
const struct ss_tls_hello *
ss_tls_connection_client_hello(const struct ss_tls_connection *connection);
const struct ss_tls_hello *
ss_tls_connection_server_hello(const struct ss_tls_connection *connection);
/* After SAW_CLIENT_HELLO: hash of the (first) ClientHello. ret_digest: SS_TLS_HASH_MAX. */
void ss_tls_connection_hello_hash(const struct ss_tls_connection *connection, enum ss_tls_hash hash,
				  uint8_t *ret_digest);
/* After SAW_SERVER_HELLO: hash of all from ClientHello to ServerHello. */
void ss_tls_connection_transcript(const struct ss_tls_connection *connection, enum ss_tls_hash hash,
				  uint8_t *ret_digest);
/* Segments wait for one that did not come. */
bool ss_tls_connection_has_gap(const struct ss_tls_connection *connection);
/* Bytes that the handshake keeps. */
size_t ss_tls_connection_buffered(const struct ss_tls_connection *connection);
/* Nothing more to be read. */
void ss_tls_connection_settle(struct ss_tls_connection *connection);

#endif
