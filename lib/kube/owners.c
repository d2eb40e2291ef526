/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every question is a list by metadata: of one name, or, when many of a namespace wait, of them
 * all. Few run at once. The answers of some milliseconds are told together, because telling looks
 * at every pod.
 */
#include "kube/owners.h"

#include <string.h>

#include "kube/split.h"

#define AT_ONCE      4
#define MANY         16 /* waiting of one kind in one namespace: list them all */
#define TRIES        5
#define PAGE         500
#define OBJECT_MAX   (1u << 20)
#define RETRY_NS     3000000000ull
#define GATHER_NS    20000000ull
#define TOTAL_FACTOR 4
#define ACCEPT       "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

/* What has owners of its own, and where its kind is listed. */
static const struct between {
	const char *group, *kind, *path, *resource;
} betweens[] = {
	{"apps", "ReplicaSet", "/apis/apps/v1", "replicasets"},
	{"batch", "Job", "/apis/batch/v1", "jobs"},
};

enum owner_state { PENDING, ASKING, FINAL };

struct ss_kube_owner {
	struct ss_kube_owners *owners;
	unsigned references;
	char *key;                     /* make_key() */
	char *namespace, *name;        /* as the pod says */
	const struct between *between; /* NULL: it is the top */
	char *top_kind, *top_name;
	enum owner_state state;
	unsigned tries, epoch;
	const void *question; /* ASKING: which */
};

/* A list that runs. */
struct question {
	struct ss_kube_owners *owners;
	struct ss_kube_client_request *request;
	struct ss_kube_split *split;
	const struct between *between;
	char *namespace;
	char *name; /* NULL: all */
};

struct ss_kube_owners {
	struct ss_kube_client *client;
	struct ss_kube_owners_callbacks callbacks;
	unsigned silence_s;
	GHashTable *by_key; /* borrowed: references count */
	GQueue pending;
	GPtrArray *questions;
	struct ss_timer *next, *gather;
	unsigned epoch;
	bool telling;
	GHashTable *worked; /* char *, "namespace/resource": was answered at least once */
};

const char *ss_kube_owner_kind(const struct ss_kube_owner *owner)
{
	return owner ? owner->top_kind : NULL;
}

const char *ss_kube_owner_name(const struct ss_kube_owner *owner)
{
	return owner ? owner->top_name : NULL;
}

bool ss_kube_owner_is_final(const struct ss_kube_owner *owner)
{
	return !owner || owner->state == FINAL;
}

bool ss_kube_owner_is_fresh(const struct ss_kube_owner *owner)
{
	return owner && owner->owners->telling && owner->epoch == owner->owners->epoch &&
	       owner->state == FINAL;
}

/* Not the uid alone: a pod may say anything, and must not speak for others. */
static char *make_key(const char *namespace, const char *kind, const char *name, const char *uid)
{
	return g_strjoin("/", namespace, kind, name, uid, NULL);
}

static const struct between *find_between(const struct ss_kube_object_owner *owner)
{
	for (size_t i = 0; i < G_N_ELEMENTS(betweens); i++)
		if (!strcmp(betweens[i].kind, owner->kind) &&
		    !strcmp(betweens[i].group, owner->group))
			return &betweens[i];
	return NULL;
}

void ss_kube_owner_put(struct ss_kube_owner *owner)
{
	if (!owner || --owner->references > 0)
		return;
	if (owner->state == PENDING)
		g_queue_remove(&owner->owners->pending, owner);
	g_hash_table_remove(owner->owners->by_key, owner->key);
	g_free(owner->key);
	g_free(owner->namespace);
	g_free(owner->name);
	g_free(owner->top_kind);
	g_free(owner->top_name);
	g_free(owner);
}

struct ss_kube_owner *ss_kube_owners_get(struct ss_kube_owners *owners, const char *namespace,
					 const struct ss_kube_object_owner *from, bool urgent)
{
	g_autofree char *key = make_key(namespace, from->kind, from->name, from->uid);
	struct ss_kube_owner *owner;

	if (!from->uid[0])
		return NULL;
	owner = g_hash_table_lookup(owners->by_key, key);
	if (!owner) {
		owner = g_new0(struct ss_kube_owner, 1);
		owner->owners = owners;
		owner->key = g_steal_pointer(&key);
		owner->namespace = g_strdup(namespace);
		owner->name = g_strdup(from->name);
		owner->top_kind = g_strdup(from->kind);
		owner->top_name = g_strdup(from->name);
		owner->between = find_between(from);
		owner->state = owner->between ? PENDING : FINAL;
		g_hash_table_insert(owners->by_key, owner->key, owner);
		if (owner->between)
			g_queue_push_tail(&owners->pending, owner);
	}
	owner->references++;
	if (owner->state == PENDING && urgent) {
		g_queue_remove(&owners->pending, owner);
		g_queue_push_head(&owners->pending, owner);
	}
	if (owner->state == PENDING)
		ss_timer_once(owners->next, GATHER_NS);
	return owner;
}

static void set_final(struct ss_kube_owner *owner)
{
	struct ss_kube_owners *owners = owner->owners;

	owner->state = FINAL;
	owner->question = NULL;
	owner->epoch = owners->epoch + 1;
	ss_timer_once(owners->gather, GATHER_NS);
}

static void on_gathered(uint32_t events, void *user_data)
{
	struct ss_kube_owners *owners = user_data;

	(void)events;
	owners->epoch++;
	owners->telling = true;
	owners->callbacks.resolved(owners->callbacks.user_data);
	owners->telling = false;
}

static void question_free(struct question *question)
{
	g_ptr_array_remove_fast(question->owners->questions, question);
	ss_kube_client_cancel(question->request);
	ss_kube_split_free(question->split);
	g_free(question->namespace);
	g_free(question->name);
	g_free(question);
}

static void on_object(const char *text, size_t length, void *user_data)
{
	struct question *question = user_data;
	json_t *root = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
	const char *name = ss_kube_object_meta(root, "name"),
		   *uid = ss_kube_object_meta(root, "uid");
	g_autofree char *key = make_key(question->namespace, question->between->kind,
					name ? name : "", uid ? uid : "");
	struct ss_kube_owner *owner = g_hash_table_lookup(question->owners->by_key, key);
	struct ss_kube_object_owner top;

	if (owner && owner->state == ASKING && owner->question == question) {
		ss_kube_object_owner(root, &top);
		if (top.uid[0]) {
			g_free(owner->top_kind);
			g_free(owner->top_name);
			owner->top_kind = g_strdup(top.kind);
			owner->top_name = g_strdup(top.name);
		}
		set_final(owner);
	}
	json_decref(root);
}

static void on_skipped(size_t length, void *user_data)
{
	(void)length;
	(void)user_data; /* its owner stays what the pod says */
}

static bool on_data(const char *data, size_t length, void *user_data)
{
	struct question *question = user_data;

	return ss_kube_split_feed(question->split, data, length) == 0;
}

/* What this question was to answer and did not: again later, or never (true: of some). */
static bool settle(struct question *question, bool again)
{
	struct ss_kube_owners *owners = question->owners;
	bool gave_up = false;
	GHashTableIter i;
	gpointer value;

	g_hash_table_iter_init(&i, owners->by_key);
	while (g_hash_table_iter_next(&i, NULL, &value)) {
		struct ss_kube_owner *owner = value;

		if (owner->state != ASKING || owner->question != question)
			continue;
		if (again && ++owner->tries < TRIES) {
			owner->state = PENDING;
			owner->question = NULL;
			g_queue_push_tail(&owners->pending, owner);
		} else {
			set_final(owner);
			gave_up = true;
		}
	}
	return gave_up;
}

static void ask(struct question *question, const char *continuation);

static char *place_of(const struct question *question)
{
	return g_strjoin("/", question->namespace, question->between->resource, NULL);
}

static void on_done(const struct ss_kube_client_answer *answer, void *user_data)
{
	struct question *question = user_data;
	struct ss_kube_owners *owners = question->owners;
	g_autofree char *place = place_of(question);
	bool good = answer->status == 200 && !answer->sentence &&
		    ss_kube_split_end(question->split) == 0;
	/* a server that has just started does not know everybody's rights yet */
	bool refused = (answer->status == 403 || answer->status == 404) &&
		       !g_hash_table_contains(owners->worked, place);

	question->request = NULL;
	if (good) {
		const GString *envelope = ss_kube_split_envelope(question->split);
		json_t *root = json_loadb(envelope->str, envelope->len, JSON_ALLOW_NUL, NULL);
		const char *more = ss_kube_object_meta(root, "continue");

		g_hash_table_add(owners->worked, g_steal_pointer(&place));
		if (more)
			ask(question, more);
		json_decref(root);
		if (question->request)
			return;
	}
	if (settle(question, !good && !refused) && !good)
		owners->callbacks.failed(answer->status, answer->sentence,
					 owners->callbacks.user_data);
	question_free(question);
	ss_timer_once(owners->next, good || refused ? 1 : RETRY_NS);
}

static void ask(struct question *question, const char *continuation)
{
	const struct ss_kube_split_callbacks callbacks = {on_object, on_skipped, question};
	g_autoptr(GString) path = g_string_new(question->between->path);
	struct ss_kube_client_get get = {
		.accept = ACCEPT,
		.silence_s = question->owners->silence_s,
		.total_s = question->owners->silence_s * TOTAL_FACTOR,
		.data = on_data,
		.done = on_done,
		.user_data = question,
	};

	g_string_append_printf(path, "/namespaces/%s/%s?limit=%d", question->namespace,
			       question->between->resource, PAGE);
	if (question->name)
		g_string_append_printf(path, "&fieldSelector=metadata.name%%3D%s", question->name);
	if (continuation) {
		g_string_append(path, "&continue=");
		g_string_append_uri_escaped(path, continuation, NULL, FALSE);
	}
	get.path = path->str;
	ss_kube_split_free(question->split);
	question->split = ss_kube_split_new(SS_SPLIT_LIST, OBJECT_MAX, &callbacks);
	question->request = ss_kube_client_get(question->owners->client, &get);
}

static bool is_like(const struct ss_kube_owner *a, const struct ss_kube_owner *b)
{
	return a->between == b->between && !strcmp(a->namespace, b->namespace);
}

static unsigned count_like(const struct ss_kube_owners *owners, const struct ss_kube_owner *first)
{
	unsigned count = 0;

	for (const GList *link = owners->pending.head; link && count <= MANY; link = link->next)
		count += is_like(link->data, first);
	return count;
}

static void take(struct question *question, struct ss_kube_owner *owner)
{
	g_queue_remove(&owner->owners->pending, owner);
	owner->state = ASKING;
	owner->question = question;
}

static void ask_first(struct ss_kube_owners *owners)
{
	struct ss_kube_owner *first = g_queue_peek_head(&owners->pending);
	struct question *question = g_new0(struct question, 1);
	GList *next;

	question->owners = owners;
	question->between = first->between;
	question->namespace = g_strdup(first->namespace);
	g_ptr_array_add(owners->questions, question);
	if (count_like(owners, first) <= MANY) {
		question->name = g_strdup(first->name);
		take(question, first);
	} else {
		for (GList *link = owners->pending.head; link; link = next) {
			struct ss_kube_owner *owner = link->data;

			next = link->next;
			if (owner != first && is_like(owner, first))
				take(question, owner);
		}
		take(question, first);
	}
	ask(question, NULL);
}

static void on_next(uint32_t events, void *user_data)
{
	struct ss_kube_owners *owners = user_data;

	(void)events;
	while (owners->questions->len < AT_ONCE && !g_queue_is_empty(&owners->pending))
		ask_first(owners);
}

struct ss_kube_owners *ss_kube_owners_new(struct ss_loop *loop, struct ss_kube_client *client,
					  unsigned silence_s,
					  const struct ss_kube_owners_callbacks *callbacks)
{
	struct ss_kube_owners *owners = g_new0(struct ss_kube_owners, 1);

	owners->client = client;
	owners->silence_s = silence_s;
	owners->callbacks = *callbacks;
	owners->by_key = g_hash_table_new(g_str_hash, g_str_equal);
	owners->questions = g_ptr_array_new();
	owners->worked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_queue_init(&owners->pending);
	owners->next = ss_timer_new(loop, on_next, owners);
	owners->gather = ss_timer_new(loop, on_gathered, owners);
	return owners;
}

void ss_kube_owners_free(struct ss_kube_owners *owners)
{
	if (!owners)
		return;
	while (owners->questions->len > 0)
		question_free(owners->questions->pdata[0]);
	g_ptr_array_unref(owners->questions);
	g_hash_table_unref(owners->by_key);
	g_hash_table_unref(owners->worked);
	ss_timer_free(owners->next);
	ss_timer_free(owners->gather);
	g_free(owners);
}
