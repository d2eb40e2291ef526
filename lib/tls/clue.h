/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one record of the probes tells: a secret, and a value by which the connection that it is of
 * can be known. And the clues whose connection was not seen yet, few and not for long.
 */
#ifndef SS_TLS_CLUE_H
#define SS_TLS_CLUE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/tls.h"
#include "tls/keylog.h"
#include "tls/secret.h"

/* What both a secret and a handshake have. */
enum ss_tls_id_kind {
	SS_TLS_ID_TRANSCRIPT = 1, /* hash of ClientHello to ServerHello */
	SS_TLS_ID_HELLO,          /* hash of the ClientHello */
	SS_TLS_ID_MASTER,         /* master secret of TLS 1.3 */
	SS_TLS_ID_RANDOM,         /* of the client */
	SS_TLS_ID_IDENTITY,       /* what stands for a handshake secret that is not seen (GnuTLS) */
};

struct ss_tls_id {
	uint8_t kind, length;
	uint8_t bytes[SS_TLS_SECRET_MAX];
};

void ss_tls_id_set(struct ss_tls_id *id, enum ss_tls_id_kind kind, const void *bytes,
		   size_t length);
/* For GHashTable. */
unsigned ss_tls_id_hash(const void *id);
int ss_tls_id_equal(const void *a, const void *b);

struct ss_tls_clue {
	struct ss_tls_id id;     /* length 0: see ss_tls_clues_follow */
	enum ss_tls_label label; /* SS_TLS_LABELS: the salt between two stages */
	struct ss_tls_secret secret;
	struct ss_tls_secret key;  /* it was derived from this one; length 0: not known */
	struct ss_tls_id identity; /* then this stands for it, if its length is not 0 */
	uint8_t context[SS_TLS_HASH_MAX], context_length; /* and from this hash */
	uint8_t server_random[SS_TLS_RANDOM_SIZE];
	bool has_server_random;
	uint32_t pid, tid, library;
};

/* False: the record is no clue. */
bool ss_tls_clue_read(const struct ss_tls_record *record, struct ss_tls_clue *ret_clue);

#define SS_TLS_CLUES_MAX    4096u
#define SS_TLS_CLUES_AGE_NS 30000000000ull

struct ss_tls_clues;

struct ss_tls_clues *ss_tls_clues_new(void);
void ss_tls_clues_free(struct ss_tls_clues *clues);
/* Every clue passes here first: those without id get theirs by what went before on their thread. If
 * the length is still 0 then, it is not known whose it is. */
void ss_tls_clues_follow(struct ss_tls_clues *clues, struct ss_tls_clue *clue);
/* Copies it. The oldest goes if there are too many. */
void ss_tls_clues_keep(struct ss_tls_clues *clues, const struct ss_tls_clue *clue);
/* One of this id, oldest first; it is no longer kept, and the caller's to wipe. */
bool ss_tls_clues_take(struct ss_tls_clues *clues, const struct ss_tls_id *id,
		       struct ss_tls_clue *ret_clue);
/* Forgets those that are too old; what was kept since the last call is as old as this one. */
void ss_tls_clues_expire(struct ss_tls_clues *clues, uint64_t now_ns);

#endif
