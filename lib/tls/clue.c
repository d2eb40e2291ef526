/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records become clues by one table of what each kind of derivation can tell. Nothing but values
 * binds: a transcript hash, a secret, a random.
 *
 * HKDF-Extract tells nothing that can't be computed from the handshake secret, which is the key of
 * both secrets of the first stage: these records are not used. GnuTLS shows no keys, only what is
 * equal for equal ones. There the salt of the second stage ("derived", from the handshake secret)
 * gives the master secret, and its first use follows at once on the same thread; that the secret
 * it gives is the one that was seen proves the guess.
 */
#include "tls/clue.h"

#include <string.h>

#include <glib.h>

#define THREADS_MAX 1024u /* remembered; all are forgotten beyond */
#define STAGES_MAX  4096u /* likewise */

struct kept {
	GList link;       /* in clues->order; data is this */
	GList same;       /* in the queue of its id */
	uint64_t time_ns; /* UINT64_MAX: since the last ss_tls_clues_expire */
	struct ss_tls_clue clue;
};

/* What a thread derived last, if that was a salt between two stages. */
struct salt {
	struct ss_tls_id from; /* stands for the handshake secret */
	struct ss_tls_secret salt;
};

struct ss_tls_clues {
	GQueue order;        /* struct kept, oldest first */
	GHashTable *by_id;   /* struct ss_tls_id in a clue -> GQueue of kept of this id */
	GHashTable *threads; /* pid << 32 | tid -> struct salt */
	GHashTable *stages;  /* struct ss_tls_id of a master secret -> of its handshake secret */
};

void ss_tls_id_set(struct ss_tls_id *id, enum ss_tls_id_kind kind, const void *bytes, size_t length)
{
	memset(id, 0, sizeof(*id));
	id->kind = (uint8_t)kind;
	id->length = (uint8_t)MIN(length, sizeof(id->bytes));
	memcpy(id->bytes, bytes, id->length);
}

/* Pods choose their randoms, maybe such as to collide: all bytes count, and a seed. */
unsigned ss_tls_id_hash(const void *data)
{
	static uint64_t seed;
	const struct ss_tls_id *id = data;
	uint64_t words[SS_TLS_SECRET_MAX / 8] = {0}, hash;

	while (!seed)
		seed = (uint64_t)g_random_int() << 32 | g_random_int();
	memcpy(words, id->bytes, id->length);
	hash = seed ^ id->kind;
	for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 32;
	}
	return (unsigned)hash;
}

int ss_tls_id_equal(const void *a, const void *b)
{
	const struct ss_tls_id *one = a, *other = b;

	return one->kind == other->kind && one->length == other->length &&
	       memcmp(one->bytes, other->bytes, one->length) == 0;
}

static bool is_hash_length(uint8_t length)
{
	return length == 32 || length == 48;
}

/* A step of the key schedule of TLS 1.3. */
static bool read_expand(const struct ss_tls_kdf *kdf, struct ss_tls_clue *clue)
{
	static const char derived[] = "derived";
	size_t label_length = MIN(kdf->label_length, sizeof(kdf->label));
	bool salt = kdf->key_is_identity && label_length == strlen(derived) &&
		    memcmp(kdf->label, derived, label_length) == 0;

	clue->label = ss_tls_label_parse_schedule(kdf->label, label_length);
	if ((clue->label == SS_TLS_LABELS && !salt) || !is_hash_length(kdf->context_length) ||
	    kdf->out_length < kdf->context_length)
		return false;
	ss_tls_secret_set(&clue->secret, kdf->out, kdf->context_length);
	if (kdf->key_length == kdf->context_length && !kdf->key_is_identity)
		ss_tls_secret_set(&clue->key, kdf->key, kdf->key_length);
	if (kdf->key_is_identity)
		ss_tls_id_set(&clue->identity, SS_TLS_ID_IDENTITY, kdf->key, kdf->key_length);
	clue->context_length = kdf->context_length;
	memcpy(clue->context, kdf->context, kdf->context_length);
	switch (clue->label) {
	case SS_TLS_CLIENT_EARLY:
	case SS_TLS_EARLY_EXPORTER:
		ss_tls_id_set(&clue->id, SS_TLS_ID_HELLO, clue->context, clue->context_length);
		break;
	case SS_TLS_CLIENT_HANDSHAKE:
	case SS_TLS_SERVER_HANDSHAKE:
		ss_tls_id_set(&clue->id, SS_TLS_ID_TRANSCRIPT, clue->context, clue->context_length);
		break;
	default:
		if (clue->key.length)
			ss_tls_id_set(&clue->id, SS_TLS_ID_MASTER, clue->key.bytes,
				      clue->key.length);
	}
	return true;
}

/* Seeds of TLS 1.2 that have the randoms in them. */
static const struct {
	const char *label;
	bool server_first; /* the order of the randoms */
	bool key;          /* the master secret is the key, not the result */
} seeds[] = {
	{"key expansion", true, true},
	{"master secret", false, false},
};

static bool read_prf(const struct ss_tls_kdf *kdf, struct ss_tls_clue *clue)
{
	/* Some libraries have the label apart. */
	uint8_t seed[sizeof(kdf->label) + sizeof(kdf->context)];
	size_t label_length = MIN(kdf->label_length, sizeof(kdf->label));
	size_t seed_length = label_length + kdf->context_length;

	memcpy(seed, kdf->label, label_length);
	memcpy(seed + label_length, kdf->context, kdf->context_length);
	for (size_t i = 0; i < G_N_ELEMENTS(seeds); i++) {
		size_t length = strlen(seeds[i].label);
		const uint8_t *first = seed + length, *second = first + SS_TLS_RANDOM_SIZE;

		if (seed_length != length + 2 * SS_TLS_RANDOM_SIZE ||
		    memcmp(seed, seeds[i].label, length) != 0)
			continue;
		if ((seeds[i].key ? kdf->key_length : MIN(kdf->out_length, 48)) != 48)
			return false;
		clue->label = SS_TLS_CLIENT_RANDOM;
		ss_tls_secret_set(&clue->secret, seeds[i].key ? kdf->key : kdf->out, 48);
		ss_tls_id_set(&clue->id, SS_TLS_ID_RANDOM, seeds[i].server_first ? second : first,
			      SS_TLS_RANDOM_SIZE);
		memcpy(clue->server_random, seeds[i].server_first ? first : second,
		       SS_TLS_RANDOM_SIZE);
		clue->has_server_random = true;
		return true;
	}
	return false;
}

static bool read_labelled(const struct ss_tls_labelled *labelled, struct ss_tls_clue *clue)
{
	clue->label = ss_tls_label_parse(labelled->label,
					 MIN(labelled->label_length, sizeof(labelled->label)));
	if (clue->label == SS_TLS_LABELS || labelled->random_length != SS_TLS_RANDOM_SIZE ||
	    (clue->label == SS_TLS_CLIENT_RANDOM ? labelled->secret_length != 48
						 : !is_hash_length(labelled->secret_length)))
		return false;
	ss_tls_secret_set(&clue->secret, labelled->secret, labelled->secret_length);
	ss_tls_id_set(&clue->id, SS_TLS_ID_RANDOM, labelled->random, SS_TLS_RANDOM_SIZE);
	return true;
}

static bool read_kdf(const struct ss_tls_kdf *kdf, struct ss_tls_clue *clue)
{
	if (kdf->key_length > SS_TLS_SECRET_MAX || kdf->out_length > SS_TLS_SECRET_MAX ||
	    kdf->context_length > sizeof(kdf->context))
		return false;
	switch (kdf->kind) {
	case SS_TLS_KDF_EXPAND:
		return read_expand(kdf, clue);
	case SS_TLS_KDF_PRF:
		return read_prf(kdf, clue);
	default:
		return false;
	}
}

bool ss_tls_clue_read(const struct ss_tls_record *record, struct ss_tls_clue *ret_clue)
{
	struct ss_tls_clue clue = {
		.pid = record->pid, .tid = record->tid, .library = record->library};
	bool is;

	if (record->type == SS_TLS_RECORD_KDF && record->size >= sizeof(struct ss_tls_kdf))
		is = read_kdf((const struct ss_tls_kdf *)record, &clue);
	else if (record->type == SS_TLS_RECORD_LABELLED &&
		 record->size >= sizeof(struct ss_tls_labelled))
		is = read_labelled((const struct ss_tls_labelled *)record, &clue);
	else
		return false;
	if (is)
		*ret_clue = clue;
	explicit_bzero(&clue, sizeof(clue));
	return is;
}

static void free_salt(void *salt)
{
	explicit_bzero(salt, sizeof(struct salt));
	g_free(salt);
}

static void free_id(void *id)
{
	explicit_bzero(id, sizeof(struct ss_tls_id));
	g_free(id);
}

struct ss_tls_clues *ss_tls_clues_new(void)
{
	struct ss_tls_clues *clues = g_new0(struct ss_tls_clues, 1);

	g_queue_init(&clues->order);
	clues->by_id = g_hash_table_new(ss_tls_id_hash, ss_tls_id_equal);
	clues->threads = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_salt);
	clues->stages = g_hash_table_new_full(ss_tls_id_hash, ss_tls_id_equal, free_id, free_id);
	return clues;
}

/* The queue of an id lives in by_id under the id of its first clue. */
static void forget(struct ss_tls_clues *clues, struct kept *kept)
{
	GQueue *queue = g_hash_table_lookup(clues->by_id, &kept->clue.id);

	g_queue_unlink(&clues->order, &kept->link);
	g_hash_table_remove(clues->by_id, &kept->clue.id);
	g_queue_unlink(queue, &kept->same);
	if (g_queue_is_empty(queue)) {
		g_queue_free(queue);
	} else {
		struct kept *first = g_queue_peek_head(queue);

		g_hash_table_insert(clues->by_id, &first->clue.id, queue);
	}
	explicit_bzero(kept, sizeof(*kept));
	g_free(kept);
}

void ss_tls_clues_free(struct ss_tls_clues *clues)
{
	if (!clues)
		return;
	while (!g_queue_is_empty(&clues->order))
		forget(clues, g_queue_peek_head(&clues->order));
	g_hash_table_unref(clues->by_id);
	g_hash_table_unref(clues->threads);
	g_hash_table_unref(clues->stages);
	g_free(clues);
}

static gint64 thread_of(const struct ss_tls_clue *clue)
{
	return (gint64)((uint64_t)clue->pid << 32 | clue->tid);
}

static void remember_salt(struct ss_tls_clues *clues, const struct ss_tls_clue *clue)
{
	gint64 thread = thread_of(clue);
	struct salt *salt = g_new0(struct salt, 1);

	if (g_hash_table_size(clues->threads) >= THREADS_MAX)
		g_hash_table_remove_all(clues->threads);
	salt->from = clue->identity;
	salt->salt = clue->secret;
	g_hash_table_insert(clues->threads, g_memdup2(&thread, sizeof(thread)), salt);
}

/* A secret of the second stage, the first that is seen of its key: what the salt makes its key, if
 * that is so. */
static void prove_stage(struct ss_tls_clues *clues, const struct salt *salt,
			struct ss_tls_clue *clue)
{
	enum ss_tls_hash hash = clue->context_length == ss_tls_hash_length(SS_TLS_SHA256)
					? SS_TLS_SHA256
					: SS_TLS_SHA384;
	const struct ss_tls_secret zeros = {.length = ss_tls_hash_length(hash)};
	struct ss_tls_secret master, secret;

	ss_tls_hkdf_extract(hash, &salt->salt, &zeros, &master);
	ss_tls_hkdf_expand(hash, &master, ss_tls_label_schedule(clue->label), clue->context,
			   clue->context_length, &secret);
	if (ss_tls_secret_equal(&secret, &clue->secret)) {
		clue->key = master;
		clue->id = salt->from;
		if (g_hash_table_size(clues->stages) >= STAGES_MAX)
			g_hash_table_remove_all(clues->stages);
		g_hash_table_insert(clues->stages,
				    g_memdup2(&clue->identity, sizeof(clue->identity)),
				    g_memdup2(&salt->from, sizeof(salt->from)));
	}
	ss_tls_secret_wipe(&master);
	ss_tls_secret_wipe(&secret);
}

void ss_tls_clues_follow(struct ss_tls_clues *clues, struct ss_tls_clue *clue)
{
	const struct ss_tls_id *from;
	const struct salt *salt;
	gint64 thread = thread_of(clue);

	if (!clue->identity.length)
		return;
	if (clue->label == SS_TLS_LABELS) {
		remember_salt(clues, clue);
		return;
	}
	if (!clue->id.length) {
		from = g_hash_table_lookup(clues->stages, &clue->identity);
		salt = g_hash_table_lookup(clues->threads, &thread);
		if (from)
			clue->id = *from;
		else if (salt)
			prove_stage(clues, salt, clue);
	}
	g_hash_table_remove(clues->threads, &thread);
}

void ss_tls_clues_keep(struct ss_tls_clues *clues, const struct ss_tls_clue *clue)
{
	struct kept *kept;
	GQueue *queue;

	if (!clue->id.length)
		return;
	if (clues->order.length >= SS_TLS_CLUES_MAX)
		forget(clues, g_queue_peek_head(&clues->order));
	kept = g_new0(struct kept, 1);
	kept->link.data = kept->same.data = kept;
	kept->time_ns = UINT64_MAX;
	kept->clue = *clue;
	g_queue_push_tail_link(&clues->order, &kept->link);
	queue = g_hash_table_lookup(clues->by_id, &clue->id);
	if (!queue) {
		queue = g_queue_new();
		g_hash_table_insert(clues->by_id, &kept->clue.id, queue);
	}
	g_queue_push_tail_link(queue, &kept->same);
}

bool ss_tls_clues_take(struct ss_tls_clues *clues, const struct ss_tls_id *id,
		       struct ss_tls_clue *ret_clue)
{
	GQueue *queue = g_hash_table_lookup(clues->by_id, id);
	struct kept *kept;

	if (!queue)
		return false;
	kept = g_queue_peek_head(queue);
	*ret_clue = kept->clue;
	forget(clues, kept);
	return true;
}

void ss_tls_clues_expire(struct ss_tls_clues *clues, uint64_t now_ns)
{
	struct kept *kept;

	for (GList *at = clues->order.tail; at; at = at->prev) {
		kept = at->data;
		if (kept->time_ns != UINT64_MAX)
			break;
		kept->time_ns = now_ns;
	}
	while ((kept = g_queue_peek_head(&clues->order)) && now_ns > kept->time_ns &&
	       now_ns - kept->time_ns > SS_TLS_CLUES_AGE_NS)
		forget(clues, kept);
}
