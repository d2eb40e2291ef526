/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A row of the table is a collection; a stream is one in one namespace, or in all. Streams are
 * made in a timer's turn, not from the callback that shows the need for them. The pods of this node
 * are first: the others begin when those have been listed, or could not be.
 *
 * What is denied is asked for again, later and later: a server that has just started does not know
 * everybody's rights yet, and rights are given while we run. What worked before is therefore not
 * believed to be denied at once.
 */
#include "kube/streams.h"

#include <string.h>

#include "kube/reflect.h"
#include "log.h"

#define NAMESPACES_MAX 64 /* that are asked for one by one */
#define DOUBTS         4  /* denied so often in a row it is, though it worked before */

struct stream;

struct kind {
	const char *path, *resource;
	bool cluster_only;
	bool names_peers; /* not needed for the pods of this node */
	void (*object)(struct stream *stream, const json_t *object, bool gone);
	void (*sweep)(struct stream *stream);
};

enum kind_index { LOCAL_PODS, PODS, SERVICES, SLICES, ENDPOINTS, NODES, KINDS };

struct stream {
	struct ss_kube_streams *streams;
	enum kind_index kind;
	char *namespace; /* NULL: all */
	struct ss_kube_reflect *reflect;
	unsigned generation;
	unsigned failures; /* in a row */
	unsigned denials;  /* in a row */
	int status;        /* of the last failure */
	char *trouble;
	bool worked; /* at least once */
};

struct ss_kube_streams {
	struct ss_kube_streams_options options;
	char *node;
	GPtrArray *list;        /* struct stream * */
	GHashTable *namespaces; /* char *: to be asked one by one */
	bool denied[KINDS];     /* in the whole cluster */
	bool no_slices;         /* the server is older than they are */
	bool told_limited, told_trouble, told_skipped, told_full;
	bool others;      /* the other kinds may begin */
	gint64 listed_us; /* the pods of this node */
	struct ss_timer *timer;
};

static struct ss_kube_mark mark_of(const struct stream *stream)
{
	return (struct ss_kube_mark){stream, stream->generation};
}

static void tell_full(struct ss_kube_streams *streams, bool fits)
{
	if (fits || streams->told_full)
		return;
	streams->told_full = true;
	ss_log(SS_LOG_WARNING,
	       "the cluster has more objects than are kept: some addresses will have no names; "
	       "--namespace asks for less");
}

static void local_object(struct stream *stream, const json_t *object, bool gone)
{
	struct ss_kube_streams *streams = stream->streams;
	struct ss_kube_object_owner from;
	bool finished;
	struct ss_pod *pod = ss_kube_object_pod(object, true, &from, &finished);

	if (!pod)
		return;
	if (gone) {
		ss_kube_local_remove(streams->options.local, pod->uid);
		ss_pod_free(pod);
		return;
	}
	ss_kube_local_set(streams->options.local, mark_of(stream), pod,
			  ss_kube_owners_get(streams->options.owners, pod->namespace, &from, true));
}

static void local_sweep(struct stream *stream)
{
	ss_kube_local_sweep(stream->streams->options.local, mark_of(stream));
}

static void peer_object(struct stream *stream, const json_t *object, bool gone)
{
	struct ss_kube_streams *streams = stream->streams;
	struct ss_kube_object_owner from;
	bool finished;
	struct ss_pod *pod = ss_kube_object_pod(object, false, &from, &finished);

	if (!pod)
		return;
	if (gone || finished || !g_strcmp0(pod->node_name, streams->node))
		ss_kube_peers_remove(streams->options.peers, pod->uid);
	else
		tell_full(streams,
			  ss_kube_peers_set(streams->options.peers, mark_of(stream), pod,
					    ss_kube_owners_get(streams->options.owners,
							       pod->namespace, &from, false)));
	ss_pod_free(pod);
}

static void peer_sweep(struct stream *stream)
{
	ss_kube_peers_sweep(stream->streams->options.peers, mark_of(stream));
}

static void service_object(struct stream *stream, const json_t *object, bool gone)
{
	struct ss_kube_services *services = stream->streams->options.services;
	struct ss_service *service = ss_kube_object_service(object);

	if (!service)
		return;
	if (!gone) {
		tell_full(stream->streams,
			  ss_kube_services_set(services, mark_of(stream), service));
		return;
	}
	ss_kube_services_remove(services, service->namespace, service->name);
	ss_service_free(service);
}

static void slice_object(struct stream *stream, const json_t *object, bool gone)
{
	struct ss_kube_services *services = stream->streams->options.services;
	struct ss_kube_object_slice *slice = stream->kind == SLICES
						     ? ss_kube_object_slice(object)
						     : ss_kube_object_endpoints(object);

	if (!slice)
		return;
	if (!gone) {
		tell_full(stream->streams,
			  ss_kube_services_set_slice(services, mark_of(stream), slice));
		return;
	}
	ss_kube_services_remove_slice(services, slice->namespace, slice->name);
	ss_kube_object_slice_free(slice);
}

static void node_object(struct stream *stream, const json_t *object, bool gone)
{
	struct ss_kube_services *services = stream->streams->options.services;
	struct ss_cluster_node *node = ss_kube_object_node(object);

	if (!node)
		return;
	if (!gone) {
		tell_full(stream->streams,
			  ss_kube_services_set_node(services, mark_of(stream), node));
		return;
	}
	ss_kube_services_remove_node(services, node->name);
	ss_cluster_node_free(node);
}

static void services_sweep(struct stream *stream)
{
	ss_kube_services_sweep(stream->streams->options.services, mark_of(stream));
}

static const struct kind kinds[KINDS] = {
	[LOCAL_PODS] = {"/api/v1", "pods", false, false, local_object, local_sweep},
	[PODS] = {"/api/v1", "pods", false, true, peer_object, peer_sweep},
	[SERVICES] = {"/api/v1", "services", false, true, service_object, services_sweep},
	[SLICES] = {"/apis/discovery.k8s.io/v1", "endpointslices", false, true, slice_object,
		    services_sweep},
	/* only where the server has no slices */
	[ENDPOINTS] = {"/api/v1", "endpoints", false, true, slice_object, services_sweep},
	[NODES] = {"/api/v1", "nodes", true, true, node_object, services_sweep},
};

static void on_object(const json_t *object, bool gone, void *user_data)
{
	struct stream *stream = user_data;

	stream->failures = 0;
	kinds[stream->kind].object(stream, object, gone);
}

static void on_began(void *user_data)
{
	struct stream *stream = user_data;

	stream->generation++;
}

/* The other collections wait for this node's pods. */
static void let_others_begin(struct stream *stream)
{
	if (stream->kind != LOCAL_PODS || stream->streams->others)
		return;
	stream->streams->others = true;
	ss_timer_once(stream->streams->timer, 1);
}

static void on_listed(void *user_data)
{
	struct stream *stream = user_data;

	kinds[stream->kind].sweep(stream);
	if (stream->kind == LOCAL_PODS)
		stream->streams->listed_us = g_get_monotonic_time();
	stream->failures = 0;
	stream->denials = 0;
	stream->worked = true;
	g_clear_pointer(&stream->trouble, g_free);
	let_others_begin(stream);
	if (!stream->namespace)
		stream->streams->denied[stream->kind] = false;
	if (stream->kind == SLICES)
		stream->streams->no_slices = false;
	ss_timer_once(stream->streams->timer, 1);
}

static void tell_limited(struct ss_kube_streams *streams, const char *sentence)
{
	if (streams->told_limited)
		return;
	streams->told_limited = true;
	ss_log(SS_LOG_NOTE,
	       "%s: some names will be missing; the ClusterRole in deploy/rbac.yaml allows all that "
	       "is asked",
	       sentence);
}

/* Once in a row, not at the first: servers start again, tokens expire. */
static void tell_trouble(struct stream *stream, const char *sentence)
{
	g_free(stream->trouble);
	stream->trouble = g_strdup(sentence);
	if (++stream->failures < 2 || stream->streams->told_trouble)
		return;
	stream->streams->told_trouble = true;
	ss_log(SS_LOG_WARNING, "%s: labels and names of the cluster are missing until it answers",
	       sentence);
}

static bool is_denied(const struct stream *stream)
{
	return stream->denials >= (stream->worked ? DOUBTS : 1);
}

static void on_failed(int status, const char *sentence, void *user_data)
{
	struct stream *stream = user_data;
	struct ss_kube_streams *streams = stream->streams;
	const char *text = sentence ? sentence : "API server: the answer was cut off";
	bool no_slices = status == 404 && stream->kind == SLICES;

	let_others_begin(stream);
	stream->status = status;
	if (status != 403 && !no_slices) {
		tell_trouble(stream, text);
		return;
	}
	stream->denials++;
	if (!is_denied(stream))
		return;
	if (no_slices)
		streams->no_slices = true;
	else if (!stream->namespace)
		streams->denied[stream->kind] = true;
	if (!no_slices)
		tell_limited(streams, text);
	ss_timer_once(streams->timer, 1);
}

static void on_skipped(size_t length, void *user_data)
{
	struct stream *stream = user_data;

	if (stream->streams->told_skipped)
		return;
	stream->streams->told_skipped = true;
	ss_log(SS_LOG_WARNING,
	       "API server: one of the %s has %zu bytes that are larger than 4 MiB or no JSON: it "
	       "is left out",
	       kinds[stream->kind].resource, length);
}

static void stream_free(gpointer data)
{
	struct stream *stream = data;

	ss_kube_reflect_free(stream->reflect);
	g_free(stream->namespace);
	g_free(stream->trouble);
	g_free(stream);
}

static void begin(struct stream *stream)
{
	const struct ss_kube_streams *streams = stream->streams;
	const struct kind *kind = &kinds[stream->kind];
	g_autofree char *path = stream->namespace
					? g_strdup_printf("%s/namespaces/%s/%s", kind->path,
							  stream->namespace, kind->resource)
					: g_strdup_printf("%s/%s", kind->path, kind->resource);
	g_autofree char *selector =
		stream->kind == LOCAL_PODS
			? g_strdup_printf("fieldSelector=spec.nodeName%%3D%s", streams->node)
			: NULL;
	const struct ss_kube_reflect_options options = {
		.path = path,
		.selector = selector,
		.silence_s = streams->options.silence_s,
		.watch_s = streams->options.watch_s,
	};
	const struct ss_kube_reflect_callbacks callbacks = {
		.object = on_object,
		.began = on_began,
		.listed = on_listed,
		.failed = on_failed,
		.skipped = on_skipped,
		.user_data = stream,
	};

	ss_kube_reflect_free(stream->reflect);
	stream->reflect = ss_kube_reflect_new(streams->options.loop, streams->options.client,
					      &options, &callbacks);
}

static void add(struct ss_kube_streams *streams, enum kind_index kind, const char *namespace)
{
	struct stream *stream = g_new0(struct stream, 1);

	stream->streams = streams;
	stream->kind = kind;
	stream->namespace = g_strdup(namespace);
	begin(stream);
	g_ptr_array_add(streams->list, stream);
}

static struct stream *find(const struct ss_kube_streams *streams, enum kind_index kind,
			   const char *namespace)
{
	for (guint i = 0; i < streams->list->len; i++) {
		struct stream *stream = streams->list->pdata[i];

		if (stream->kind == kind && !g_strcmp0(stream->namespace, namespace))
			return stream;
	}
	return NULL;
}

static bool is_wanted(const struct ss_kube_streams *streams, enum kind_index kind)
{
	if (kinds[kind].names_peers && (!streams->options.peers || !streams->others))
		return false;
	if (kind == ENDPOINTS)
		return streams->no_slices;
	return true;
}

/* Asked for in the whole cluster: services always, because every pod asks some of other namespaces,
 * such as DNS; they are few and small. */
static bool is_whole(const struct ss_kube_streams *streams, enum kind_index kind)
{
	return streams->options.namespaces->len == 0 || kind == SERVICES ||
	       kinds[kind].cluster_only;
}

static void add_namespaced(struct ss_kube_streams *streams, enum kind_index kind)
{
	GHashTableIter i;
	gpointer namespace;

	g_hash_table_iter_init(&i, streams->namespaces);
	while (g_hash_table_iter_next(&i, &namespace, NULL))
		if (!find(streams, kind, namespace))
			add(streams, kind, namespace);
}

/* Those of single namespaces, when the whole is seen again; what only they told goes with them. */
static void drop_unwanted(struct ss_kube_streams *streams)
{
	for (guint i = streams->list->len; i > 0; i--) {
		struct stream *stream = streams->list->pdata[i - 1];

		if (is_wanted(streams, stream->kind) &&
		    (!stream->namespace || !is_whole(streams, stream->kind) ||
		     streams->denied[stream->kind]))
			continue;
		stream->generation++;
		kinds[stream->kind].sweep(stream);
		g_ptr_array_remove_index(streams->list, i - 1);
	}
}

/* Makes the streams be those that are wanted. */
static void on_timer(uint32_t events, void *user_data)
{
	struct ss_kube_streams *streams = user_data;

	(void)events;
	drop_unwanted(streams);
	for (enum kind_index kind = 0; kind < KINDS; kind++) {
		if (!is_wanted(streams, kind))
			continue;
		if (is_whole(streams, kind) && !find(streams, kind, NULL))
			add(streams, kind, NULL);
		if (!kinds[kind].cluster_only &&
		    (!is_whole(streams, kind) || streams->denied[kind]))
			add_namespaced(streams, kind);
	}
}

struct ss_kube_streams *ss_kube_streams_new(const struct ss_kube_streams_options *options)
{
	struct ss_kube_streams *streams = g_new0(struct ss_kube_streams, 1);

	streams->options = *options;
	streams->node = g_strdup(options->node);
	streams->list = g_ptr_array_new_with_free_func(stream_free);
	streams->namespaces = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < options->namespaces->len; i++)
		g_hash_table_add(streams->namespaces, g_strdup(options->namespaces->pdata[i]));
	streams->timer = ss_timer_new(options->loop, on_timer, streams);
	ss_timer_once(streams->timer, 1);
	return streams;
}

void ss_kube_streams_free(struct ss_kube_streams *streams)
{
	if (!streams)
		return;
	g_ptr_array_unref(streams->list);
	g_hash_table_unref(streams->namespaces);
	ss_timer_free(streams->timer);
	g_free(streams->node);
	g_free(streams);
}

void ss_kube_streams_need_namespace(struct ss_kube_streams *streams, const char *namespace)
{
	if (streams->options.namespaces->len > 0 ||
	    g_hash_table_size(streams->namespaces) >= NAMESPACES_MAX ||
	    !g_hash_table_add(streams->namespaces, g_strdup(namespace)))
		return;
	ss_timer_once(streams->timer, 1);
}

void ss_kube_streams_set_node(struct ss_kube_streams *streams, const char *node)
{
	if (!g_strcmp0(streams->node, node))
		return;
	g_free(streams->node);
	streams->node = g_strdup(node);
	for (guint i = 0; i < streams->list->len; i++) {
		struct stream *stream = streams->list->pdata[i];

		/* peers of the name that was thought to be ours were left out: list them again */
		if (stream->kind == LOCAL_PODS || stream->kind == PODS)
			begin(stream);
	}
	if (streams->options.peers)
		ss_kube_peers_remove_node(streams->options.peers, node);
}

const char *ss_kube_streams_node(const struct ss_kube_streams *streams)
{
	return streams->node;
}

enum ss_kube_streams_state ss_kube_streams_local_state(const struct ss_kube_streams *streams,
						       const char *namespace)
{
	const struct stream *stream = find(streams, LOCAL_PODS, NULL);

	if (!stream || streams->denied[LOCAL_PODS])
		stream = find(streams, LOCAL_PODS, namespace);
	if (!stream)
		return SS_STREAMS_BEGINNING;
	if (ss_kube_reflect_is_current(stream->reflect))
		return SS_STREAMS_CURRENT;
	return ss_kube_reflect_is_failing(stream->reflect) ? SS_STREAMS_FAILING
							   : SS_STREAMS_BEGINNING;
}

gint64 ss_kube_streams_listed_us(const struct ss_kube_streams *streams)
{
	return streams->listed_us;
}

const char *ss_kube_streams_trouble(const struct ss_kube_streams *streams)
{
	for (guint i = 0; i < streams->list->len; i++) {
		const struct stream *stream = streams->list->pdata[i];

		if (stream->trouble && ss_kube_reflect_is_failing(stream->reflect))
			return stream->trouble;
	}
	return NULL;
}

bool ss_kube_streams_is_limited(const struct ss_kube_streams *streams)
{
	for (guint i = 0; i < streams->list->len; i++) {
		const struct stream *stream = streams->list->pdata[i];

		if (stream->status == 403 && is_denied(stream))
			return true;
	}
	return false;
}

bool ss_kube_streams_are_current(const struct ss_kube_streams *streams)
{
	for (guint i = 0; i < streams->list->len; i++) {
		const struct stream *stream = streams->list->pdata[i];

		if (ss_kube_reflect_is_current(stream->reflect))
			return true;
	}
	return false;
}
