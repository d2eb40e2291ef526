/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one call read or wrote: plaintext that waits with others of its way, in the order of their
 * positions. Wiped when it is freed.
 */
#ifndef SS_TLS_PIECE_H
#define SS_TLS_PIECE_H

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "format/tls.h"

struct ss_tls_piece {
	uint64_t time_ns;
	uint64_t position; /* of its first byte in the way */
	struct ss_tls_socket socket;
	uint32_t tid;
	uint32_t length, lost; /* bytes: of data; of the same call, behind them */
	uint8_t data[];
};

/* Copies of the record what is needed; its lengths must have been checked. */
struct ss_tls_piece *ss_tls_piece_new(const struct ss_tls_data *data);
void ss_tls_piece_free(struct ss_tls_piece *piece);

/* Takes piece. */
void ss_tls_pieces_add(GQueue *pieces, struct ss_tls_piece *piece);
/* NULL: there is none. Borrowed. */
struct ss_tls_piece *ss_tls_pieces_first(const GQueue *pieces);
/* Copies the first bytes, as far as they follow each other. Returns how many. */
size_t ss_tls_pieces_peek(const GQueue *pieces, uint8_t *buffer, size_t size);

#endif
