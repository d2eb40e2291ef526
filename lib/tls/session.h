/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The secrets of one handshake. Several connections share it when address translation shows the
 * same one twice: to readers, too, secrets belong to the client's random.
 */
#ifndef SS_TLS_SESSION_H
#define SS_TLS_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "tls/clue.h"

#define SS_TLS_SESSION_IDS 6

struct ss_tls_session {
	GList link;                         /* of who owns sessions; data is this */
	struct ss_tls_connection *first;    /* the connections that share it */
	uint8_t random[SS_TLS_RANDOM_SIZE]; /* the client's */
	uint16_t version, cipher;           /* 0 before the ServerHello */
	enum ss_tls_hash hash;              /* of the cipher suite, TLS 1.3 */
	uint8_t transcript[SS_TLS_HASH_MAX];
	uint8_t server_random[SS_TLS_RANDOM_SIZE];
	struct ss_tls_id ids[SS_TLS_SESSION_IDS]; /* by which clues find it */
	uint8_t ids_count, ids_indexed;           /* indexed: by who owns sessions */
	struct ss_tls_secret handshake, master;   /* of TLS 1.3, until it is complete */
	struct ss_tls_secret secrets[SS_TLS_LABELS];
	bool has_identity; /* one of the ids is an identity */
	uint32_t told;     /* bits by label: its line was called back */
	uint32_t pid, library;
	uint32_t holds;  /* blocks that wait for it */
	uint64_t end_ns; /* waiting is in vain after this, a connection ended; or UINT64_MAX */
};

void ss_tls_session_add_id(struct ss_tls_session *session, enum ss_tls_id_kind kind,
			   const void *bytes, size_t length);
/* A clue of this session. Computes what follows from it, maybe new ids. False: it does not fit. */
bool ss_tls_session_learn(struct ss_tls_session *session, const struct ss_tls_clue *clue);
/* Whether it has all secrets that readers want before the first encrypted record. */
bool ss_tls_session_complete(const struct ss_tls_session *session);
void ss_tls_session_wipe(struct ss_tls_session *session);

#endif
