/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/piece.h"

#include <string.h>

struct ss_tls_piece *ss_tls_piece_new(const struct ss_tls_data *data)
{
	struct ss_tls_piece *piece = g_malloc(sizeof(*piece) + data->length);

	piece->time_ns = data->head.time_ns;
	piece->position = data->position;
	piece->socket = data->socket;
	piece->tid = data->head.tid;
	piece->length = data->length;
	piece->lost = data->lost;
	memcpy(piece->data, data->data, data->length);
	return piece;
}

void ss_tls_piece_free(struct ss_tls_piece *piece)
{
	explicit_bzero(piece->data, piece->length);
	g_free(piece);
}

/* It is nearly always the last. */
void ss_tls_pieces_add(GQueue *pieces, struct ss_tls_piece *piece)
{
	GList *link = pieces->tail;

	while (link && ((const struct ss_tls_piece *)link->data)->position > piece->position)
		link = link->prev;
	if (link)
		g_queue_insert_after(pieces, link, piece);
	else
		g_queue_push_head(pieces, piece);
}

struct ss_tls_piece *ss_tls_pieces_first(const GQueue *pieces)
{
	return pieces->head ? pieces->head->data : NULL;
}

size_t ss_tls_pieces_peek(const GQueue *pieces, uint8_t *buffer, size_t size)
{
	size_t length = 0;
	uint64_t next = 0;

	for (const GList *link = pieces->head; link && length < size; link = link->next) {
		const struct ss_tls_piece *piece = link->data;
		size_t part = MIN(piece->length, size - length);

		if (length && piece->position != next)
			break;
		memcpy(buffer + length, piece->data, part);
		length += part;
		next = piece->position + piece->length;
	}
	return length;
}
