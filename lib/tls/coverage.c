/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections by their two ends. A connection is forgotten some time after its final word, unless
 * its keys are known: whether they are is asked as long as it lives. Its place in the counts stays.
 * Ports are used again: then the new one replaces the old.
 */
#include "coverage.h"

#include <string.h>

#include <glib.h>

#define NSEC_PER_SEC 1000000000ull
#define PATIENCE_NS  (2 * NSEC_PER_SEC)  /* until a connection that can't be read is told about */
#define KEPT_NS      (60 * NSEC_PER_SEC) /* after that */
#define ENTRIES_MAX  16384

struct ends {
	struct ss_endpoint one, other; /* the smaller first */
};

struct entry {
	struct ends ends;
	struct ss_tls_flow flow;
	bool has_flow, plaintext, told;
	enum ss_tls_coverage_state state; /* once told */
	uint64_t since_ns;
};

struct ss_tls_coverage {
	struct ss_tls_coverage_callbacks callbacks;
	GHashTable *entries; /* struct entry *, by its ends */
	uint64_t forgotten[SS_TLS_COVERAGE_STATES];
};

static const char *const state_names[SS_TLS_COVERAGE_STATES] = {
	[SS_TLS_COVERAGE_DECRYPTED] = "decrypted",
	[SS_TLS_COVERAGE_PLAINTEXT] = "shown as plaintext",
	[SS_TLS_COVERAGE_MISSED] = "handshake missed",
	[SS_TLS_COVERAGE_UNVERIFIED] = "library unverified",
	[SS_TLS_COVERAGE_UNSUPPORTED] = "unsupported",
	[SS_TLS_COVERAGE_UNKNOWN] = "without keys",
};

const char *ss_tls_coverage_state_name(enum ss_tls_coverage_state state)
{
	return state_names[state];
}

static int compare(const struct ss_endpoint *a, const struct ss_endpoint *b)
{
	int order = memcmp(a->address, b->address, sizeof(a->address));

	return order ? order : (int)a->port - (int)b->port;
}

static struct ends ends_of(const struct ss_endpoint *a, const struct ss_endpoint *b)
{
	bool swap = compare(a, b) > 0;

	return (struct ends){swap ? *b : *a, swap ? *a : *b};
}

static struct ends ends_of_socket(const struct ss_tls_socket *socket)
{
	struct ss_endpoint local = {.port = socket->local_port};
	struct ss_endpoint remote = {.port = socket->remote_port};

	memcpy(local.address, socket->local, sizeof(local.address));
	memcpy(remote.address, socket->remote, sizeof(remote.address));
	return ends_of(&local, &remote);
}

static guint hash_ends(gconstpointer pointer)
{
	const struct ends *ends = pointer;
	const struct ss_endpoint *both[] = {&ends->one, &ends->other};
	guint hash = 2166136261u;

	for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
		for (size_t j = 0; j < sizeof(both[i]->address); j++)
			hash = (hash ^ both[i]->address[j]) * 16777619u;
		hash = (hash ^ both[i]->port) * 16777619u;
	}
	return hash;
}

static gboolean equal_ends(gconstpointer a, gconstpointer b)
{
	const struct ends *one = a, *other = b;

	return compare(&one->one, &other->one) == 0 && compare(&one->other, &other->other) == 0;
}

struct ss_tls_coverage *ss_tls_coverage_new(const struct ss_tls_coverage_callbacks *callbacks)
{
	struct ss_tls_coverage *coverage = g_new0(struct ss_tls_coverage, 1);

	coverage->callbacks = *callbacks;
	coverage->entries = g_hash_table_new_full(hash_ends, equal_ends, NULL, g_free);
	return coverage;
}

void ss_tls_coverage_free(struct ss_tls_coverage *coverage)
{
	if (!coverage)
		return;
	g_hash_table_unref(coverage->entries);
	g_free(coverage);
}

static bool is_keyed(const struct entry *entry)
{
	return entry->has_flow && entry->flow.state == SS_TLS_FLOW_KEYED;
}

static bool is_readable(const struct entry *entry)
{
	return entry->plaintext || is_keyed(entry);
}

/* What it is as far as the entry alone says. */
static enum ss_tls_coverage_state state_of(const struct entry *entry)
{
	if (is_keyed(entry))
		return SS_TLS_COVERAGE_DECRYPTED;
	if (entry->plaintext)
		return SS_TLS_COVERAGE_PLAINTEXT;
	if (entry->told)
		return entry->state;
	return entry->flow.state == SS_TLS_FLOW_MISSED ? SS_TLS_COVERAGE_MISSED
						       : SS_TLS_COVERAGE_UNKNOWN;
}

static void tell(struct ss_tls_coverage *coverage, struct entry *entry)
{
	struct ss_tls_coverage_entry word = {&entry->flow, state_of(entry), NULL};
	g_autofree char *reason = NULL;

	if (entry->told || !entry->has_flow) {
		entry->told = true;
		return;
	}
	if (word.state == SS_TLS_COVERAGE_MISSED)
		word.reason = "its handshake was not captured: it is older than the capture, or "
			      "frames are missing; --ssl-plaintext shows such connections";
	if (word.state == SS_TLS_COVERAGE_UNKNOWN)
		coverage->callbacks.explain(&entry->flow, &word.state, &reason,
					    coverage->callbacks.user_data);
	if (reason)
		word.reason = reason;
	entry->state = word.state;
	entry->told = true;
	coverage->callbacks.told(&word, coverage->callbacks.user_data);
}

static struct entry *find(const struct ss_tls_coverage *coverage, const struct ends *ends)
{
	return g_hash_table_lookup(coverage->entries, ends);
}

static void forget(struct ss_tls_coverage *coverage, struct entry *entry)
{
	tell(coverage, entry);
	coverage->forgotten[state_of(entry)]++;
	g_hash_table_remove(coverage->entries, &entry->ends);
}

static struct entry *add(struct ss_tls_coverage *coverage, const struct ends *ends, uint64_t now_ns)
{
	struct entry *entry;

	if (g_hash_table_size(coverage->entries) >= ENTRIES_MAX) {
		GHashTableIter iter;
		void *any;

		g_hash_table_iter_init(&iter, coverage->entries);
		if (g_hash_table_iter_next(&iter, NULL, &any))
			forget(coverage, any);
	}
	entry = g_new0(struct entry, 1);
	entry->ends = *ends;
	entry->since_ns = now_ns;
	g_hash_table_replace(coverage->entries, &entry->ends, entry);
	return entry;
}

void ss_tls_coverage_flow(struct ss_tls_coverage *coverage, const struct ss_tls_flow *flow,
			  uint64_t now_ns)
{
	struct ends ends = ends_of(&flow->client, &flow->server);
	struct entry *entry = find(coverage, &ends);

	if (entry && entry->has_flow && entry->flow.first_ns != flow->first_ns) {
		forget(coverage, entry); /* the ports were used again */
		entry = NULL;
	}
	if (!entry)
		entry = add(coverage, &ends, now_ns);
	entry->flow = *flow;
	entry->has_flow = true;
}

void ss_tls_coverage_plaintext(struct ss_tls_coverage *coverage, const struct ss_tls_socket *socket,
			       uint64_t now_ns)
{
	struct ends ends = ends_of_socket(socket);
	struct entry *entry = find(coverage, &ends);

	if (!entry)
		entry = add(coverage, &ends, now_ns);
	entry->plaintext = true;
}

bool ss_tls_coverage_is_keyed(const struct ss_tls_coverage *coverage,
			      const struct ss_tls_socket *socket)
{
	struct ends ends = ends_of_socket(socket);
	const struct entry *entry = find(coverage, &ends);

	return entry && is_keyed(entry);
}

bool ss_tls_coverage_is_plaintext(const struct ss_tls_coverage *coverage,
				  const struct ss_endpoint *one, const struct ss_endpoint *other)
{
	struct ends ends = ends_of(one, other);
	const struct entry *entry = find(coverage, &ends);

	return entry && entry->plaintext && !is_keyed(entry);
}

void ss_tls_coverage_run(struct ss_tls_coverage *coverage, uint64_t now_ns)
{
	GHashTableIter iter;
	void *pointer;

	g_hash_table_iter_init(&iter, coverage->entries);
	while (g_hash_table_iter_next(&iter, NULL, &pointer)) {
		struct entry *entry = pointer;
		uint64_t age_ns = now_ns - MIN(entry->since_ns, now_ns);
		bool over = !entry->has_flow || entry->flow.state != SS_TLS_FLOW_HANDSHAKE;

		if (now_ns == UINT64_MAX || is_readable(entry) || (over && age_ns >= PATIENCE_NS))
			tell(coverage, entry);
		if (entry->told && !is_keyed(entry) && age_ns >= KEPT_NS && now_ns != UINT64_MAX) {
			coverage->forgotten[state_of(entry)]++;
			g_hash_table_iter_remove(&iter);
		}
	}
}

void ss_tls_coverage_count(const struct ss_tls_coverage *coverage,
			   uint64_t ret_counts[SS_TLS_COVERAGE_STATES])
{
	GHashTableIter iter;
	void *entry;

	memcpy(ret_counts, coverage->forgotten, sizeof(coverage->forgotten));
	g_hash_table_iter_init(&iter, coverage->entries);
	while (g_hash_table_iter_next(&iter, NULL, &entry))
		ret_counts[state_of(entry)]++;
}
