/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The running hash over a handshake's messages, by every hash at once until the server chose. */
#ifndef SS_TLS_TRANSCRIPT_H
#define SS_TLS_TRANSCRIPT_H

#include <glib.h>

#include "cursor.h"
#include "tls/secret.h"

struct ss_tls_transcript {
	GChecksum *checksums[SS_TLS_HASHES]; /* NULL before the first message */
};

void ss_tls_transcript_add(struct ss_tls_transcript *transcript, struct ss_cursor message);
/* A HelloRetryRequest comes: the first ClientHello counts as its hash (RFC 8446 4.4.1). */
void ss_tls_transcript_retry(struct ss_tls_transcript *transcript);
/* ret_digest has room for SS_TLS_HASH_MAX. The transcript may go on. */
void ss_tls_transcript_digest(const struct ss_tls_transcript *transcript, enum ss_tls_hash hash,
			      uint8_t *ret_digest);
void ss_tls_transcript_deinit(struct ss_tls_transcript *transcript);

#endif
