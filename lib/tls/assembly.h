/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The beginning of one direction of a TCP connection, put in order: retransmissions and overlaps
 * cut away (what came first counts), what is ahead kept, within bounds, until it is next.
 */
#ifndef SS_TLS_ASSEMBLY_H
#define SS_TLS_ASSEMBLY_H

#include <stdbool.h>
#include <stdint.h>

#include "cursor.h"

#define SS_TLS_PIECES_MAX        32u
#define SS_TLS_PIECES_LENGTH_MAX (1u << 16) /* bytes kept */

struct ss_tls_piece;

/* Embedded in a connection. All zeros is a new one. */
struct ss_tls_assembly {
	bool anchored;
	uint32_t next;     /* sequence number of the next byte */
	uint64_t position; /* bytes that were in order so far */
	uint32_t count, length;
	struct ss_tls_piece *pieces[SS_TLS_PIECES_MAX]; /* the one that is next comes last */
	struct ss_tls_piece *lent;                      /* given out by _take */
};

/* The stream begins at this sequence number. */
void ss_tls_assembly_anchor(struct ss_tls_assembly *assembly, uint32_t sequence);
/*
 * A segment's payload comes. *ret_next is what of it is next in order, borrowed from it, maybe
 * nothing; pieces behind it are to be taken then. -ENOBUFS: too much is ahead; something is lost.
 */
int ss_tls_assembly_add(struct ss_tls_assembly *assembly, uint32_t sequence,
			struct ss_cursor payload, struct ss_cursor *ret_next);
/* Keeps it even if it is next. */
int ss_tls_assembly_keep(struct ss_tls_assembly *assembly, uint32_t sequence,
			 struct ss_cursor payload);
/* A kept piece that is next now; valid until the next call. */
bool ss_tls_assembly_take(struct ss_tls_assembly *assembly, struct ss_cursor *ret_next);
void ss_tls_assembly_deinit(struct ss_tls_assembly *assembly);

#endif
