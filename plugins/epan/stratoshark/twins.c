/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remembers the connections of each client port, and, because the client's address may be
 * translated as well, those of each first sequence number. Newer ones come first; few are looked
 * at.
 */
#include "twins.h"

#include <netinet/in.h>
#include <string.h>

#include <epan/dissectors/packet-tcp.h>

#define STEPS_MAX   16           /* older connections of the same port or number */
#define WINDOW_MAX  (1 << 20)    /* bytes that one end may be ahead of what the other has seen */
#define TRANSIT_MAX 2000000000ll /* ns between two views of a SYN, clocks of two nodes included */

/* What a connection may be found by. Zeroed before it is filled: compared by its bytes. */
struct key {
	uint8_t protocol, address[16];
	uint16_t port;
	uint32_t seq;
};

struct entry {
	struct ss_connection *connection;
	const char *interface; /* if_name */
	enum ss_kind server;
	const struct ss_description *services[SS_SIDE_SERVICES_MAX];
	unsigned services_count;
	struct entry *older; /* of the same key */
};

struct ss_twins {
	GHashTable *entries; /* struct key * → struct entry * */
};

static guint key_hash(gconstpointer pointer)
{
	const uint8_t *bytes = (const uint8_t *)pointer;
	guint hash = 2166136261u;

	for (size_t i = 0; i < sizeof(struct key); i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct key)) == 0;
}

static void entry_free(gpointer pointer)
{
	struct entry *entry = (struct entry *)pointer;

	while (entry) {
		struct entry *older = entry->older;

		g_free(entry);
		entry = older;
	}
}

struct ss_twins *ss_twins_new(void)
{
	struct ss_twins *twins = g_new(struct ss_twins, 1);

	twins->entries = g_hash_table_new_full(key_hash, key_equal, g_free, entry_free);
	return twins;
}

void ss_twins_free(struct ss_twins *twins)
{
	if (!twins)
		return;
	g_hash_table_unref(twins->entries);
	g_free(twins);
}

static bool share_service(const struct entry *one, const struct entry *other)
{
	for (unsigned i = 0; i < one->services_count; i++) {
		for (unsigned j = 0; j < other->services_count; j++) {
			if (strcmp(one->services[i]->full_name, other->services[j]->full_name) == 0)
				return true;
		}
	}
	return false;
}

/* One of them has the service's address, the other one an endpoint's. */
static bool translates(const struct entry *one, const struct entry *other)
{
	return (one->server == SS_KIND_POD) != (other->server == SS_KIND_POD) &&
	       share_service(one, other);
}

/* Is this segment what the other view of the connection has, or is about to have? */
static bool continues(const struct ss_connection *seen, unsigned sender,
		      const struct ss_transport *transport)
{
	uint32_t ahead = transport->seq - seen->next_seq[sender];

	if (transport->flags & TH_SYN)
		return seen->has_first[sender] && seen->first_seq[sender] == transport->seq;
	return seen->has_next[sender] && ahead + WINDOW_MAX <= 2 * (uint32_t)WINDOW_MAX;
}

static bool same_client(const struct ss_connection *one, const struct ss_connection *other)
{
	return one->client_port == other->client_port &&
	       addresses_equal(&one->client, &other->client);
}

static bool is_twin(const struct entry *seen, const struct entry *entry, const packet_info *pinfo,
		    const struct ss_transport *transport)
{
	unsigned sender = ss_connection_sender(entry->connection, pinfo);

	/* What one interface has twice are two connections, or one that Wireshark knows as such. */
	if (strcmp(seen->interface, entry->interface) == 0)
		return false;
	if (transport->protocol != IPPROTO_TCP)
		return translates(seen, entry);
	if (!continues(seen->connection, sender, transport))
		return false;
	if (same_client(seen->connection, entry->connection))
		return seen->services_count == 0 || entry->services_count == 0 ||
		       share_service(seen, entry);
	/* By its first number alone: then the rest must fit all the better. */
	return transport->flags & TH_SYN && translates(seen, entry) &&
	       ABS(ss_connection_time_ns(pinfo) - seen->connection->last_ns) < TRANSIT_MAX;
}

static struct ss_connection *find(const struct entry *seen, const struct entry *entry,
				  const packet_info *pinfo, const struct ss_transport *transport)
{
	for (int i = 0; seen && i < STEPS_MAX; i++, seen = seen->older) {
		if (is_twin(seen, entry, pinfo, transport))
			return seen->connection;
	}
	return NULL;
}

static void remember(struct ss_twins *twins, const struct key *key, const struct entry *entry)
{
	struct entry *first = (struct entry *)g_hash_table_lookup(twins->entries, key);
	struct entry *added = (struct entry *)g_memdup2(entry, sizeof(*entry));

	if (!first) {
		g_hash_table_insert(twins->entries, g_memdup2(key, sizeof(*key)), added);
		return;
	}
	/* The table holds the first one: the newest becomes that, and what was there the second. */
	*added = *first;
	*first = *entry;
	first->older = added;
}

struct ss_connection *ss_twins_meet(struct ss_twins *twins, const packet_info *pinfo,
				    const struct ss_tap *record, struct ss_connection *connection)
{
	const struct ss_transport *transport = &record->transport;
	bool from_client = ss_connection_sender(connection, pinfo) == 0;
	const struct ss_side *server = from_client ? &record->sides.dst : &record->sides.src;
	struct entry entry = {
		.connection = connection,
		.interface = record->interface ? record->interface->name : "",
		.server = server->kind,
		.services_count = server->services_count,
	};
	bool syn = transport->protocol == IPPROTO_TCP && transport->flags & TH_SYN;
	struct ss_connection *twin;
	struct key keys[2];
	unsigned count = 1;

	if (!transport->protocol)
		return NULL;
	memcpy(entry.services, server->services, sizeof(entry.services));
	memset(keys, 0, sizeof(keys));
	keys[0].protocol = transport->protocol;
	keys[0].port = connection->client_port;
	memcpy(keys[0].address, connection->client_bytes, sizeof(keys[0].address));
	if (syn) {
		keys[count].protocol = transport->protocol;
		keys[count++].seq = transport->seq;
	}
	for (unsigned i = 0; i < count; i++) {
		const struct entry *seen =
			(const struct entry *)g_hash_table_lookup(twins->entries, &keys[i]);

		twin = find(seen, &entry, pinfo, transport);
		if (twin)
			return twin;
	}
	remember(twins, &keys[0], &entry);
	/* Only of what is on its way to a pod the client can get another address. */
	if (syn && entry.services_count && entry.server != SS_KIND_POD)
		remember(twins, &keys[1], &entry);
	return NULL;
}
