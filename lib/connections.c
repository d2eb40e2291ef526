/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hash table is a set: a connection is its own key. */
#include "connections.h"

#include <string.h>

#include "hash.h"

struct ss_connections {
	GHashTable *table; /* struct ss_connection */
	GQueue used;       /* likewise */
	guint most;
	void (*forget)(void *connection, void *user_data);
	void *user_data;
};

guint ss_connection_hash(gconstpointer key)
{
	return ss_hash_words(key, sizeof(struct ss_connection_key));
}

gboolean ss_connection_equal(gconstpointer one, gconstpointer other)
{
	return memcmp(one, other, sizeof(struct ss_connection_key)) == 0;
}

struct ss_connections *
ss_connections_new(guint most, void (*forget)(void *connection, void *user_data), void *user_data)
{
	struct ss_connections *connections = g_new0(struct ss_connections, 1);

	connections->table = g_hash_table_new(ss_connection_hash, ss_connection_equal);
	g_queue_init(&connections->used);
	connections->most = most;
	connections->forget = forget;
	connections->user_data = user_data;
	return connections;
}

void ss_connections_remove(struct ss_connections *connections, void *connection)
{
	struct ss_connection *removed = connection;

	g_hash_table_remove(connections->table, removed);
	g_queue_unlink(&connections->used, &removed->link);
	g_rc_box_release(removed);
}

void ss_connections_forget(struct ss_connections *connections, void *connection)
{
	connections->forget(connection, connections->user_data);
	ss_connections_remove(connections, connection);
}

void ss_connections_free(struct ss_connections *connections)
{
	if (!connections)
		return;
	while (connections->used.head)
		ss_connections_forget(connections, connections->used.head->data);
	g_hash_table_unref(connections->table);
	g_free(connections);
}

void *ss_connections_peek(const struct ss_connections *connections,
			  const struct ss_connection_key *key)
{
	return g_hash_table_lookup(connections->table, key);
}

void *ss_connections_find(struct ss_connections *connections, const struct ss_connection_key *key)
{
	struct ss_connection *connection = g_hash_table_lookup(connections->table, key);

	if (connection) {
		g_queue_unlink(&connections->used, &connection->link);
		g_queue_push_tail_link(&connections->used, &connection->link);
	}
	return connection;
}

void *ss_connections_add(struct ss_connections *connections, const struct ss_connection_key *key,
			 size_t size)
{
	struct ss_connection *connection = g_rc_box_alloc0(size);

	if (connections->used.length >= connections->most)
		ss_connections_forget(connections, connections->used.head->data);
	connection->key = *key;
	connection->link.data = connection;
	g_hash_table_add(connections->table, connection);
	g_queue_push_tail_link(&connections->used, &connection->link);
	return connection;
}

/* --- Both directions --- */

/* *ret_from_lower: the segment was sent by the lower end, which is the source here. */
static struct ss_connection_key key_of(const struct ss_transport *segment, uint32_t owner,
				       bool *ret_from_lower)
{
	const struct ss_endpoint *source = &segment->source, *destination = &segment->destination;
	bool from_lower = memcmp(source, destination, sizeof(*source)) < 0;

	*ret_from_lower = from_lower;
	return (struct ss_connection_key){
		.source = from_lower ? *source : *destination,
		.destination = from_lower ? *destination : *source,
		.owner = owner,
	};
}

void *ss_connections_find_both(struct ss_connections *connections,
			       const struct ss_transport *segment, uint32_t owner,
			       bool *ret_from_client)
{
	bool from_lower;
	const struct ss_connection_key key = key_of(segment, owner, &from_lower);
	struct ss_connection *connection = ss_connections_find(connections, &key);

	if (connection)
		*ret_from_client = from_lower == connection->client_is_lower;
	return connection;
}

void *ss_connections_add_both(struct ss_connections *connections,
			      const struct ss_transport *segment, uint32_t owner, bool from_client,
			      size_t size)
{
	bool from_lower;
	const struct ss_connection_key key = key_of(segment, owner, &from_lower);
	struct ss_connection *connection = ss_connections_add(connections, &key, size);

	connection->client_is_lower = from_lower == from_client;
	return connection;
}

const GQueue *ss_connections_used(const struct ss_connections *connections)
{
	return &connections->used;
}
