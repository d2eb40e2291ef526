/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON to struct ss_description. Nothing in it is trusted: values of the wrong type are passed
 * over, and what is kept is never more than a small multiple of the record's own size.
 */
#include "description.h"

#include <netinet/in.h>
#include <string.h>

#include <epan/strutil.h>

#include "cluster.h"
#include "interface.h"
#include "json.h"

/* Much more than Kubernetes permits; bounds what one record can put into a frame's tree. */
#define LABELS_MAX     256
#define CONTAINERS_MAX 64

static const struct {
	const char *event;
	enum ss_kind kind;
} kinds[] = {
	{"pod", SS_KIND_POD},
	{"service", SS_KIND_SERVICE},
	{"node", SS_KIND_NODE},
	{"process", SS_KIND_UNKNOWN}, /* process.c */
};

struct endpoint_reader {
	struct ss_description *service;
	struct ss_ip address;
	bool has_address;
	struct ss_json_value ports;
};

static const char *decode(const char *text, struct ss_json_value value)
{
	return value.type == SS_JSON_STRING ? ss_json_decode(wmem_file_scope(), text, value.span)
					    : NULL;
}

static uint16_t decode_port(const char *text, struct ss_json_value value)
{
	uint64_t number = ss_json_number(text, value);

	return number <= UINT16_MAX ? (uint16_t)number : 0;
}

static bool decode_ip(const char *text, struct ss_json_value value, struct ss_ip *ret_ip)
{
	char address[INET6_ADDRSTRLEN];

	if (value.type != SS_JSON_STRING || value.span.length >= sizeof(address))
		return false;
	memcpy(address, text + value.span.offset, value.span.length);
	address[value.span.length] = '\0';
	return ss_ip_parse(address, ret_ip);
}

static void on_address(const char *text, struct ss_json_span key, struct ss_json_value value,
		       void *data)
{
	struct ss_description *description = (struct ss_description *)data;
	struct ss_ip ip;

	(void)key;
	if (decode_ip(text, value, &ip))
		wmem_array_append(description->addresses, &ip, 1);
}

static void on_label(const char *text, struct ss_json_span key, struct ss_json_value value,
		     void *data)
{
	struct ss_description *pod = (struct ss_description *)data;
	const char *label;

	if (value.type != SS_JSON_STRING || wmem_array_get_count(pod->labels) == LABELS_MAX)
		return;
	label = wmem_strdup_printf(wmem_file_scope(), "%s=%s",
				   ss_json_decode(wmem_file_scope(), text, key),
				   decode(text, value));
	wmem_array_append(pod->labels, &label, 1);
}

/* The container of that name; NULL when there are too many. */
static struct ss_pod_container *container(struct ss_description *pod, const char *name)
{
	struct ss_pod_container added = {"", name, NULL};
	guint count = wmem_array_get_count(pod->containers);

	for (guint i = 0; i < count; i++) {
		struct ss_pod_container *known =
			(struct ss_pod_container *)wmem_array_index(pod->containers, i);

		if (strcmp(known->name, name) == 0)
			return known;
	}
	if (count == CONTAINERS_MAX)
		return NULL;
	wmem_array_append(pod->containers, &added, 1);
	return (struct ss_pod_container *)wmem_array_index(pod->containers, count);
}

static void on_container(const char *text, struct ss_json_span key, struct ss_json_value value,
			 void *data)
{
	const char *name = decode(text, value);

	(void)key;
	if (name)
		container((struct ss_description *)data, name);
}

static void on_container_id(const char *text, struct ss_json_span key, struct ss_json_value value,
			    void *data)
{
	const char *name = decode(text, value);
	struct ss_pod_container *known =
		name ? container((struct ss_description *)data, name) : NULL;

	if (known)
		known->id = ss_json_decode(wmem_file_scope(), text, key);
}

static void on_image(const char *text, struct ss_json_span key, struct ss_json_value value,
		     void *data)
{
	const char *image = decode(text, value);
	struct ss_pod_container *known =
		image ? container((struct ss_description *)data,
				  ss_json_decode(wmem_file_scope(), text, key))
		      : NULL;

	if (known)
		known->image = image;
}

static uint8_t decode_protocol(const char *text, struct ss_json_value value)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} rows[] = {{"TCP", IPPROTO_TCP}, {"UDP", IPPROTO_UDP}, {"SCTP", IPPROTO_SCTP}};

	for (size_t i = 0; value.type == SS_JSON_STRING && i < G_N_ELEMENTS(rows); i++) {
		if (ss_json_key_is(text, value.span, rows[i].name))
			return rows[i].protocol;
	}
	return 0;
}

static void on_port_member(const char *text, struct ss_json_span key, struct ss_json_value value,
			   void *data)
{
	struct ss_service_port *port = (struct ss_service_port *)data;

	if (ss_json_key_is(text, key, "protocol"))
		port->protocol = decode_protocol(text, value);
	else if (ss_json_key_is(text, key, "port"))
		port->port = decode_port(text, value);
	else if (ss_json_key_is(text, key, "node_port"))
		port->node_port = decode_port(text, value);
}

static void on_port(const char *text, struct ss_json_span key, struct ss_json_value value,
		    void *data)
{
	struct ss_description *service = (struct ss_description *)data;
	struct ss_service_port port = {.protocol = IPPROTO_TCP};

	(void)key;
	if (value.type != SS_JSON_OBJECT)
		return;
	ss_json_walk(text, value, on_port_member, &port);
	wmem_array_append(service->ports, &port, 1);
}

static void on_endpoint_port(const char *text, struct ss_json_span key, struct ss_json_value value,
			     void *data)
{
	struct endpoint_reader *reader = (struct endpoint_reader *)data;
	struct ss_endpoint endpoint = {reader->address, decode_port(text, value)};

	(void)key;
	if (endpoint.port)
		wmem_array_append(reader->service->endpoints, &endpoint, 1);
}

static void on_endpoint_member(const char *text, struct ss_json_span key,
			       struct ss_json_value value, void *data)
{
	struct endpoint_reader *reader = (struct endpoint_reader *)data;

	if (ss_json_key_is(text, key, "address"))
		reader->has_address = decode_ip(text, value, &reader->address);
	else if (ss_json_key_is(text, key, "ports"))
		reader->ports = value;
}

static void on_endpoint(const char *text, struct ss_json_span key, struct ss_json_value value,
			void *data)
{
	struct endpoint_reader reader = {
		.service = (struct ss_description *)data,
		.ports.type = SS_JSON_WORD,
	};

	(void)key;
	if (value.type != SS_JSON_OBJECT)
		return;
	ss_json_walk(text, value, on_endpoint_member, &reader);
	if (reader.has_address)
		ss_json_walk(text, reader.ports, on_endpoint_port, &reader);
}

/* Members that are arrays or objects. */
static const struct {
	const char *key;
	ss_json_fn *fn;
} nested[] = {
	{"addresses", on_address},          {"labels", on_label}, {"containers", on_container},
	{"container_ids", on_container_id}, {"images", on_image}, {"ports", on_port},
	{"endpoints", on_endpoint},
};

static void on_member(const char *text, struct ss_json_span key, struct ss_json_value value,
		      void *data)
{
	struct ss_description *description = (struct ss_description *)data;
	const struct {
		const char *key;
		const char **to;
	} strings[] = {
		{"namespace", &description->namespace},
		{"uid", &description->uid},
		{"node", &description->node},
		{"workload", &description->workload},
		{"pod", &description->name},
		{"service", &description->name},
	};

	for (size_t i = 0; value.type == SS_JSON_STRING && i < G_N_ELEMENTS(strings); i++) {
		if (ss_json_key_is(text, key, strings[i].key) && !*strings[i].to)
			*strings[i].to = decode(text, value);
	}
	if (ss_json_key_is(text, key, "host_network"))
		description->host_network = value.type == SS_JSON_WORD && value.span.length == 4;
	for (size_t i = 0; value.type != SS_JSON_STRING && i < G_N_ELEMENTS(nested); i++) {
		if (ss_json_key_is(text, key, nested[i].key))
			ss_json_walk(text, value, nested[i].fn, description);
	}
}

/* FNV-1a */
#define FNV_OFFSET 0xcbf29ce484222325u
#define FNV_PRIME  0x100000001b3u

static void hash_bytes(uint64_t *hash, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		*hash = (*hash ^ (uint8_t)bytes[i]) * FNV_PRIME;
}

/* All but the time, in which two records always differ. */
static void on_hashed_member(const char *text, struct ss_json_span key, struct ss_json_value value,
			     void *data)
{
	uint64_t *hash = (uint64_t *)data;

	if (ss_json_key_is(text, key, "time"))
		return;
	hash_bytes(hash, text + key.offset, key.length);
	hash_bytes(hash, text + value.span.offset, value.span.length);
}

static const char *full_name(const struct ss_description *description)
{
	static const char *const infix[] = {
		[SS_KIND_POD] = "/", [SS_KIND_SERVICE] = "/svc/", [SS_KIND_NODE] = "node/"};
	const char *namespace = description->kind == SS_KIND_NODE ? "" : description->namespace;
	g_autofree char *name =
		g_strconcat(namespace, infix[description->kind], description->name, NULL);

	return (const char *)format_text(wmem_file_scope(), (void *)name, strlen(name));
}

static bool is_complete(struct ss_description *description)
{
	if (description->kind == SS_KIND_NODE)
		description->name = description->node;
	return description->name && (description->kind == SS_KIND_NODE || description->namespace);
}

static struct ss_description *new_description(enum ss_kind kind, const char *observer)
{
	struct ss_description *description = wmem_new0(wmem_file_scope(), struct ss_description);
	wmem_allocator_t *scope = wmem_file_scope();

	description->kind = kind;
	description->observer = observer;
	description->addresses = wmem_array_sized_new(scope, sizeof(struct ss_ip), 1);
	description->labels = wmem_array_sized_new(scope, sizeof(const char *), 1);
	description->containers = wmem_array_sized_new(scope, sizeof(struct ss_pod_container), 1);
	description->ports = wmem_array_sized_new(scope, sizeof(struct ss_service_port), 1);
	description->endpoints = wmem_array_sized_new(scope, sizeof(struct ss_endpoint), 1);
	return description;
}

bool ss_description_is(const char *event)
{
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (strcmp(event, kinds[i].event) == 0)
			return true;
	}
	return false;
}

void ss_description_read(const packet_info *pinfo, const char *event, const char *text,
			 size_t length)
{
	const char *observer = ss_interface_observer(ss_interface_get(pinfo));
	enum ss_kind kind = SS_KIND_UNKNOWN;
	uint64_t hash = FNV_OFFSET;
	struct ss_description *description;

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (strcmp(event, kinds[i].event) == 0)
			kind = kinds[i].kind;
	}
	if (kind == SS_KIND_UNKNOWN)
		return;
	hash_bytes(&hash, observer, strlen(observer));
	ss_json_members(text, length, on_hashed_member, &hash);
	if (ss_cluster_has(hash))
		return;
	description = new_description(kind, observer);
	description->frame = pinfo->num;
	description->hash = hash;
	ss_json_members(text, length, on_member, description);
	if (!is_complete(description))
		return;
	description->full_name = full_name(description);
	ss_description_sort(description);
	ss_cluster_add(description);
}
