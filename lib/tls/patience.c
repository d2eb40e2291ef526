/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often in a row there was no secret: for servers by address and port; for clients by address,
 * as one that connects to ever new servers would make us wait for each of them.
 */
#include "tls/patience.h"

#include <string.h>

#include <glib.h>

#define SERVER_FAILURES 2u
#define CLIENT_FAILURES 8u
#define ENDS_MAX        4096u /* all are forgotten beyond */

struct ss_tls_patience {
	GHashTable *failures; /* struct ss_tls_address -> count */
};

/* Padding, if any, is not looked at. */
static guint hash_end(gconstpointer data)
{
	const struct ss_tls_address *address = data;
	uint32_t words[4];

	memcpy(words, address->bytes, sizeof(words));
	return (words[0] ^ words[1] ^ words[2] ^ words[3]) * 31 + address->port;
}

static gboolean equal_end(gconstpointer a, gconstpointer b)
{
	const struct ss_tls_address *one = a, *other = b;

	return one->port == other->port &&
	       memcmp(one->bytes, other->bytes, sizeof(one->bytes)) == 0;
}

struct ss_tls_patience *ss_tls_patience_new(void)
{
	struct ss_tls_patience *patience = g_new0(struct ss_tls_patience, 1);

	patience->failures = g_hash_table_new_full(hash_end, equal_end, g_free, NULL);
	return patience;
}

void ss_tls_patience_free(struct ss_tls_patience *patience)
{
	if (!patience)
		return;
	g_hash_table_unref(patience->failures);
	g_free(patience);
}

/* Its port is of no meaning. */
static struct ss_tls_address any_port(const struct ss_tls_address *client)
{
	struct ss_tls_address address = *client;

	address.port = 0;
	return address;
}

static unsigned count(const struct ss_tls_patience *patience, const struct ss_tls_address *end)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(patience->failures, end));
}

bool ss_tls_patience_has(const struct ss_tls_patience *patience,
			 const struct ss_tls_address *client, const struct ss_tls_address *server)
{
	struct ss_tls_address from = any_port(client);

	return count(patience, server) < SERVER_FAILURES &&
	       count(patience, &from) < CLIENT_FAILURES;
}

static void lose(struct ss_tls_patience *patience, const struct ss_tls_address *end)
{
	unsigned failures = count(patience, end);

	if (!failures && g_hash_table_size(patience->failures) >= ENDS_MAX)
		g_hash_table_remove_all(patience->failures);
	g_hash_table_insert(patience->failures, g_memdup2(end, sizeof(*end)),
			    GUINT_TO_POINTER(failures + 1));
}

void ss_tls_patience_lose(struct ss_tls_patience *patience, const struct ss_tls_address *client,
			  const struct ss_tls_address *server)
{
	struct ss_tls_address from = any_port(client);

	lose(patience, server);
	lose(patience, &from);
}

void ss_tls_patience_regain(struct ss_tls_patience *patience, const struct ss_tls_address *client,
			    const struct ss_tls_address *server)
{
	struct ss_tls_address from = any_port(client);

	g_hash_table_remove(patience->failures, server);
	g_hash_table_remove(patience->failures, &from);
}
