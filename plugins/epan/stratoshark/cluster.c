/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An object's descriptions, in the order of their frames, are its history. Addresses point to
 * histories: an address of pods to those that had it, one after another (a time line); an address
 * of services and nodes to the few that ever had it. Lookups check that the description in force
 * still has the address, so nothing has to be removed. All steps are bounded: files may be hostile.
 */
#include "cluster.h"

#include <arpa/inet.h>
#include <string.h>

#define STEPS_MAX     64 /* along a time line */
#define HISTORIES_MAX 32 /* services and nodes at one address or node port */

struct ss_history {
	enum ss_kind kind;
	const char *observer;
	wmem_array_t *versions; /* struct ss_description *, by frame */
};

struct time_entry {
	uint32_t frame;
	struct ss_history *history;
};

struct at_address {
	struct ss_ip ip;
	wmem_array_t *pods;   /* struct time_entry, by frame */
	wmem_array_t *others; /* struct ss_history * */
};

static wmem_map_t *histories;  /* "kind|observer|uid" → struct ss_history */
static wmem_map_t *latest;     /* hash → struct ss_history */
static wmem_map_t *addresses;  /* struct ss_ip → struct at_address */
static wmem_map_t *node_ports; /* port → wmem_array_t of struct ss_history * */
static wmem_map_t *known;      /* "cluster": a service or node is described */
static uint64_t count_added;

int ss_ip_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ss_ip));
}

static guint ip_hash(const void *key)
{
	const struct ss_ip *ip = (const struct ss_ip *)key;
	uint32_t words[4];

	memcpy(words, ip->bytes, sizeof(words));
	return (words[0] * 31 + words[1]) * 31 + words[2] * 31 + words[3] * 2654435761u;
}

static gboolean ip_equal(const void *a, const void *b)
{
	return ss_ip_compare(a, b) == 0;
}

bool ss_ip_parse(const char *text, struct ss_ip *ret_ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (inet_pton(AF_INET6, text, ret_ip->bytes) == 1)
		return true;
	memcpy(ret_ip->bytes, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, ret_ip->bytes + sizeof(mapped)) == 1;
}

static const char *history_key(wmem_allocator_t *scope, enum ss_kind kind, const char *observer,
			       const char *uid)
{
	return wmem_strdup_printf(scope, "%d|%s|%s", kind, observer, uid);
}

static struct ss_description *version(const struct ss_history *history, guint position)
{
	return *(struct ss_description **)wmem_array_index(history->versions, position);
}

/* The description in force; the first one before that. */
const struct ss_description *ss_history_at(const struct ss_history *history, uint32_t frame)
{
	guint low = 0, high = wmem_array_get_count(history->versions);

	while (high - low > 1) {
		guint middle = low + (high - low) / 2;

		if (version(history, middle)->frame <= frame)
			low = middle;
		else
			high = middle;
	}
	return version(history, low);
}

bool ss_description_has(const struct ss_description *description, const struct ss_ip *ip)
{
	return bsearch(ip, wmem_array_get_raw(description->addresses),
		       wmem_array_get_count(description->addresses), sizeof(*ip), ss_ip_compare);
}

/* Of an address several things are asked in a row. */
static struct at_address *find_address(const struct ss_ip *ip)
{
	static struct at_address *last;
	static struct ss_ip last_ip;
	static uint64_t last_count;

	if (ss_cluster_is_empty()) /* a new file */
		return NULL;
	if (last_count != count_added || ss_ip_compare(&last_ip, ip) != 0) {
		last = (struct at_address *)wmem_map_lookup(addresses, ip);
		last_ip = *ip;
		last_count = count_added;
	}
	return last;
}

static struct at_address *address_entry(const struct ss_ip *ip)
{
	struct at_address *entry = (struct at_address *)wmem_map_lookup(addresses, ip);

	if (entry)
		return entry;
	entry = wmem_new0(wmem_file_scope(), struct at_address);
	entry->ip = *ip;
	wmem_map_insert(addresses, &entry->ip, entry);
	return entry;
}

static void add_to_time_line(struct at_address *entry, struct ss_history *history, uint32_t frame)
{
	struct time_entry added = {frame, history};
	guint count;

	if (!entry->pods)
		entry->pods = wmem_array_sized_new(wmem_file_scope(), sizeof(added), 1);
	count = wmem_array_get_count(entry->pods);
	if (count == 0 ||
	    ((struct time_entry *)wmem_array_index(entry->pods, count - 1))->history != history)
		wmem_array_append(entry->pods, &added, 1);
}

static void add_to_set(wmem_array_t **set, struct ss_history *history)
{
	guint count;

	if (!*set)
		*set = wmem_array_sized_new(wmem_file_scope(), sizeof(history), 1);
	count = wmem_array_get_count(*set);
	for (guint i = 0; i < count; i++) {
		if (*(struct ss_history **)wmem_array_index(*set, i) == history)
			return;
	}
	if (count < HISTORIES_MAX)
		wmem_array_append(*set, &history, 1);
}

static void index_ports(struct ss_history *history, const struct ss_description *service)
{
	for (guint i = 0; i < wmem_array_get_count(service->ports); i++) {
		const struct ss_service_port *port =
			(struct ss_service_port *)wmem_array_index(service->ports, i);
		wmem_array_t *set, *before;

		if (!port->node_port)
			continue;
		before = (wmem_array_t *)wmem_map_lookup(node_ports,
							 GUINT_TO_POINTER(port->node_port));
		set = before;
		add_to_set(&set, history);
		if (set != before)
			wmem_map_insert(node_ports, GUINT_TO_POINTER(port->node_port), set);
	}
}

static void index_addresses(struct ss_history *history, const struct ss_description *description)
{
	for (guint i = 0; i < wmem_array_get_count(description->addresses); i++) {
		struct at_address *entry =
			address_entry((struct ss_ip *)wmem_array_index(description->addresses, i));

		/* With the network of its host it has no address of its own. */
		if (description->kind != SS_KIND_POD)
			add_to_set(&entry->others, history);
		else if (!description->host_network)
			add_to_time_line(entry, history, description->frame);
	}
	if (description->kind != SS_KIND_SERVICE)
		return;
	index_ports(history, description);
	for (guint i = 0; i < wmem_array_get_count(description->endpoints); i++) {
		const struct ss_endpoint *endpoint =
			(struct ss_endpoint *)wmem_array_index(description->endpoints, i);

		add_to_set(&address_entry(&endpoint->address)->others, history);
	}
}

bool ss_cluster_has(uint64_t hash)
{
	struct ss_history *history = (struct ss_history *)wmem_map_lookup(latest, &hash);

	return history &&
	       version(history, wmem_array_get_count(history->versions) - 1)->hash == hash;
}

/* A pod has one owner, also before anybody told it: the first frames of a capture come before the
 * answers of runtime and API server. */
static void tell_owner(struct ss_history *history, const char *workload)
{
	for (guint i = wmem_array_get_count(history->versions); workload && i > 0; i--) {
		struct ss_description *earlier = version(history, i - 1);

		if (earlier->workload)
			return;
		earlier->workload = workload;
	}
}

void ss_cluster_add(struct ss_description *description)
{
	const char *key = history_key(wmem_file_scope(), description->kind, description->observer,
				      description->uid ? description->uid : description->full_name);
	struct ss_history *history = (struct ss_history *)wmem_map_lookup(histories, key);

	if (!history) {
		history = wmem_new(wmem_file_scope(), struct ss_history);
		history->kind = description->kind;
		history->observer = description->observer;
		history->versions = wmem_array_sized_new(wmem_file_scope(), sizeof(description), 1);
		wmem_map_insert(histories, key, history);
	}
	if (description->kind == SS_KIND_POD)
		tell_owner(history, description->workload);
	wmem_array_append(history->versions, &description, 1);
	wmem_map_insert(latest, &description->hash, history);
	index_addresses(history, description);
	count_added++;
	if (description->kind != SS_KIND_POD)
		wmem_map_insert(known, "cluster", GUINT_TO_POINTER(1));
}

uint64_t ss_cluster_count(void)
{
	return count_added;
}

bool ss_cluster_is_empty(void)
{
	return wmem_map_size(histories) == 0;
}

bool ss_cluster_is_known(void)
{
	return wmem_map_size(known) > 0;
}

const struct ss_history *ss_cluster_pod(const char *uid, const char *observer)
{
	const char *key = history_key(NULL, SS_KIND_POD, observer, uid);
	const struct ss_history *history =
		(const struct ss_history *)wmem_map_lookup(histories, key);

	wmem_free(NULL, (void *)(uintptr_t)key);
	return history;
}

/* How well an entry of the time line fits: 0 not at all, 2 it is from the same node. */
static int fits(const struct time_entry *entry, const struct ss_ip *ip, uint32_t frame,
		const char *observer)
{
	if (!ss_description_has(ss_history_at(entry->history, frame), ip))
		return 0;
	return strcmp(entry->history->observer, observer) == 0 ? 2 : 1;
}

/* Entries from position on, in steps of 1 or -1. */
static struct ss_history *search(wmem_array_t *line, guint position, int step,
				 const struct ss_ip *ip, uint32_t frame, const char *observer)
{
	struct ss_history *second_best = NULL;

	for (int i = 0; i < STEPS_MAX && position < wmem_array_get_count(line); i++) {
		const struct time_entry *entry =
			(struct time_entry *)wmem_array_index(line, position);
		int fit = fits(entry, ip, frame, observer);

		if (fit == 2)
			return entry->history;
		if (fit == 1 && !second_best)
			second_best = entry->history;
		position += (guint)step; /* below 0 it is large */
	}
	return second_best;
}

/* How many entries are of this frame or earlier ones. */
static guint entries_until(wmem_array_t *line, uint32_t frame)
{
	guint low = 0, high = wmem_array_get_count(line);

	while (low < high) {
		guint middle = low + (high - low) / 2;

		if (((struct time_entry *)wmem_array_index(line, middle))->frame <= frame)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct ss_description *ss_cluster_pod_at(const struct ss_ip *ip, uint32_t frame,
					       const char *observer)
{
	struct at_address *entry = find_address(ip);
	struct ss_history *found;
	guint until;

	if (!entry || !entry->pods)
		return NULL;
	until = entries_until(entry->pods, frame);
	found = search(entry->pods, until - 1, -1, ip, frame, observer);
	if (!found)
		found = search(entry->pods, until, 1, ip, frame, observer);
	return found ? ss_history_at(found, frame) : NULL;
}

const struct ss_description *ss_cluster_node_at(const struct ss_ip *ip, uint32_t frame,
						const char *observer)
{
	struct at_address *entry = find_address(ip);
	const struct ss_description *second_best = NULL;

	for (guint i = 0; entry && entry->others && i < wmem_array_get_count(entry->others); i++) {
		struct ss_history *history =
			*(struct ss_history **)wmem_array_index(entry->others, i);
		const struct ss_description *node;

		if (history->kind != SS_KIND_NODE)
			continue;
		node = ss_history_at(history, frame);
		if (!ss_description_has(node, ip))
			continue;
		if (strcmp(history->observer, observer) == 0)
			return node;
		if (!second_best)
			second_best = node;
	}
	return second_best;
}

static int endpoint_compare(const void *a, const void *b)
{
	const struct ss_endpoint *one = (const struct ss_endpoint *)a;
	const struct ss_endpoint *other = (const struct ss_endpoint *)b;
	int r = ss_ip_compare(&one->address, &other->address);

	return r ? r : one->port - other->port;
}

static bool has_endpoint(const struct ss_description *service, const struct ss_ip *ip,
			 uint16_t port)
{
	struct ss_endpoint wanted = {*ip, port};

	return bsearch(&wanted, wmem_array_get_raw(service->endpoints),
		       wmem_array_get_count(service->endpoints), sizeof(wanted), endpoint_compare);
}

static bool has_node_port(const struct ss_description *service, uint8_t protocol, uint16_t port)
{
	for (guint i = 0; i < wmem_array_get_count(service->ports); i++) {
		const struct ss_service_port *row =
			(struct ss_service_port *)wmem_array_index(service->ports, i);

		if (row->node_port == port && row->protocol == protocol)
			return true;
	}
	return false;
}

struct found_services {
	const struct ss_description **services;
	unsigned max, count;
	const char *observer;
};

/* The same service, described by two nodes, counts once: as the frame's own node says. */
static void found_service(struct found_services *found, const struct ss_description *service)
{
	for (unsigned i = 0; i < found->count; i++) {
		if (strcmp(found->services[i]->full_name, service->full_name) != 0)
			continue;
		if (strcmp(service->observer, found->observer) == 0)
			found->services[i] = service;
		return;
	}
	if (found->count < found->max)
		found->services[found->count++] = service;
}

static void find_node_ports(struct found_services *found, uint8_t protocol, uint16_t port,
			    uint32_t frame)
{
	wmem_array_t *set =
		(wmem_array_t *)wmem_map_lookup(node_ports, GUINT_TO_POINTER((guint)port));

	for (guint i = 0; set && i < wmem_array_get_count(set); i++) {
		const struct ss_description *service =
			ss_history_at(*(struct ss_history **)wmem_array_index(set, i), frame);

		if (has_node_port(service, protocol, port))
			found_service(found, service);
	}
}

unsigned ss_cluster_services_at(const struct ss_ip *ip, uint8_t protocol, uint16_t port,
				uint32_t frame, const char *observer,
				const struct ss_description **ret_services, unsigned max,
				bool *ret_own)
{
	struct at_address *entry = find_address(ip);
	struct found_services found = {ret_services, max, 0, observer};
	bool node = false;

	*ret_own = false;
	for (guint i = 0; entry && entry->others && i < wmem_array_get_count(entry->others); i++) {
		struct ss_history *history =
			*(struct ss_history **)wmem_array_index(entry->others, i);
		const struct ss_description *description = ss_history_at(history, frame);

		if (description->kind == SS_KIND_NODE) {
			node |= ss_description_has(description, ip);
		} else if (ss_description_has(description, ip)) {
			*ret_own = true;
			found_service(&found, description);
		} else if (port && has_endpoint(description, ip, port)) {
			found_service(&found, description);
		}
	}
	if (node && port)
		find_node_ports(&found, protocol, port, frame);
	return found.count;
}

static void sort(wmem_array_t *array, int (*compare)(const void *, const void *))
{
	if (wmem_array_get_count(array) > 1)
		wmem_array_sort(array, compare);
}

void ss_description_sort(struct ss_description *description)
{
	sort(description->addresses, ss_ip_compare);
	sort(description->endpoints, endpoint_compare);
}

static wmem_map_t *new_map(GHashFunc hash, GEqualFunc equal)
{
	return wmem_map_new_autoreset(wmem_epan_scope(), wmem_file_scope(), hash, equal);
}

void ss_cluster_register(void)
{
	histories = new_map(g_str_hash, g_str_equal);
	latest = new_map(g_int64_hash, g_int64_equal);
	addresses = new_map(ip_hash, ip_equal);
	node_ports = new_map(g_direct_hash, g_direct_equal);
	known = new_map(g_str_hash, g_str_equal);
}
