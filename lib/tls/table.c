/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buckets of chains: a lookup of what is not here, as for every frame that is no TLS, is one load.
 * The hash has a random seed, because pods choose ports. Who was seen is not moved in a list at
 * once, only marked: when somebody must go, marked ones get a second chance.
 */
#include "tls/table.h"

#include <string.h>

#define BUCKETS  32768u /* a power of two, above all maxima */
#define SUSPECTS 1024u

enum { HANDSHAKING, SETTLED, KINDS };

struct ss_tls_table {
	uint64_t seeds[2];
	GQueue queues[KINDS]; /* struct ss_tls_connection, oldest first */
	size_t buffered;
	uint64_t suspects[SUSPECTS]; /* hashes */
	struct ss_tls_connection *buckets[BUCKETS];
};

struct ss_tls_table *ss_tls_table_new(void)
{
	struct ss_tls_table *table = g_new0(struct ss_tls_table, 1);

	for (unsigned i = 0; i < G_N_ELEMENTS(table->seeds); i++)
		table->seeds[i] = (uint64_t)g_random_int() << 32 | g_random_int();
	return table;
}

void ss_tls_table_free(struct ss_tls_table *table)
{
	g_free(table);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static uint64_t hash_of(const struct ss_tls_table *table, const struct ss_tls_tuple *tuple)
{
	uint64_t words[4], hash = table->seeds[0];

	memcpy(words, tuple->addresses, sizeof(words));
	for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
		hash = mix(hash, words[i]);
	return mix(hash ^ table->seeds[1], (uint64_t)tuple->ports[0] << 16 | tuple->ports[1]);
}

struct ss_tls_connection *ss_tls_table_find(struct ss_tls_table *table,
					    const struct ss_tls_tuple *tuple)
{
	uint64_t hash = hash_of(table, tuple);
	struct ss_tls_connection *connection = table->buckets[hash % BUCKETS];

	while (connection &&
	       (connection->hash != hash || memcmp(&connection->tuple, tuple, sizeof(*tuple)) != 0))
		connection = connection->next;
	return connection;
}

bool ss_tls_table_suspect(struct ss_tls_table *table, const struct ss_tls_tuple *tuple)
{
	uint64_t hash = hash_of(table, tuple), *suspect = &table->suspects[hash % SUSPECTS];
	bool lately = *suspect == hash;

	*suspect = hash;
	return lately;
}

void ss_tls_table_add(struct ss_tls_table *table, struct ss_tls_connection *connection)
{
	struct ss_tls_connection **bucket;

	connection->hash = hash_of(table, &connection->tuple);
	bucket = &table->buckets[connection->hash % BUCKETS];
	connection->next = *bucket;
	*bucket = connection;
	connection->settled = !connection->handshaking;
	g_queue_push_tail_link(&table->queues[connection->settled ? SETTLED : HANDSHAKING],
			       &connection->link);
}

void ss_tls_table_update(struct ss_tls_table *table, struct ss_tls_connection *connection)
{
	size_t buffered = ss_tls_connection_buffered(connection);

	table->buffered += buffered - connection->buffered;
	connection->buffered = buffered;
	if (connection->settled || connection->handshaking)
		return;
	connection->settled = true;
	g_queue_unlink(&table->queues[HANDSHAKING], &connection->link);
	g_queue_push_tail_link(&table->queues[SETTLED], &connection->link);
}

void ss_tls_table_remove(struct ss_tls_table *table, struct ss_tls_connection *connection)
{
	struct ss_tls_connection **at = &table->buckets[connection->hash % BUCKETS];

	while (*at != connection)
		at = &(*at)->next;
	*at = connection->next;
	table->buffered -= connection->buffered;
	g_queue_unlink(&table->queues[connection->settled ? SETTLED : HANDSHAKING],
		       &connection->link);
}

/* The oldest that was not seen since the last look. */
static struct ss_tls_connection *choose(GQueue *queue, const struct ss_tls_connection *keep)
{
	for (;;) {
		struct ss_tls_connection *connection = g_queue_peek_head(queue);

		if (!connection->referenced && connection != keep)
			return connection;
		connection->referenced = false;
		g_queue_unlink(queue, &connection->link);
		g_queue_push_tail_link(queue, &connection->link);
		if (queue->length == 1)
			return NULL;
	}
}

struct ss_tls_connection *ss_tls_table_excess(struct ss_tls_table *table,
					      const struct ss_tls_connection *keep)
{
	if (table->queues[HANDSHAKING].length > SS_TLS_HANDSHAKING_MAX ||
	    (table->buffered > SS_TLS_BUFFERED_MAX && table->queues[HANDSHAKING].length))
		return choose(&table->queues[HANDSHAKING], keep);
	if (table->queues[SETTLED].length > SS_TLS_SETTLED_MAX)
		return choose(&table->queues[SETTLED], keep);
	return NULL;
}

struct ss_tls_connection *ss_tls_table_any(struct ss_tls_table *table)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		if (table->queues[kind].length)
			return g_queue_peek_head(&table->queues[kind]);
	}
	return NULL;
}
