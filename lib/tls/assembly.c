/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sorted array of few pieces. Sequence numbers wrap: they are compared by their distance. */
#include "tls/assembly.h"

#include <glib.h>

struct ss_tls_piece {
	uint32_t sequence, length;
	uint8_t data[];
};

void ss_tls_assembly_anchor(struct ss_tls_assembly *assembly, uint32_t sequence)
{
	assembly->next = sequence;
	assembly->anchored = true;
}

static int32_t distance(uint32_t from, uint32_t to)
{
	return (int32_t)(to - from);
}

/* Cuts away what lies before the next byte. Returns whether anything is left. */
static bool cut_old(const struct ss_tls_assembly *assembly, uint32_t *sequence,
		    struct ss_cursor *payload)
{
	int32_t ahead = distance(assembly->next, *sequence);

	if (ahead >= 0)
		return payload->length > 0;
	if (payload->length <= -(size_t)ahead)
		return false;
	ss_cursor_skip(payload, -(size_t)ahead);
	*sequence = assembly->next;
	return true;
}

int ss_tls_assembly_keep(struct ss_tls_assembly *assembly, uint32_t sequence,
			 struct ss_cursor payload)
{
	struct ss_tls_piece *piece;
	unsigned at = assembly->count;

	if (!cut_old(assembly, &sequence, &payload))
		return 0;
	while (at > 0 && distance(assembly->pieces[at - 1]->sequence, sequence) > 0)
		at--;
	if (at > 0 && assembly->pieces[at - 1]->sequence == sequence &&
	    assembly->pieces[at - 1]->length >= payload.length)
		return 0; /* a retransmission */
	if (assembly->count == SS_TLS_PIECES_MAX ||
	    payload.length > SS_TLS_PIECES_LENGTH_MAX - assembly->length)
		return -ENOBUFS;
	piece = g_malloc(sizeof(*piece) + payload.length);
	piece->sequence = sequence;
	piece->length = (uint32_t)payload.length;
	memcpy(piece->data, payload.data, payload.length);
	memmove(assembly->pieces + at + 1, assembly->pieces + at,
		(assembly->count - at) * sizeof(*assembly->pieces));
	assembly->pieces[at] = piece;
	assembly->count++;
	assembly->length += piece->length;
	return 0;
}

static void advance(struct ss_tls_assembly *assembly, struct ss_cursor taken)
{
	assembly->next += (uint32_t)taken.length;
	assembly->position += taken.length;
}

int ss_tls_assembly_add(struct ss_tls_assembly *assembly, uint32_t sequence,
			struct ss_cursor payload, struct ss_cursor *ret_next)
{
	*ret_next = ss_cursor(NULL, 0);
	if (!cut_old(assembly, &sequence, &payload))
		return 0;
	if (sequence != assembly->next)
		return ss_tls_assembly_keep(assembly, sequence, payload);
	advance(assembly, payload);
	*ret_next = payload;
	return 0;
}

bool ss_tls_assembly_take(struct ss_tls_assembly *assembly, struct ss_cursor *ret_next)
{
	/* The pieces are sorted backwards: the next one is the last of the array. */
	while (assembly->count) {
		struct ss_tls_piece *piece = assembly->pieces[assembly->count - 1];
		struct ss_cursor data = ss_cursor(piece->data, piece->length);
		uint32_t sequence = piece->sequence;

		if (distance(assembly->next, sequence) > 0)
			return false;
		g_free(assembly->lent);
		assembly->lent = piece;
		assembly->count--;
		assembly->length -= piece->length;
		if (!cut_old(assembly, &sequence, &data))
			continue;
		advance(assembly, data);
		*ret_next = data;
		return true;
	}
	return false;
}

void ss_tls_assembly_deinit(struct ss_tls_assembly *assembly)
{
	while (assembly->count)
		g_free(assembly->pieces[--assembly->count]);
	g_free(assembly->lent);
	assembly->lent = NULL;
	assembly->length = 0;
}
