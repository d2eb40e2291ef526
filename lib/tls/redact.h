/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Masks what must not be seen in plaintext, in place and without changing a length: payment card
 * numbers (Luhn), credentials in HTTP headers, passwords in forms and JSON, and the rules of a
 * file. Works on streams: a secret that two pieces share is found. What is compressed (gzip) or
 * encrypted once more is not looked into.
 */
#ifndef SS_TLS_REDACT_H
#define SS_TLS_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct ss_tls_redact;        /* the rules */
struct ss_tls_redact_stream; /* one direction of one connection */

/*
 * path: a file of rules beside the built-in ones, or NULL. Each line is a rule, empty, or begins
 *with
 * '#':
 *	header NAME	the value of this header
 *	field NAME	the value of this form field, query parameter or JSON member
 *	pattern REGEX	what matches within a line of up to 4096 bytes (PCRE, bytes); if the
 *			expression has groups, only those
 *	no-cards	card numbers are not looked for
 */
int ss_tls_redact_new(const char *path, struct ss_tls_redact **ret_redact, struct ss_error *error);
void ss_tls_redact_free(struct ss_tls_redact *redact);

struct ss_tls_redact_stream *ss_tls_redact_stream_new(struct ss_tls_redact *redact);
void ss_tls_redact_stream_free(struct ss_tls_redact_stream *stream);
/* Before the first bytes: it is HTTP/2, even if they are in the middle of something. Otherwise the
 * stream is what its first bytes look like. */
void ss_tls_redact_stream_http2(struct ss_tls_redact_stream *stream);
/* Something is missing in front of the next bytes: what depends on it is masked rather than shown.
 */
void ss_tls_redact_stream_gap(struct ss_tls_redact_stream *stream);
/* The next bytes of the stream, masked in place. Returns how many of them, from the front, are
 * final; the rest may turn out to begin a secret: keep it and offer it again in front of the next
 * bytes. With end true all are final: the stream ends, or can't wait; it may go on nevertheless. */
size_t ss_tls_redact_run(struct ss_tls_redact_stream *stream, uint8_t *data, size_t length,
			 bool end);

/* Bytes masked so far, over all streams. */
uint64_t ss_tls_redact_count(const struct ss_tls_redact *redact);

#endif
