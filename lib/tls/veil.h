/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One way of a stream on its way through the redaction (redact.h), which keeps back what may turn
 * out to begin a secret. Wipes what it kept.
 */
#ifndef SS_TLS_VEIL_H
#define SS_TLS_VEIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "tls/redact.h"

/* data NULL: zeros. comment: for the first packet of it, NULL without. Both are borrowed. */
typedef void (*ss_tls_veil_show)(const uint8_t *data, size_t length, uint64_t time_ns,
				 const char *comment, void *user_data);

struct ss_tls_veil {
	ss_tls_veil_show show;
	void *user_data;
	struct ss_tls_redact_stream *stream; /* NULL: all passes as it is */
	GByteArray *rest;                    /* what is kept back */
	char *comment;                       /* for it */
	uint64_t since_ns;                   /* when it last changed */
};

void ss_tls_veil_init(struct ss_tls_veil *veil, ss_tls_veil_show show, void *user_data);
void ss_tls_veil_deinit(struct ss_tls_veil *veil);

/* A stream begins; redact is borrowed until it ends, NULL: nothing is masked. */
void ss_tls_veil_begin(struct ss_tls_veil *veil, struct ss_tls_redact *redact, bool is_http2);
/* What is kept back has been let go. */
void ss_tls_veil_end(struct ss_tls_veil *veil);

void ss_tls_veil_pass(struct ss_tls_veil *veil, const uint8_t *data, size_t length,
		      uint64_t time_ns, const char *comment);
/* What is kept back leaves as it is now. */
void ss_tls_veil_let_go(struct ss_tls_veil *veil, uint64_t time_ns);
/* Something is missing here. */
void ss_tls_veil_gap(struct ss_tls_veil *veil);

#endif
