/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes if_name and if_description. Owns the cache of what it decoded, in file-scope memory:
 * Wireshark empties it when a file is closed. The strings come from the file: anything goes.
 */
#include "interface.h"

#include <string.h>

#include <epan/strutil.h>

#include "text.h"

#include "format/metadata.h"

static const struct {
	const char *key;
	enum ss_field field;
} rows[] = {
	{SS_INTERFACE_KEY_POD, SS_FIELD_POD},
	{SS_INTERFACE_KEY_NAMESPACE, SS_FIELD_NAMESPACE},
	{SS_INTERFACE_KEY_DEVICE, SS_FIELD_DEVICE},
	{SS_INTERFACE_KEY_NODE, SS_FIELD_NODE},
	{SS_INTERFACE_KEY_RUNTIME, SS_FIELD_RUNTIME},
	{SS_INTERFACE_KEY_UID, SS_FIELD_UID},
	{SS_INTERFACE_KEY_HOOK, SS_FIELD_HOOK},
	{SS_INTERFACE_KEY_NETNS, SS_FIELD_NETNS},
	{SS_INTERFACE_KEY_CGROUP, SS_FIELD_CGROUP},
};

struct ss_interface_history {
	const struct ss_history *pod; /* NULL: nothing is said of it */
	uint64_t count;               /* ss_cluster_count() then */
};

/* (section << 32 | interface id) → struct ss_interface */
static wmem_map_t *cache;

static int hex_digit(char c)
{
	return g_ascii_isxdigit(c) ? g_ascii_xdigit_value(c) : -1;
}

/* %XX → byte. A '%' without two hex digits stands for itself. The result is fit to be shown. */
static const char *unescape(const char *text, size_t length)
{
	uint8_t *bytes = (uint8_t *)wmem_alloc(NULL, length + 1);
	size_t used = 0;
	const char *result;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '%' && length - i > 2 && hex_digit(text[i + 1]) >= 0 &&
		    hex_digit(text[i + 2]) >= 0) {
			bytes[used++] =
				(uint8_t)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
			i += 2;
		} else {
			bytes[used++] = (uint8_t)text[i];
		}
		/* A string ends at its first NUL: "%00" must not hide what follows. */
		if (bytes[used - 1] == '\0')
			bytes[used - 1] = '?';
	}
	result = ss_text(wmem_file_scope(), bytes, used);
	wmem_free(NULL, bytes);
	return result;
}

static void decode_containers(struct ss_interface *interface, const char *list, size_t length)
{
	const char *end = list + length;

	while (list < end && interface->containers_count < SS_INTERFACE_CONTAINERS_MAX) {
		const char *comma = (const char *)memchr(list, ',', (size_t)(end - list));
		size_t name_length = (size_t)((comma ? comma : end) - list);

		if (name_length > 0)
			interface->containers[interface->containers_count++] =
				unescape(list, name_length);
		list += name_length + 1;
	}
	if (interface->containers_count == 1)
		interface->values[SS_FIELD_CONTAINER] = interface->containers[0];
}

static void decode_pair(struct ss_interface *interface, const char *pair, size_t length)
{
	const char *equals = (const char *)memchr(pair, '=', length);
	size_t key_length, value_length;

	if (!equals)
		return;
	key_length = (size_t)(equals - pair);
	value_length = length - key_length - 1;
	if (value_length == 0)
		return;
	if (key_length == strlen(SS_INTERFACE_KEY_CONTAINER) &&
	    memcmp(pair, SS_INTERFACE_KEY_CONTAINER, key_length) == 0) {
		if (interface->containers_count == 0)
			decode_containers(interface, equals + 1, value_length);
		return;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (key_length == strlen(rows[i].key) &&
		    memcmp(pair, rows[i].key, key_length) == 0 && !interface->values[rows[i].field])
			interface->values[rows[i].field] = unescape(equals + 1, value_length);
	}
}

static void decode_description(struct ss_interface *interface, const char *description)
{
	while (*description) {
		size_t length = strcspn(description, ";");

		decode_pair(interface, description, length);
		description += length;
		description += strspn(description, "; ");
	}
}

/* "<namespace>/<pod>[/<device>]", for what the description leaves open. */
static void decode_name(struct ss_interface *interface, const char *part)
{
	static const enum ss_field parts[] = {SS_FIELD_NAMESPACE, SS_FIELD_POD, SS_FIELD_DEVICE};

	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
		size_t length = strcspn(part, "/");

		if (length > 0 && !interface->values[parts[i]])
			interface->values[parts[i]] = wmem_strndup(wmem_file_scope(), part, length);
		part += length;
		part += *part == '/';
	}
}

static void make_labels(struct ss_interface *interface)
{
	const char *namespace = interface->values[SS_FIELD_NAMESPACE];
	const char *container = interface->values[SS_FIELD_CONTAINER];
	const char *pod = interface->values[SS_FIELD_POD];
	g_autofree char *name = NULL, *label = NULL;

	if (!pod)
		return;
	name = g_strconcat(namespace ? namespace : "", namespace ? "/" : "", pod, NULL);
	label = container ? g_strdup_printf("%s (%s)", name, container) : g_strdup(name);
	interface->full_name =
		(const char *)format_text(wmem_file_scope(), (void *)name, strlen(name));
	interface->label =
		(const char *)format_text(wmem_file_scope(), (void *)label, strlen(label));
}

static struct ss_interface *decode(const packet_info *pinfo, unsigned id)
{
	struct ss_interface *interface = wmem_new0(wmem_file_scope(), struct ss_interface);
	const char *name = ss_record_interface_name(pinfo, id);
	static const char *const prefixes[] = {SS_INTERFACE_POD_PREFIX, SS_INTERFACE_PLAINTEXT ":"};
	const char *description = ss_record_interface_description(pinfo, id);

	/* Never NULL: spares every reader a case. */
	interface->name = name ? ss_text(wmem_file_scope(), name, strlen(name)) : "";
	if (description)
		decode_description(interface, description);
	for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
		if (g_str_has_prefix(interface->name, prefixes[i])) {
			interface->is_pod = true;
			decode_name(interface, interface->name + strlen(prefixes[i]));
		}
	}
	make_labels(interface);
	interface->history = wmem_new0(wmem_file_scope(), struct ss_interface_history);
	return interface;
}

const struct ss_interface *ss_interface_get(const packet_info *pinfo)
{
	struct ss_interface *interface;
	gint64 key, *new_key;
	unsigned id;

	if (!pinfo->rec || pinfo->rec->rec_type != REC_TYPE_PACKET ||
	    !(pinfo->rec->presence_flags & WTAP_HAS_INTERFACE_ID))
		return NULL;
	id = pinfo->rec->rec_header.packet_header.interface_id;
	key = (gint64)ss_record_section(pinfo) << 32 | id;
	interface = (struct ss_interface *)wmem_map_lookup(cache, &key);
	if (interface)
		return interface;

	interface = decode(pinfo, id);
	new_key = wmem_new(wmem_file_scope(), gint64);
	*new_key = key;
	wmem_map_insert(cache, new_key, interface);
	return interface;
}

const char *ss_interface_observer(const struct ss_interface *interface)
{
	return interface && interface->values[SS_FIELD_NODE] ? interface->values[SS_FIELD_NODE]
							     : "";
}

const struct ss_description *ss_interface_pod(const struct ss_interface *interface, uint32_t frame)
{
	const char *uid = interface ? interface->values[SS_FIELD_UID] : NULL;
	const char *observer = ss_interface_observer(interface);
	struct ss_interface_history *history;

	if (!uid || ss_cluster_is_empty())
		return NULL;
	history = interface->history;
	if (history->count != ss_cluster_count()) {
		history->count = ss_cluster_count();
		history->pod = ss_cluster_pod(uid, observer);
		/* Its records may be on an interface that does not name the node. */
		if (!history->pod && *observer)
			history->pod = ss_cluster_pod(uid, "");
	}
	return history->pod ? ss_history_at(history->pod, frame) : NULL;
}

void ss_interface_register(void)
{
	cache = wmem_map_new_autoreset(wmem_epan_scope(), wmem_file_scope(), g_int64_hash,
				       g_int64_equal);
}
