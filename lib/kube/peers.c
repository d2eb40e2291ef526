/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pod for the callbacks is made when it is told, and not kept. */
#include "kube/peers.h"

#include <string.h>

#define PEERS_MAX 200000

struct peer {
	char *namespace, *node; /* GRefString: many have the same */
	struct ss_kube_owner *owner;
	struct ss_kube_mark mark;
	bool host_network;
	uint8_t addresses;
	uint32_t length;
	char text[]; /* uid, name, addresses; each with its zero */
};

struct ss_kube_peers {
	const struct ss_provider_callbacks *callbacks;
	GHashTable *table; /* uid (in the peer) → struct peer * */
};

static void peer_free(gpointer data)
{
	struct peer *peer = data;

	g_ref_string_release(peer->namespace);
	if (peer->node)
		g_ref_string_release(peer->node);
	ss_kube_owner_put(peer->owner);
	g_free(peer);
}

struct ss_kube_peers *ss_kube_peers_new(const struct ss_provider_callbacks *callbacks)
{
	struct ss_kube_peers *peers = g_new0(struct ss_kube_peers, 1);

	peers->callbacks = callbacks;
	peers->table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, peer_free);
	return peers;
}

void ss_kube_peers_free(struct ss_kube_peers *peers)
{
	if (!peers)
		return;
	g_hash_table_unref(peers->table);
	g_free(peers);
}

static GString *pack(const struct ss_pod *pod)
{
	GString *text = g_string_new(pod->uid);

	g_string_append_c(text, '\0');
	g_string_append(text, pod->name);
	g_string_append_c(text, '\0');
	for (guint i = 0; i < MIN(pod->addresses->len, (guint)UINT8_MAX); i++) {
		g_string_append(text, pod->addresses->pdata[i]);
		g_string_append_c(text, '\0');
	}
	return text;
}

static bool is_same(const struct peer *peer, const struct ss_pod *pod, const GString *text,
		    const struct ss_kube_owner *owner)
{
	return peer->length == text->len && !memcmp(peer->text, text->str, text->len) &&
	       peer->owner == owner && peer->host_network == pod->host_network &&
	       !g_strcmp0(peer->node, pod->node_name) && !strcmp(peer->namespace, pod->namespace);
}

static void tell(const struct ss_kube_peers *peers, enum ss_object_change change,
		 const struct peer *peer)
{
	struct ss_pod *pod;
	const char *text = peer->text;

	if (!peers->callbacks->peer)
		return;
	pod = ss_pod_new();
	pod->uid = g_strdup(text);
	text += strlen(text) + 1;
	pod->name = g_strdup(text);
	for (unsigned i = 0; i < peer->addresses; i++) {
		text += strlen(text) + 1;
		g_ptr_array_add(pod->addresses, g_strdup(text));
	}
	pod->namespace = g_strdup(peer->namespace);
	pod->node_name = g_strdup(peer->node);
	pod->host_network = peer->host_network;
	pod->workload_kind = g_strdup(ss_kube_owner_kind(peer->owner));
	pod->workload_name = g_strdup(ss_kube_owner_name(peer->owner));
	pod->sources[SS_FACT_NAME] = SS_SOURCE_KUBE;
	pod->sources[SS_FACT_ADDRESSES] = SS_SOURCE_KUBE;
	pod->sources[SS_FACT_NODE] = SS_SOURCE_KUBE;
	pod->sources[SS_FACT_WORKLOAD] =
		ss_kube_owner_is_final(peer->owner) ? SS_SOURCE_KUBE : SS_SOURCE_NONE;
	peers->callbacks->peer(change, pod, peers->callbacks->user_data);
	ss_pod_free(pod);
}

bool ss_kube_peers_set(struct ss_kube_peers *peers, struct ss_kube_mark mark,
		       const struct ss_pod *pod, struct ss_kube_owner *owner)
{
	g_autoptr(GString) text = pack(pod);
	struct peer *peer = g_hash_table_lookup(peers->table, pod->uid);

	if (peer && is_same(peer, pod, text, owner)) {
		peer->mark = mark;
		ss_kube_owner_put(owner);
		return true;
	}
	if (!peer && g_hash_table_size(peers->table) >= PEERS_MAX) {
		ss_kube_owner_put(owner);
		return false;
	}
	peer = g_malloc0(sizeof(*peer) + text->len);
	peer->namespace = g_ref_string_new_intern(pod->namespace);
	peer->node = pod->node_name ? g_ref_string_new_intern(pod->node_name) : NULL;
	peer->owner = owner;
	peer->mark = mark;
	peer->host_network = pod->host_network;
	peer->addresses = (uint8_t)MIN(pod->addresses->len, (guint)UINT8_MAX);
	peer->length = (uint32_t)text->len;
	memcpy(peer->text, text->str, text->len);
	g_hash_table_replace(peers->table, peer->text, peer);
	tell(peers, SS_OBJECT_SET, peer);
	return true;
}

void ss_kube_peers_remove(struct ss_kube_peers *peers, const char *uid)
{
	struct peer *peer = g_hash_table_lookup(peers->table, uid);

	if (!peer)
		return;
	g_hash_table_steal(peers->table, uid);
	tell(peers, SS_OBJECT_GONE, peer);
	peer_free(peer);
}

static bool is_stale(const struct peer *peer, const void *listed)
{
	return ss_kube_mark_is_stale(peer->mark, *(const struct ss_kube_mark *)listed);
}

static bool is_of_node(const struct peer *peer, const void *node)
{
	return !g_strcmp0(peer->node, node);
}

static void remove_all(struct ss_kube_peers *peers,
		       bool (*condition)(const struct peer *peer, const void *argument),
		       const void *argument)
{
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, peers->table);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		if (!condition(value, argument))
			continue;
		g_hash_table_iter_steal(&i);
		tell(peers, SS_OBJECT_GONE, value);
		peer_free(value);
	}
}

void ss_kube_peers_sweep(struct ss_kube_peers *peers, struct ss_kube_mark listed)
{
	remove_all(peers, is_stale, &listed);
}

void ss_kube_peers_remove_node(struct ss_kube_peers *peers, const char *node)
{
	remove_all(peers, is_of_node, node);
}

void ss_kube_peers_tell_owners(struct ss_kube_peers *peers)
{
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, peers->table);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		const struct peer *peer = value;

		if (ss_kube_owner_is_fresh(peer->owner))
			tell(peers, SS_OBJECT_SET, peer);
	}
}

unsigned ss_kube_peers_count(const struct ss_kube_peers *peers)
{
	return g_hash_table_size(peers->table);
}
