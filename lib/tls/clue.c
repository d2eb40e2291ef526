/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records become clues by one table of what each kind of derivation can tell. Nothing but values
 * binds: a transcript hash, a secret, a random. The exception are secrets of TLS 1.3's second stage
 * from libraries whose key is not seen (GnuTLS): those follow, on their thread, the last handshake
 * that has none of them yet.
 *
 * HKDF-Extract tells nothing that can't be computed from the handshake secret, which is the key of
 * both secrets of the first stage: these records are not used.
 */
#include "tls/clue.h"

#include <string.h>

#include <glib.h>

#define THREADS_MAX   1024u /* remembered; all are forgotten beyond */
#define HANDSHAKE_MAX 8u    /* that a thread is at */

struct kept {
	GList link;       /* in clues->order; data is this */
	GList same;       /* in the queue of its id */
	uint64_t time_ns; /* UINT64_MAX: since the last ss_tls_clues_expire */
	struct ss_tls_clue clue;
};

/* The handshakes that a thread derived keys for, and those it then went on with. */
struct thread {
	struct {
		uint8_t transcript[SS_TLS_HASH_MAX], length;
		uint8_t next[SS_TLS_HASH_MAX], next_length;
	} handshakes[HANDSHAKE_MAX]; /* newest first */
};

struct ss_tls_clues {
	GQueue order;        /* struct kept, oldest first */
	GHashTable *by_id;   /* struct ss_tls_id in a clue -> GQueue of kept of this id */
	GHashTable *threads; /* pid << 32 | tid -> struct thread */
};

void ss_tls_id_set(struct ss_tls_id *id, enum ss_tls_id_kind kind, const void *bytes, size_t length)
{
	memset(id, 0, sizeof(*id));
	id->kind = (uint8_t)kind;
	id->length = (uint8_t)MIN(length, sizeof(id->bytes));
	memcpy(id->bytes, bytes, id->length);
}

/* Ids are random values already. */
unsigned ss_tls_id_hash(const void *data)
{
	const struct ss_tls_id *id = data;
	uint32_t words[2];

	memcpy(words, id->bytes, sizeof(words));
	return words[0] ^ words[1] * 31 ^ id->kind;
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
	clue->label =
		ss_tls_label_parse_schedule(kdf->label, MIN(kdf->label_length, sizeof(kdf->label)));
	if (clue->label == SS_TLS_LABELS || !is_hash_length(kdf->context_length) ||
	    kdf->out_length < kdf->context_length)
		return false;
	ss_tls_secret_set(&clue->secret, kdf->out, kdf->context_length);
	if (kdf->key_length == kdf->context_length)
		ss_tls_secret_set(&clue->key, kdf->key, kdf->key_length);
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
		else
			ss_tls_id_set(&clue->id, SS_TLS_ID_THREAD, "", 0);
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

struct ss_tls_clues *ss_tls_clues_new(void)
{
	struct ss_tls_clues *clues = g_new0(struct ss_tls_clues, 1);

	g_queue_init(&clues->order);
	clues->by_id = g_hash_table_new(ss_tls_id_hash, ss_tls_id_equal);
	clues->threads = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
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
	g_free(clues);
}

static struct thread *find_thread(struct ss_tls_clues *clues, const struct ss_tls_clue *clue)
{
	gint64 key = (gint64)((uint64_t)clue->pid << 32 | clue->tid);
	struct thread *thread = g_hash_table_lookup(clues->threads, &key);

	if (thread)
		return thread;
	if (g_hash_table_size(clues->threads) >= THREADS_MAX)
		g_hash_table_remove_all(clues->threads);
	thread = g_new0(struct thread, 1);
	g_hash_table_insert(clues->threads, g_memdup2(&key, sizeof(key)), thread);
	return thread;
}

static void begin_handshake(struct thread *thread, const struct ss_tls_clue *clue)
{
	for (unsigned i = 0; i < HANDSHAKE_MAX; i++) {
		if (thread->handshakes[i].length == clue->context_length &&
		    memcmp(thread->handshakes[i].transcript, clue->context, clue->context_length) ==
			    0)
			return; /* the other direction's secret was first */
	}
	memmove(thread->handshakes + 1, thread->handshakes,
		sizeof(thread->handshakes) - sizeof(*thread->handshakes));
	memset(thread->handshakes, 0, sizeof(*thread->handshakes));
	thread->handshakes[0].length = clue->context_length;
	memcpy(thread->handshakes[0].transcript, clue->context, clue->context_length);
}

static void follow_handshake(struct thread *thread, struct ss_tls_clue *clue)
{
	unsigned found = HANDSHAKE_MAX;

	for (unsigned i = 0; i < HANDSHAKE_MAX && thread->handshakes[i].length; i++) {
		if (thread->handshakes[i].next_length == clue->context_length &&
		    memcmp(thread->handshakes[i].next, clue->context, clue->context_length) == 0) {
			found = i; /* a sibling went before */
			break;
		}
		if (found == HANDSHAKE_MAX && !thread->handshakes[i].next_length &&
		    thread->handshakes[i].length == clue->context_length)
			found = i;
	}
	if (found == HANDSHAKE_MAX)
		return;
	thread->handshakes[found].next_length = clue->context_length;
	memcpy(thread->handshakes[found].next, clue->context, clue->context_length);
	ss_tls_id_set(&clue->id, SS_TLS_ID_THREAD, thread->handshakes[found].transcript,
		      thread->handshakes[found].length);
}

void ss_tls_clues_follow(struct ss_tls_clues *clues, struct ss_tls_clue *clue)
{
	if (clue->id.kind == SS_TLS_ID_TRANSCRIPT && !clue->key.length)
		begin_handshake(find_thread(clues, clue), clue);
	else if (clue->id.kind == SS_TLS_ID_THREAD)
		follow_handshake(find_thread(clues, clue), clue);
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
