/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of connections, or of one direction of each: a table of structs that begin with
 * struct ss_connection, in the order of their use, of which there are never too many.
 */
#ifndef SS_CONNECTIONS_H
#define SS_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "transport.h"

/* Compared as bytes. */
struct ss_connection_key {
	struct ss_endpoint source, destination;
	uint32_t owner;  /* who sees it: the same addresses may be in use elsewhere */
	uint32_t detail; /* what else tells it from others; 0: nothing does */
};

struct ss_connection {
	struct ss_connection_key key;
	GList link; /* .data: the struct that begins here */
	/* Of both directions, whose key is the same: the client has the address that is less. */
	bool client_is_lower;
};

struct ss_connections;

/* most: when there are so many, the one that was not used for the longest time gives way. forget:
 * it does, or the table is freed: the last word about what hangs on it. */
struct ss_connections *
ss_connections_new(guint most, void (*forget)(void *connection, void *user_data), void *user_data);
void ss_connections_free(struct ss_connections *connections);

/* Of one direction. NULL: there is none. */
void *ss_connections_find(struct ss_connections *connections, const struct ss_connection_key *key);
/* Likewise; this is no use. */
void *ss_connections_peek(const struct ss_connections *connections,
			  const struct ss_connection_key *key);
/* There is none yet. A struct of so many bytes, else 0. */
void *ss_connections_add(struct ss_connections *connections, const struct ss_connection_key *key,
			 size_t size);

/* Of both directions: that of a segment, and who has sent that. */
void *ss_connections_find_both(struct ss_connections *connections,
			       const struct ss_transport *segment, uint32_t owner,
			       bool *ret_from_client);
void *ss_connections_add_both(struct ss_connections *connections,
			      const struct ss_transport *segment, uint32_t owner, bool from_client,
			      size_t size);

/* Frees it, unless somebody has acquired it (g_rc_box_acquire()). */
void ss_connections_remove(struct ss_connections *connections, void *connection);
/* Likewise, as if it gave way. */
void ss_connections_forget(struct ss_connections *connections, void *connection);

/* struct ss_connection, the most recently used last. */
const GQueue *ss_connections_used(const struct ss_connections *connections);

/* For other tables with such keys. */
guint ss_connection_hash(gconstpointer key);
gboolean ss_connection_equal(gconstpointer one, gconstpointer other);

#endif
