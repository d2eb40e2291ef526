/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often in a row there was no secret: between a client (by address) and a server (by address
 * and port), at that server whoever asks, at that client whomever it asks. A client whose last
 * connection had secrets is believed to have them for every server.
 */
#include "tls/patience.h"

#include <string.h>

#include <glib.h>

#define PAIR_FAILURES   2u
#define SERVER_FAILURES 2u
#define CLIENT_FAILURES 8u /* one that connects to ever new servers */
#define PROVEN          (UINT_MAX >> 1)
#define ENTRIES_MAX     4096u /* all are forgotten beyond */

/* No padding. Zeros: anyone. */
struct pair {
	uint8_t client[16], server[16];
	uint32_t port;
};

struct ss_tls_patience {
	GHashTable *failures; /* struct pair -> how many, or PROVEN */
};

static guint hash_pair(gconstpointer data)
{
	uint32_t words[sizeof(struct pair) / 4];
	guint hash = 0;

	memcpy(words, data, sizeof(words));
	for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
		hash = hash * 31 + words[i];
	return hash;
}

static gboolean equal_pairs(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct pair)) == 0;
}

struct ss_tls_patience *ss_tls_patience_new(void)
{
	struct ss_tls_patience *patience = g_new0(struct ss_tls_patience, 1);

	patience->failures = g_hash_table_new_full(hash_pair, equal_pairs, g_free, NULL);
	return patience;
}

void ss_tls_patience_free(struct ss_tls_patience *patience)
{
	if (!patience)
		return;
	g_hash_table_unref(patience->failures);
	g_free(patience);
}

static struct pair pair_of(const struct ss_endpoint *client, const struct ss_endpoint *server)
{
	struct pair pair = {0};

	if (client)
		memcpy(pair.client, client->address, sizeof(pair.client));
	if (server) {
		memcpy(pair.server, server->address, sizeof(pair.server));
		pair.port = server->port;
	}
	return pair;
}

static unsigned look_up(const struct ss_tls_patience *patience, struct pair pair)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(patience->failures, &pair));
}

static void put(struct ss_tls_patience *patience, struct pair pair, unsigned value)
{
	if (g_hash_table_size(patience->failures) >= ENTRIES_MAX)
		g_hash_table_remove_all(patience->failures);
	g_hash_table_insert(patience->failures, g_memdup2(&pair, sizeof(pair)),
			    GUINT_TO_POINTER(value));
}

bool ss_tls_patience_has(const struct ss_tls_patience *patience, const struct ss_endpoint *client,
			 const struct ss_endpoint *server)
{
	unsigned by_client = look_up(patience, pair_of(client, NULL));

	if (look_up(patience, pair_of(client, server)) >= PAIR_FAILURES)
		return false;
	if (by_client == PROVEN)
		return true;
	return by_client < CLIENT_FAILURES &&
	       look_up(patience, pair_of(NULL, server)) < SERVER_FAILURES;
}

void ss_tls_patience_lose(struct ss_tls_patience *patience, const struct ss_endpoint *client,
			  const struct ss_endpoint *server)
{
	struct pair pairs[] = {pair_of(client, server), pair_of(client, NULL),
			       pair_of(NULL, server)};

	for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
		unsigned failures = look_up(patience, pairs[i]);

		put(patience, pairs[i], failures == PROVEN ? 1 : failures + 1);
	}
}

void ss_tls_patience_regain(struct ss_tls_patience *patience, const struct ss_endpoint *client,
			    const struct ss_endpoint *server)
{
	struct pair pair = pair_of(client, server), any_client = pair_of(NULL, server);

	g_hash_table_remove(patience->failures, &pair);
	g_hash_table_remove(patience->failures, &any_client);
	put(patience, pair_of(client, NULL), PROVEN);
}
