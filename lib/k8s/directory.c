/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The join. Who lives is the watch's word alone; providers only add facts to those. Each pod is
 * kept twice: as the node shows it and with everything added, because what a provider no longer
 * knows must not stay.
 *
 * A caller whose selection needs labels gets a pod when they came, which is some milliseconds after
 * its first process: before a container of it runs.
 */
#include "directory.h"

#include <string.h>
#include <sys/epoll.h>

#include "log.h"

#define NSEC_PER_MSEC  1000000ull
#define SETTLE_LOOK_MS 20
#define SETTLE_MS      400 /* at the start: for pods that are just being set up */

struct entry {
	struct ss_pod *node;   /* as the watch told it */
	struct ss_pod *joined; /* and what the providers add */
	bool asking;           /* one of them is still finding out */
	bool awaited;          /* said that it will be told */
	bool told;
};

struct ss_directory {
	struct ss_loop *loop;
	struct ss_directory_options options;
	struct ss_directory_callbacks callbacks;
	struct ss_node *node;
	struct ss_pod_watch *watch;
	struct ss_timer *timer;    /* next look of the watch */
	struct ss_timer *patience; /* end of _prepare() */
	GPtrArray *providers;      /* struct ss_provider * */
	GHashTable *entries;       /* uid → struct entry *, living pods */
	GPtrArray *scanned;        /* struct ss_pod *: the last list, as the node shows them */
	GHashTable *ended;         /* uid → struct entry *: those of it that are no entries */
	bool begun;                /* the loop calls the watch */
	bool started;              /* pods are told */
	bool preparing;            /* the loop runs until what is needed is there */
};

static void entry_free(gpointer data)
{
	struct entry *entry = data;

	ss_pod_free(entry->node);
	ss_pod_free(entry->joined);
	g_free(entry);
}

static void pod_destroy(gpointer pod)
{
	ss_pod_free(pod);
}

/* Is somebody still finding out? */
static bool complete(const struct ss_directory *directory, struct ss_pod *pod)
{
	bool asking = false;

	for (guint i = 0; i < directory->providers->len; i++) {
		struct ss_provider *provider = directory->providers->pdata[i];

		asking |= !provider->complete(provider, pod);
	}
	return asking;
}

static void forget(const struct ss_directory *directory, const char *uid)
{
	for (guint i = 0; i < directory->providers->len; i++) {
		struct ss_provider *provider = directory->providers->pdata[i];

		provider->forget(provider, uid);
	}
}

/* Not while the one at the top may be another: a Job's CronJob, a ReplicaSet's Deployment. */
static bool knows_workload(const struct ss_pod *pod)
{
	return pod->sources[SS_FACT_WORKLOAD] && g_strcmp0(pod->workload_kind, "Job") &&
	       g_strcmp0(pod->workload_kind, "ReplicaSet");
}

static bool is_ready(const struct ss_directory *directory, const struct entry *entry)
{
	const struct ss_directory_options *options = &directory->options;
	const struct ss_pod *pod = entry->joined;

	if (!entry->asking)
		return true;
	return !options->needs_all && (!options->needs_labels || pod->sources[SS_FACT_LABELS]) &&
	       (!options->needs_workload || knows_workload(pod));
}

static void tell(const struct ss_directory *directory, enum ss_pod_change change,
		 const struct ss_pod *pod)
{
	if (directory->callbacks.pod)
		directory->callbacks.pod(change, pod, directory->callbacks.user_data);
}

static void await(const struct ss_directory *directory, struct entry *entry)
{
	if (directory->callbacks.awaited && !entry->awaited)
		directory->callbacks.awaited(SS_OBJECT_SET, entry->joined,
					     directory->callbacks.user_data);
	entry->awaited = true;
}

/* Everything that is needed at the start is there. */
static bool is_prepared(const struct ss_directory *directory)
{
	GHashTableIter iter;
	struct entry *entry;

	if (ss_node_is_settling(directory->node))
		return false;
	g_hash_table_iter_init(&iter, directory->entries);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&entry))
		if (!is_ready(directory, entry))
			return false;
	g_hash_table_iter_init(&iter, directory->ended);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&entry))
		if (directory->options.needs_all && entry->asking)
			return false;
	return true;
}

static void look_whether_prepared(struct ss_directory *directory)
{
	if (directory->preparing && is_prepared(directory))
		ss_loop_quit(directory->loop);
}

static void join(const struct ss_directory *directory, struct entry *entry)
{
	ss_pod_free(entry->joined);
	entry->joined = ss_pod_copy(entry->node);
	entry->asking = complete(directory, entry->joined);
}

/* Joins again, and tells what is new of it. */
static void refresh(struct ss_directory *directory, struct entry *entry)
{
	struct ss_pod *before = g_steal_pointer(&entry->joined);

	join(directory, entry);
	if (!directory->started) {
		look_whether_prepared(directory);
	} else if (entry->told) {
		if (!ss_pod_equal(before, entry->joined))
			tell(directory, SS_POD_CHANGED, entry->joined);
	} else if (is_ready(directory, entry)) {
		entry->told = true;
		tell(directory, SS_POD_ADDED, entry->joined);
	} else {
		await(directory, entry);
	}
	ss_pod_free(before);
}

static void pod_removed(struct ss_directory *directory, const struct ss_pod *pod)
{
	g_autofree char *uid = NULL;
	struct entry *entry;

	if (!g_hash_table_steal_extended(directory->entries, pod->uid, (gpointer *)&uid,
					 (gpointer *)&entry))
		return;
	if (entry->told)
		tell(directory, SS_POD_REMOVED, entry->joined);
	else if (entry->awaited && directory->callbacks.awaited)
		directory->callbacks.awaited(SS_OBJECT_GONE, entry->joined,
					     directory->callbacks.user_data);
	forget(directory, uid);
	entry_free(entry);
}

static void pod_changed(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_directory *directory = user_data;
	struct entry *entry;

	if (change == SS_POD_REMOVED) {
		pod_removed(directory, pod);
		return;
	}
	entry = g_hash_table_lookup(directory->entries, pod->uid);
	if (!entry) {
		entry = g_new0(struct entry, 1);
		g_hash_table_insert(directory->entries, g_strdup(pod->uid), entry);
		g_hash_table_remove(directory->ended, pod->uid);
	}
	ss_pod_free(entry->node);
	entry->node = ss_pod_copy(pod);
	refresh(directory, entry);
}

static void provider_changed(const char *uid, void *user_data)
{
	struct ss_directory *directory = user_data;
	struct entry *entry = g_hash_table_lookup(directory->entries, uid);

	if (entry) {
		refresh(directory, entry);
		return;
	}
	entry = g_hash_table_lookup(directory->ended, uid);
	if (!entry)
		return;
	join(directory, entry);
	look_whether_prepared(directory);
}

static void peer_changed(enum ss_object_change change, const struct ss_pod *pod, void *user_data)
{
	const struct ss_directory *directory = user_data;

	if (directory->callbacks.peer)
		directory->callbacks.peer(change, pod, directory->callbacks.user_data);
}

static void service_changed(enum ss_object_change change, const struct ss_service *service,
			    void *user_data)
{
	const struct ss_directory *directory = user_data;

	if (directory->callbacks.service)
		directory->callbacks.service(change, service, directory->callbacks.user_data);
}

static void node_changed(enum ss_object_change change, const struct ss_cluster_node *node,
			 void *user_data)
{
	const struct ss_directory *directory = user_data;

	if (directory->callbacks.node)
		directory->callbacks.node(change, node, directory->callbacks.user_data);
}

struct ss_provider_callbacks ss_directory_provider_callbacks(struct ss_directory *directory)
{
	return (struct ss_provider_callbacks){
		.changed = provider_changed,
		.peer = peer_changed,
		.service = service_changed,
		.node = node_changed,
		.user_data = directory,
	};
}

void ss_directory_add(struct ss_directory *directory, struct ss_provider *provider)
{
	g_ptr_array_add(directory->providers, provider);
}

/* Ended pods that are no longer listed are nobody's. */
static void forget_ended(struct ss_directory *directory)
{
	g_autoptr(GHashTable) listed = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTableIter iter;
	char *uid;

	for (guint i = 0; i < directory->scanned->len; i++) {
		struct ss_pod *pod = directory->scanned->pdata[i];

		g_hash_table_add(listed, pod->uid);
	}
	g_hash_table_iter_init(&iter, directory->ended);
	while (g_hash_table_iter_next(&iter, (gpointer *)&uid, NULL)) {
		if (g_hash_table_contains(listed, uid))
			continue;
		forget(directory, uid);
		g_hash_table_iter_remove(&iter);
	}
}

static void join_ended(struct ss_directory *directory, const struct ss_pod *pod)
{
	struct entry *entry = g_hash_table_lookup(directory->ended, pod->uid);

	if (!entry) {
		entry = g_new0(struct entry, 1);
		g_hash_table_insert(directory->ended, g_strdup(pod->uid), entry);
	}
	ss_pod_free(entry->node);
	entry->node = ss_pod_copy(pod);
	join(directory, entry);
}

/* All pods of the node; of those that live according to the watch nothing is read again. */
static int scan(struct ss_directory *directory, struct ss_error *error)
{
	g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
	GPtrArray *pods = NULL;
	GHashTableIter iter;
	struct entry *entry;
	int r;

	g_hash_table_iter_init(&iter, directory->entries);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&entry))
		g_hash_table_insert(known, entry->node->uid, entry->node);
	r = ss_node_scan_known(directory->node, known, &pods, error);
	if (r < 0)
		return r;
	g_clear_pointer(&directory->scanned, g_ptr_array_unref);
	directory->scanned = pods;
	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];

		if (!g_hash_table_contains(directory->entries, pod->uid))
			join_ended(directory, pod);
	}
	forget_ended(directory);
	return 0;
}

static void schedule(struct ss_directory *directory)
{
	int next_ms = SETTLE_LOOK_MS;

	if (directory->watch)
		next_ms = ss_pod_watch_next_ms(directory->watch);
	else if (!ss_node_is_settling(directory->node))
		return;
	ss_timer_once(directory->timer, (uint64_t)(unsigned)MAX(next_ms, 1) * NSEC_PER_MSEC);
}

static void look(uint32_t events, void *user_data)
{
	struct ss_directory *directory = user_data;
	struct ss_error error = {0};
	int r;

	(void)events;
	if (directory->watch)
		r = ss_pod_watch_dispatch(directory->watch, &error);
	else
		r = scan(directory, &error);
	if (r < 0)
		ss_log(SS_LOG_WARNING, "%s", error.message);
	look_whether_prepared(directory);
	schedule(directory);
}

static void lose_patience(uint32_t events, void *user_data)
{
	struct ss_directory *directory = user_data;

	(void)events;
	ss_loop_quit(directory->loop);
}

struct ss_directory *ss_directory_new(struct ss_loop *loop,
				      const struct ss_directory_options *options,
				      const struct ss_directory_callbacks *callbacks)
{
	struct ss_directory *directory = g_new0(struct ss_directory, 1);

	directory->loop = loop;
	directory->options = *options;
	directory->callbacks = *callbacks;
	directory->node = ss_node_new(options->paths);
	if (options->once && options->names)
		ss_node_only_names(directory->node);
	if (options->once)
		ss_node_recall(directory->node);
	else
		directory->watch = ss_pod_watch_new(directory->node, pod_changed, directory);
	directory->timer = ss_timer_new(loop, look, directory);
	directory->patience = ss_timer_new(loop, lose_patience, directory);
	directory->providers = g_ptr_array_new();
	directory->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
	directory->ended = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
	return directory;
}

void ss_directory_free(struct ss_directory *directory)
{
	if (!directory)
		return;
	for (guint i = 0; i < directory->providers->len; i++) {
		struct ss_provider *provider = directory->providers->pdata[i];

		provider->free(provider);
	}
	if (directory->watch && ss_pod_watch_fd(directory->watch) >= 0)
		ss_loop_remove(directory->loop, ss_pod_watch_fd(directory->watch));
	ss_timer_free(directory->timer);
	ss_timer_free(directory->patience);
	ss_pod_watch_free(directory->watch);
	ss_node_free(directory->node);
	g_ptr_array_unref(directory->providers);
	g_hash_table_unref(directory->entries);
	g_hash_table_unref(directory->ended);
	g_clear_pointer(&directory->scanned, g_ptr_array_unref);
	g_free(directory);
}

/* What providers find out of all pods takes as long as the look at the node: both at once. */
static void expect_all(const struct ss_directory *directory)
{
	for (guint i = 0; i < directory->providers->len; i++) {
		struct ss_provider *provider = directory->providers->pdata[i];

		if (provider->expect)
			provider->expect(provider);
	}
}

/* The first look, whose error is the caller's; later ones may go better. */
static int begin(struct ss_directory *directory, struct ss_error *error)
{
	int fd, r;

	directory->begun = true;
	if (!directory->watch) {
		expect_all(directory);
		r = scan(directory, error);
		schedule(directory);
		return r;
	}
	fd = ss_pod_watch_fd(directory->watch);
	r = ss_pod_watch_dispatch(directory->watch, error);
	schedule(directory);
	if (fd >= 0)
		ss_loop_add(directory->loop, fd, EPOLLIN, look, directory);
	return r;
}

int ss_directory_prepare(struct ss_directory *directory, unsigned wait_ms, struct ss_error *error)
{
	int r = directory->begun ? 0 : begin(directory, error);

	if (r < 0 || is_prepared(directory))
		return r;
	directory->preparing = true;
	ss_timer_once(directory->patience, MAX(wait_ms, SETTLE_MS) * NSEC_PER_MSEC);
	/* a signal's handler quits as well: then there is nothing more to wait for */
	ss_loop_run(directory->loop);
	ss_timer_once(directory->patience, 0);
	directory->preparing = false;
	return 0;
}

static gint compare_entries(gconstpointer a, gconstpointer b)
{
	const struct ss_pod *left = (*(const struct entry *const *)a)->node;
	const struct ss_pod *right = (*(const struct entry *const *)b)->node;

	return strcmp(left->namespace, right->namespace) ?: strcmp(left->name, right->name);
}

int ss_directory_start(struct ss_directory *directory, unsigned wait_ms, struct ss_error *error)
{
	g_autoptr(GPtrArray) entries = g_ptr_array_new();
	GHashTableIter iter;
	struct entry *entry;
	int r = directory->begun && !wait_ms ? 0 : ss_directory_prepare(directory, wait_ms, error);

	if (r < 0)
		return r;
	g_hash_table_iter_init(&iter, directory->entries);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&entry))
		if (is_ready(directory, entry))
			g_ptr_array_add(entries, entry);
	g_ptr_array_sort(entries, compare_entries);
	directory->started = true;
	for (guint i = 0; i < entries->len; i++) {
		entry = entries->pdata[i];
		entry->told = true;
		tell(directory, SS_POD_ADDED, entry->joined);
	}
	g_hash_table_iter_init(&iter, directory->entries);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&entry))
		if (!entry->told)
			await(directory, entry);
	return 0;
}

int ss_directory_pods(struct ss_directory *directory, GPtrArray **ret_pods, struct ss_error *error)
{
	GPtrArray *pods;
	int r = directory->options.once && directory->scanned ? 0 : scan(directory, error);

	if (r < 0)
		return r;
	pods = g_ptr_array_new_with_free_func(pod_destroy);
	for (guint i = 0; i < directory->scanned->len; i++) {
		const struct ss_pod *pod = directory->scanned->pdata[i];
		const struct entry *entry = g_hash_table_lookup(directory->entries, pod->uid);

		if (!entry)
			entry = g_hash_table_lookup(directory->ended, pod->uid);
		g_ptr_array_add(pods, ss_pod_copy(entry->joined));
	}
	*ret_pods = pods;
	return 0;
}

const GPtrArray *ss_directory_providers(const struct ss_directory *directory)
{
	return directory->providers;
}
