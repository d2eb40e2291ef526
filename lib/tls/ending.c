/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/ending.h"

#include <string.h>

#include "clock.h"
#include "hash.h"

#define LINGER_NS G_GUINT64_CONSTANT(10000000000) /* an ended one's other end may still speak */

static bool is_loopback(const uint8_t *address)
{
	static const uint8_t ipv4[13] = {[10] = 0xff, [11] = 0xff, [12] = 127},
			     ipv6[16] = {[15] = 1};

	return !memcmp(address, ipv4, sizeof(ipv4)) || !memcmp(address, ipv6, sizeof(ipv6));
}

struct ss_tls_end ss_tls_end_of(const struct ss_tls_socket *socket)
{
	int order = memcmp(socket->local, socket->remote, 16);
	bool second = order ? order > 0 : socket->local_port > socket->remote_port;
	struct ss_tls_end end;

	memset(&end, 0, sizeof(end)); /* the tuple is a key, padding included */
	memcpy(end.tuple.address[second], socket->local, 16);
	memcpy(end.tuple.address[!second], socket->remote, 16);
	end.tuple.port[second] = socket->local_port;
	end.tuple.port[!second] = socket->remote_port;
	if (is_loopback(socket->local))
		end.tuple.netns = socket->netns;
	end.is_second = second;
	return end;
}

/* Keys are struct ss_tls_end, of which only the tuple counts. */

static guint end_hash(gconstpointer key)
{
	const struct ss_tls_end *end = key;

	return ss_hash_words(&end->tuple, sizeof(end->tuple));
}

static gboolean end_equal(gconstpointer a, gconstpointer b)
{
	const struct ss_tls_end *one = a, *other = b;

	return !memcmp(&one->tuple, &other->tuple, sizeof(one->tuple));
}

bool ss_tls_end_is_opposite(const struct ss_tls_end *one, const struct ss_tls_end *other)
{
	return end_equal(one, other) && one->is_second != other->is_second;
}

GHashTable *ss_tls_endings_new(void)
{
	return g_hash_table_new_full(end_hash, end_equal, NULL, g_free);
}

struct ss_tls_ending *ss_tls_endings_ask(GHashTable *endings, const struct ss_tls_end *end,
					 uint64_t time_ns)
{
	struct ss_tls_ending *ending = g_hash_table_lookup(endings, end);

	if (ending && ending->shown.is_second != end->is_second &&
	    (ending->owner || time_ns < ending->ended_ns + LINGER_NS))
		return NULL;
	if (!ending) {
		ending = g_new0(struct ss_tls_ending, 1);
		ending->shown = *end;
		g_hash_table_insert(endings, &ending->shown, ending);
	}
	return ending;
}

static gboolean is_forgotten(gpointer key, gpointer value, gpointer user_data)
{
	const struct ss_tls_ending *ending = value;
	const uint64_t *now_ns = user_data;

	(void)key;
	return !ending->owner && ss_clock_is_over(ending->ended_ns, LINGER_NS, *now_ns);
}

void ss_tls_endings_sweep(GHashTable *endings, uint64_t now_ns)
{
	g_hash_table_foreach_remove(endings, is_forgotten, &now_ns);
}
