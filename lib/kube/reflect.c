/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first list may come from the server's memory (resourceVersion=0), which costs it least; after
 * a 410 the list is of now, in pages. Pages and watches run through a splitter, so that one object
 * is in memory at a time. After a failure it waits: 0.8 s, doubling up to 30 s, and up to as much
 * again by chance, so that a server that comes back is not run over.
 */
#include "kube/reflect.h"

#include <string.h>

#include "kube/split.h"

#define OBJECT_MAX   (4u << 20) /* etcd keeps 1.5 MiB; as JSON that may be more */
#define PAGE         500
#define FIRST_MS     800u
#define LONGEST_MS   30000
#define DENIED_MS    300000         /* instead: rights change seldom */
#define SHORT_US     G_USEC_PER_SEC /* a watch that ends sooner was refused, in effect */
#define CONNECT_S    10
#define TOTAL_FACTOR 10
#define GONE         410
/* A watch that failed so often begins with a list: its past may be another server's. */
#define PATIENCE 5

enum state { WAITING, LISTING, WATCHING };

struct ss_kube_reflect {
	struct ss_kube_client *client;
	struct ss_kube_reflect_callbacks callbacks;
	char *path, *selector;
	unsigned silence_s, watch_s;
	enum state state;
	struct ss_timer *timer;
	struct ss_kube_client_request *request;
	struct ss_kube_split *split;
	char *version;      /* resourceVersion to watch from; NULL: list */
	char *continuation; /* of the list's next page; NULL: the first */
	bool from_now;      /* the server's memory was too old */
	bool too_old;       /* the watch said so */
	bool current, failing;
	unsigned failures; /* in a row */
	unsigned events;   /* of this watch */
	gint64 began_us;   /* this watch */
};

static void wait_ms(struct ss_kube_reflect *reflect, unsigned delay_ms)
{
	reflect->state = WAITING;
	ss_timer_once(reflect->timer, (uint64_t)delay_ms * 1000000 + 1);
}

static void back_off(struct ss_kube_reflect *reflect, unsigned least_s, unsigned longest_ms)
{
	unsigned delay_ms = FIRST_MS << MIN(reflect->failures, 10u);

	reflect->failures++;
	delay_ms = MAX(MIN(delay_ms, longest_ms), MIN(least_s, 600u) * 1000);
	wait_ms(reflect, delay_ms + (unsigned)g_random_int_range(0, (gint32)delay_ms));
}

static void relist(struct ss_kube_reflect *reflect)
{
	g_clear_pointer(&reflect->version, g_free);
	g_clear_pointer(&reflect->continuation, g_free);
	reflect->from_now = true;
}

static void fail(struct ss_kube_reflect *reflect, int status, unsigned retry_after_s,
		 const char *sentence)
{
	bool denied = status == 403 || status == 404;

	reflect->current = false;
	reflect->failing = true;
	if (reflect->failures >= PATIENCE)
		relist(reflect);
	g_clear_pointer(&reflect->continuation, g_free);
	reflect->callbacks.failed(status, sentence, reflect->callbacks.user_data);
	back_off(reflect, retry_after_s, denied ? DENIED_MS : LONGEST_MS);
}

static json_t *parse(struct ss_kube_reflect *reflect, const char *text, size_t length)
{
	json_t *root = json_loadb(text, length, JSON_ALLOW_NUL, NULL);

	if (!root)
		reflect->callbacks.skipped(length, reflect->callbacks.user_data);
	return root;
}

static void note_version(struct ss_kube_reflect *reflect, const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");
	const char *version = json_string_value(json_object_get(meta, "resourceVersion"));

	if (!version || !*version || strlen(version) > 64)
		return;
	g_free(reflect->version);
	reflect->version = g_strdup(version);
}

static void on_event(struct ss_kube_reflect *reflect, const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	const json_t *object = json_object_get(event, "object");

	if (!g_strcmp0(type, "ERROR")) {
		reflect->too_old |= json_integer_value(json_object_get(object, "code")) == GONE;
		return;
	}
	reflect->events++;
	note_version(reflect, object);
	if (!g_strcmp0(type, "ADDED") || !g_strcmp0(type, "MODIFIED"))
		reflect->callbacks.object(object, false, reflect->callbacks.user_data);
	else if (!g_strcmp0(type, "DELETED"))
		reflect->callbacks.object(object, true, reflect->callbacks.user_data);
}

static void on_object(const char *text, size_t length, void *user_data)
{
	struct ss_kube_reflect *reflect = user_data;
	json_t *root = parse(reflect, text, length);

	if (root && reflect->state == WATCHING)
		on_event(reflect, root);
	else if (root)
		reflect->callbacks.object(root, false, reflect->callbacks.user_data);
	json_decref(root);
}

static void on_skipped(size_t length, void *user_data)
{
	struct ss_kube_reflect *reflect = user_data;

	reflect->callbacks.skipped(length, reflect->callbacks.user_data);
}

static bool on_data(const char *data, size_t length, void *user_data)
{
	struct ss_kube_reflect *reflect = user_data;

	return ss_kube_split_feed(reflect->split, data, length) == 0;
}

static void set_current(struct ss_kube_reflect *reflect)
{
	reflect->current = true;
	reflect->failing = false;
}

static void on_watch_answered(void *user_data)
{
	struct ss_kube_reflect *reflect = user_data;

	ss_timer_once(reflect->timer, 0);
	set_current(reflect);
}

/* One page is here. */
static void on_page(struct ss_kube_reflect *reflect)
{
	const GString *envelope = ss_kube_split_envelope(reflect->split);
	json_t *root = json_loadb(envelope->str, envelope->len, JSON_ALLOW_NUL, NULL);
	const json_t *meta = json_object_get(root, "metadata");
	const char *continuation = json_string_value(json_object_get(meta, "continue"));

	if (!json_is_object(meta)) {
		json_decref(root);
		fail(reflect, 200, 0, "API server: the answer is no list of objects");
		return;
	}
	g_clear_pointer(&reflect->continuation, g_free);
	if (continuation && *continuation) {
		reflect->continuation = g_strdup(continuation);
	} else {
		note_version(reflect, root);
		reflect->failures = 0;
		set_current(reflect);
		reflect->callbacks.listed(reflect->callbacks.user_data);
	}
	json_decref(root);
	wait_ms(reflect, 0);
}

static void on_listed(const struct ss_kube_client_answer *answer, void *user_data)
{
	struct ss_kube_reflect *reflect = user_data;

	reflect->request = NULL;
	if (answer->status == GONE) {
		relist(reflect);
		fail(reflect, GONE, 0, answer->sentence);
	} else if (answer->status != 200 || answer->sentence) {
		fail(reflect, answer->status, answer->retry_after_s, answer->sentence);
	} else if (ss_kube_split_end(reflect->split) < 0) {
		fail(reflect, 200, 0, "API server: the answer is no JSON, or not all of it");
	} else {
		on_page(reflect);
	}
}

static void on_watched(const struct ss_kube_client_answer *answer, void *user_data)
{
	struct ss_kube_reflect *reflect = user_data;
	bool soon = g_get_monotonic_time() - reflect->began_us < SHORT_US;

	reflect->request = NULL;
	ss_timer_once(reflect->timer, 0);
	if (answer->status == GONE || reflect->too_old) {
		relist(reflect);
		/* one that is too old at once may be so again and again */
		if (soon && reflect->events == 0)
			back_off(reflect, 0, LONGEST_MS);
		else
			wait_ms(reflect, 0);
	} else if (answer->status != 200) {
		fail(reflect, answer->status, answer->retry_after_s, answer->sentence);
	} else if (reflect->events > 0) {
		reflect->failures = 0;
		wait_ms(reflect, soon ? FIRST_MS : 0);
	} else if (ss_kube_split_end(reflect->split) < 0 || (soon && answer->sentence)) {
		if (!answer->sentence)
			relist(reflect); /* or the same bytes come again */
		fail(reflect, 200, 0,
		     answer->sentence ? answer->sentence
				      : "API server: what it sends are no events");
	} else if (soon) {
		back_off(reflect, 0, LONGEST_MS);
	} else {
		reflect->failures = 0;
		wait_ms(reflect, 0);
	}
}

static void ask(struct ss_kube_reflect *reflect, const GString *path, bool watch)
{
	static const struct ss_kube_split_callbacks callbacks = {.object = on_object,
								 .skipped = on_skipped};
	struct ss_kube_split_callbacks ours = callbacks;
	struct ss_kube_client_get get = {
		.path = path->str,
		.silence_s = watch ? 0 : reflect->silence_s,
		.total_s = watch ? reflect->watch_s * 2 + reflect->silence_s
				 : reflect->silence_s * TOTAL_FACTOR,
		.answered = watch ? on_watch_answered : NULL,
		.data = on_data,
		.done = watch ? on_watched : on_listed,
		.user_data = reflect,
	};

	ours.user_data = reflect;
	ss_kube_split_free(reflect->split);
	reflect->split =
		ss_kube_split_new(watch ? SS_SPLIT_STREAM : SS_SPLIT_LIST, OBJECT_MAX, &ours);
	reflect->request = ss_kube_client_get(reflect->client, &get);
}

static void add_selector(const struct ss_kube_reflect *reflect, GString *path)
{
	if (reflect->selector)
		g_string_append_printf(path, "&%s", reflect->selector);
}

static void list(struct ss_kube_reflect *reflect)
{
	g_autoptr(GString) path = g_string_new(reflect->path);

	g_string_append_printf(path, "?limit=%d", PAGE);
	if (reflect->continuation) {
		g_string_append(path, "&continue=");
		g_string_append_uri_escaped(path, reflect->continuation, NULL, FALSE);
	} else {
		if (!reflect->from_now)
			g_string_append(path, "&resourceVersion=0");
		reflect->callbacks.began(reflect->callbacks.user_data);
	}
	add_selector(reflect, path);
	reflect->state = LISTING;
	ask(reflect, path, false);
}

static void watch(struct ss_kube_reflect *reflect)
{
	g_autoptr(GString) path = g_string_new(reflect->path);
	unsigned seconds =
		reflect->watch_s + (unsigned)g_random_int_range(0, (gint32)reflect->watch_s + 1);

	g_string_append_printf(path, "?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u",
			       seconds);
	g_string_append(path, "&resourceVersion=");
	g_string_append_uri_escaped(path, reflect->version, NULL, FALSE);
	add_selector(reflect, path);
	reflect->state = WATCHING;
	reflect->too_old = false;
	reflect->events = 0;
	reflect->began_us = g_get_monotonic_time();
	ask(reflect, path, true);
	ss_timer_once(reflect->timer, (reflect->silence_s + CONNECT_S) * 1000000000ull);
}

static void next(struct ss_kube_reflect *reflect)
{
	if (reflect->version && !reflect->continuation)
		watch(reflect);
	else
		list(reflect);
}

static void on_timer(uint32_t events, void *user_data)
{
	struct ss_kube_reflect *reflect = user_data;

	(void)events;
	if (reflect->state == WATCHING) {
		ss_kube_client_cancel(g_steal_pointer(&reflect->request));
		ss_kube_client_distrust(reflect->client);
		fail(reflect, 0, 0, "API server: no answer to a watch");
	} else {
		next(reflect);
	}
}

struct ss_kube_reflect *ss_kube_reflect_new(struct ss_loop *loop, struct ss_kube_client *client,
					    const struct ss_kube_reflect_options *options,
					    const struct ss_kube_reflect_callbacks *callbacks)
{
	struct ss_kube_reflect *reflect = g_new0(struct ss_kube_reflect, 1);

	reflect->client = client;
	reflect->callbacks = *callbacks;
	reflect->path = g_strdup(options->path);
	reflect->selector = g_strdup(options->selector);
	reflect->silence_s = options->silence_s;
	reflect->watch_s = options->watch_s;
	reflect->timer = ss_timer_new(loop, on_timer, reflect);
	wait_ms(reflect, 0);
	return reflect;
}

void ss_kube_reflect_free(struct ss_kube_reflect *reflect)
{
	if (!reflect)
		return;
	ss_kube_client_cancel(reflect->request);
	ss_kube_split_free(reflect->split);
	ss_timer_free(reflect->timer);
	g_free(reflect->path);
	g_free(reflect->selector);
	g_free(reflect->version);
	g_free(reflect->continuation);
	g_free(reflect);
}

bool ss_kube_reflect_is_current(const struct ss_kube_reflect *reflect)
{
	return reflect->current;
}

bool ss_kube_reflect_is_failing(const struct ss_kube_reflect *reflect)
{
	return reflect->failing;
}
