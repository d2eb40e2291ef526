/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects by uid, and by each address that frames may have because of them. The path of a frame is
 * short: both its addresses, as they stand in it, are looked up in a small table of pairs that were
 * seen lately; all else happens once for an address and file.
 */
#include "roster.h"

#include <arpa/inet.h>
#include <string.h>

#include "description.h"
#include "format/pcapng.h"
#include "log.h"
#include "output/blocks.h"

#define SEEN_MAX        65536u /* addresses; then they are looked up anew */
#define PAIRS           4096u  /* a power of two */
#define NODE_PORTS_MAX  256u   /* services described because a node was seen */
#define ETHERNET_HEADER 14u
#define VLAN_TAG        4u

/* IPv6, or IPv4 mapped into it. */
struct ip {
	uint64_t words[2];
};

struct object {
	struct ss_description *description;
	char *key;
	bool captured;
	bool described; /* in this file */
	bool needed;    /* by this file: its frames have an address of it */
};

struct ss_roster {
	struct ss_roster_writer writer;
	char *host;
	GHashTable *objects;         /* char * key → struct object * */
	GHashTable *addresses;       /* struct ip * → GPtrArray of struct object *, borrowed */
	GHashTable *with_node_ports; /* set of struct object *, borrowed */
	GHashTable *seen;            /* set of struct ip *: in this file */
	struct {
		struct ip src, dst;
	} pairs[PAIRS];
	GArray *link_types; /* uint16_t, by interface id */
	uint64_t left_out;
};

static guint ip_hash(gconstpointer key)
{
	const struct ip *ip = key;
	uint64_t hash = (ip->words[0] ^ ip->words[1] * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;

	return (guint)(hash >> 32);
}

static gboolean ip_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct ip)) == 0;
}

static void ip_from_v4(const uint8_t *bytes, struct ip *ret_ip)
{
	uint8_t *to = (uint8_t *)ret_ip->words;

	memset(to, 0, 10);
	memset(to + 10, 0xff, 2);
	memcpy(to + 12, bytes, 4);
}

static bool ip_parse(const char *text, struct ip *ret_ip)
{
	uint8_t bytes[4];

	if (inet_pton(AF_INET6, text, ret_ip->words) == 1)
		return true;
	if (inet_pton(AF_INET, text, bytes) != 1)
		return false;
	ip_from_v4(bytes, ret_ip);
	return true;
}

static void object_free(void *pointer)
{
	struct object *object = pointer;

	ss_description_free(object->description);
	g_free(object->key);
	g_free(object);
}

struct ss_roster *ss_roster_new(const struct ss_roster_writer *writer, const char *host)
{
	struct ss_roster *roster = g_new0(struct ss_roster, 1);

	roster->writer = *writer;
	roster->host = g_strdup(host);
	roster->objects = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, object_free);
	roster->addresses =
		g_hash_table_new_full(ip_hash, ip_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
	roster->with_node_ports = g_hash_table_new(NULL, NULL);
	roster->seen = g_hash_table_new_full(ip_hash, ip_equal, g_free, NULL);
	roster->link_types = g_array_new(FALSE, TRUE, sizeof(uint16_t));
	return roster;
}

void ss_roster_free(struct ss_roster *roster)
{
	if (!roster)
		return;
	g_hash_table_unref(roster->addresses);
	g_hash_table_unref(roster->with_node_ports);
	g_hash_table_unref(roster->seen);
	g_hash_table_unref(roster->objects);
	g_array_unref(roster->link_types);
	g_free(roster->host);
	g_free(roster);
}

static void write_object(const struct ss_roster_writer *writer, struct object *object,
			 uint64_t time_ns)
{
	const struct ss_description *description = object->description;

	object->described = true;
	writer->event(time_ns, &description->event, writer->user_data);
	for (guint i = 0; description->name && i < description->addresses->len; i++)
		writer->name(time_ns, description->addresses->pdata[i], description->name,
			     writer->user_data);
}

static void need(struct ss_roster *roster, struct object *object, uint64_t time_ns)
{
	object->needed = true;
	if (!object->described)
		write_object(&roster->writer, object, time_ns);
}

static void index_address(struct ss_roster *roster, const char *text, struct object *object)
{
	GPtrArray *there;
	struct ip ip;

	if (!ip_parse(text, &ip))
		return;
	there = g_hash_table_lookup(roster->addresses, &ip);
	if (!there) {
		there = g_ptr_array_new();
		g_hash_table_insert(roster->addresses, g_memdup2(&ip, sizeof(ip)), there);
	}
	if (!g_ptr_array_find(there, object, NULL))
		g_ptr_array_add(there, object);
	object->needed |= g_hash_table_contains(roster->seen, &ip);
}

static void forget_address(struct ss_roster *roster, const char *text, struct object *object)
{
	GPtrArray *there;
	struct ip ip;

	if (!ip_parse(text, &ip))
		return;
	there = g_hash_table_lookup(roster->addresses, &ip);
	if (there && g_ptr_array_remove_fast(there, object) && there->len == 0)
		g_hash_table_remove(roster->addresses, &ip);
}

static void index_object(struct ss_roster *roster, struct object *object, bool in)
{
	const struct ss_description *description = object->description;
	void (*change)(struct ss_roster *, const char *, struct object *) =
		in ? index_address : forget_address;

	for (guint i = 0; i < description->addresses->len; i++)
		change(roster, description->addresses->pdata[i], object);
	for (guint i = 0; i < description->endpoints->len; i++)
		change(roster, description->endpoints->pdata[i], object);
	if (in && description->has_node_ports)
		g_hash_table_add(roster->with_node_ports, object);
	else
		g_hash_table_remove(roster->with_node_ports, object);
}

static struct object *new_object(struct ss_roster *roster, const char *key, bool captured)
{
	struct object *object;

	if (!captured && g_hash_table_size(roster->objects) >= SS_ROSTER_OBJECTS_MAX) {
		if (roster->left_out++ == 0)
			ss_log(SS_LOG_NOTE,
			       "the cluster has more than %u pods, services and nodes: the "
			       "addresses of some stay without a name",
			       SS_ROSTER_OBJECTS_MAX);
		return NULL;
	}
	object = g_new0(struct object, 1);
	object->key = g_strdup(key);
	g_hash_table_insert(roster->objects, object->key, object);
	return object;
}

/* Takes description. */
static void set(struct ss_roster *roster, const char *key, struct ss_description *description,
		bool captured)
{
	struct object *object = g_hash_table_lookup(roster->objects, key);

	if (!object)
		object = new_object(roster, key, captured);
	if (!object) {
		ss_description_free(description);
		return;
	}
	object->captured |= captured;
	if (object->description && ss_description_equal(object->description, description)) {
		ss_description_free(description);
	} else {
		if (object->description)
			index_object(roster, object, false);
		ss_description_free(object->description);
		object->description = description;
		object->described = false;
		index_object(roster, object, true);
	}
	if (object->captured || object->needed)
		need(roster, object, 0);
}

static void forget(struct ss_roster *roster, const char *key)
{
	struct object *object = g_hash_table_lookup(roster->objects, key);

	if (!object)
		return;
	index_object(roster, object, false);
	g_hash_table_remove(roster->objects, key);
}

void ss_roster_pod(struct ss_roster *roster, enum ss_object_change change, const struct ss_pod *pod,
		   bool captured)
{
	g_autofree char *key = g_strdup_printf("pod %s", pod->uid);

	if (change == SS_OBJECT_GONE)
		forget(roster, key);
	else
		set(roster, key, ss_description_of_pod(pod, roster->host), captured);
}

void ss_roster_service(struct ss_roster *roster, enum ss_object_change change,
		       const struct ss_service *service)
{
	g_autofree char *key = g_strdup_printf("service %s/%s", service->namespace, service->name);

	if (change == SS_OBJECT_GONE)
		forget(roster, key);
	else
		set(roster, key, ss_description_of_service(service), false);
}

void ss_roster_node(struct ss_roster *roster, enum ss_object_change change,
		    const struct ss_cluster_node *node)
{
	g_autofree char *key = g_strdup_printf("node %s", node->name);

	if (change == SS_OBJECT_GONE)
		forget(roster, key);
	else /* this node's own is wanted in any case */
		set(roster, key, ss_description_of_node(node),
		    strcmp(node->name, roster->host) == 0);
}

void ss_roster_interface(struct ss_roster *roster, uint32_t id, uint16_t link_type)
{
	if (roster->link_types->len <= id)
		g_array_set_size(roster->link_types, id + 1);
	g_array_index(roster->link_types, uint16_t, id) = link_type;
}

/* Whoever speaks to a node may mean a service's port there. */
static void need_node_ports(struct ss_roster *roster, uint64_t time_ns)
{
	GHashTableIter iter;
	void *object;
	guint count = 0;

	g_hash_table_iter_init(&iter, roster->with_node_ports);
	while (g_hash_table_iter_next(&iter, &object, NULL) && count++ < NODE_PORTS_MAX)
		need(roster, object, time_ns);
}

static void see_address(struct ss_roster *roster, const struct ip *ip, uint64_t time_ns)
{
	const GPtrArray *there;

	if (g_hash_table_contains(roster->seen, ip))
		return;
	if (g_hash_table_size(roster->seen) >= SEEN_MAX)
		g_hash_table_remove_all(roster->seen);
	g_hash_table_add(roster->seen, g_memdup2(ip, sizeof(*ip)));
	there = g_hash_table_lookup(roster->addresses, ip);
	for (guint i = 0; there && i < there->len; i++) {
		struct object *object = there->pdata[i];

		need(roster, object, time_ns);
		if (strcmp(object->description->event.event, "node") == 0)
			need_node_ports(roster, time_ns);
	}
}

static uint16_t big_endian(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* The addresses of an IP packet, or of one in an Ethernet frame; false: it has none. */
static bool addresses_of(const uint8_t *data, uint32_t length, uint16_t link_type, struct ip *src,
			 struct ip *dst)
{
	uint32_t at = 0;

	if (link_type == SS_LINKTYPE_ETHERNET) {
		at = ETHERNET_HEADER;
		if (length < at)
			return false;
		if (big_endian(data + at - 2) == 0x8100)
			at += VLAN_TAG;
		if (length < at ||
		    (big_endian(data + at - 2) != 0x0800 && big_endian(data + at - 2) != 0x86dd))
			return false;
	} else if (link_type != SS_LINKTYPE_RAW) {
		return false;
	}
	if (length - at >= 20 && data[at] >> 4 == 4) {
		ip_from_v4(data + at + 12, src);
		ip_from_v4(data + at + 16, dst);
		return true;
	}
	if (length - at < 40 || data[at] >> 4 != 6)
		return false;
	memcpy(src, data + at + 8, sizeof(*src));
	memcpy(dst, data + at + 24, sizeof(*dst));
	return true;
}

static uint32_t word(const uint8_t *block, size_t at)
{
	uint32_t value;

	memcpy(&value, block + at, sizeof(value));
	return GUINT32_FROM_LE(value);
}

static void see_block(struct ss_roster *roster, const uint8_t *block, uint32_t size)
{
	uint32_t id = word(block, 8), captured = word(block, 20);
	struct ip src, dst;
	uint64_t time_ns;
	uint32_t slot;

	if (id >= roster->link_types->len || captured > size - SS_EPB_HEADER_SIZE ||
	    !addresses_of(block + SS_EPB_HEADER_SIZE, captured,
			  g_array_index(roster->link_types, uint16_t, id), &src, &dst))
		return;
	slot = (ip_hash(&src) + 31 * ip_hash(&dst)) & (PAIRS - 1);
	if (ip_equal(&roster->pairs[slot].src, &src) && ip_equal(&roster->pairs[slot].dst, &dst))
		return;
	roster->pairs[slot].src = src;
	roster->pairs[slot].dst = dst;
	time_ns = (uint64_t)word(block, 12) << 32 | word(block, 16);
	see_address(roster, &src, time_ns);
	see_address(roster, &dst, time_ns);
}

void ss_roster_see(struct ss_roster *roster, const void *blocks, size_t length)
{
	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);) {
		const uint8_t *block = (const uint8_t *)blocks + walk.at;

		if (walk.size >= SS_EPB_HEADER_SIZE && ss_block_type(block) == SS_PCAPNG_EPB)
			see_block(roster, block, (uint32_t)walk.size);
	}
}

static uint64_t record_size(const struct object *object)
{
	return 256 + strlen(object->description->details) + strlen(object->description->message);
}

void ss_roster_new_file(struct ss_roster *roster, const struct ss_roster_writer *writer,
			uint64_t max_bytes)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_remove_all(roster->seen);
	memset(roster->pairs, 0, sizeof(roster->pairs));
	for (int captured = 1; captured >= 0; captured--) {
		g_hash_table_iter_init(&iter, roster->objects);
		while (g_hash_table_iter_next(&iter, NULL, &value)) {
			struct object *object = value;
			uint64_t size = record_size(object);
			bool wanted = object->captured || object->needed;

			if (object->captured != captured)
				continue;
			object->described = object->needed = false;
			if (!wanted || size > max_bytes)
				continue;
			max_bytes -= size;
			write_object(writer, object, 0);
		}
	}
}

uint64_t ss_roster_left_out(const struct ss_roster *roster)
{
	return roster->left_out;
}
