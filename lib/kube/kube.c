/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins the stores and the streams that fill them to a provider. A pod that is asked for and that
 * no watch has told (it is very new, or this node has another name than was thought) is asked for
 * by name, one at a time; what is not there then, or for ten seconds, stays unknown.
 */
#include "kube/kube.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "k8s/podname.h"
#include "kube/config.h"
#include "kube/split.h"
#include "kube/streams.h"
#include "kube/text.h"
#include "log.h"

#define SILENCE_S  30
#define WATCH_S    300
#define TICK_NS    50000000ull
#define PATIENT_US (300 * 1000) /* a watch may be so late */
#define GIVE_UP_US (10 * G_USEC_PER_SEC)
#define OBJECT_MAX (4u << 20)
#define ANSWER_MAX 65536

struct ss_kube {
	struct ss_provider provider;
	struct ss_provider_callbacks callbacks;
	struct ss_loop *loop;
	struct ss_kube_config *config;
	char *origin; /* of it, fit to print */
	GPtrArray *namespaces;
	unsigned silence_s;
	struct ss_kube_client *client;
	struct ss_kube_local *local;
	struct ss_kube_peers *peers; /* NULL: not wanted */
	struct ss_kube_services *services;
	struct ss_kube_owners *owners;
	struct ss_kube_streams *streams;
	struct ss_timer *tick;
	struct {
		struct ss_kube_client_request *request; /* NULL: none runs */
		struct ss_kube_split *split;
		char *uid, *node; /* that is asked for; where it is */
	} probe;
	struct {
		struct ss_kube_client_request *request;
		GString *answer;
		char *text;
	} version;
	char *state;
	bool told_owners;
};

static bool on_version_data(const char *data, size_t length, void *user_data)
{
	struct ss_kube *kube = user_data;

	if (kube->version.answer->len + length > ANSWER_MAX)
		return false;
	g_string_append_len(kube->version.answer, data, (gssize)length);
	return true;
}

static void on_version(const struct ss_kube_client_answer *answer, void *user_data)
{
	struct ss_kube *kube = user_data;
	json_t *root = json_loadb(kube->version.answer->str, kube->version.answer->len, 0, NULL);
	const char *version = json_string_value(json_object_get(root, "gitVersion"));

	kube->version.request = NULL;
	if (answer->status == 200 && version)
		kube->version.text = ss_kube_printable(version, 32);
	json_decref(root);
}

static void ask_version(struct ss_kube *kube)
{
	const struct ss_kube_client_get get = {
		.path = "/version",
		.silence_s = kube->silence_s,
		.total_s = kube->silence_s,
		.data = on_version_data,
		.done = on_version,
		.user_data = kube,
	};

	kube->version.answer = g_string_new(NULL);
	kube->version.request = ss_kube_client_get(kube->client, &get);
}

static void on_probe_object(const char *text, size_t length, void *user_data)
{
	struct ss_kube *kube = user_data;
	json_t *root = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
	struct ss_kube_object_owner owner;
	bool finished;
	struct ss_pod *pod = ss_kube_object_pod(root, true, &owner, &finished);

	json_decref(root);
	if (!pod || strcmp(pod->uid, kube->probe.uid)) {
		ss_pod_free(pod);
		return;
	}
	g_free(kube->probe.node);
	kube->probe.node = g_strdup(pod->node_name);
	ss_kube_local_set(kube->local, (struct ss_kube_mark){0}, pod,
			  ss_kube_owners_get(kube->owners, pod->namespace, &owner, true));
}

static void on_probe_skipped(size_t length, void *user_data)
{
	(void)length;
	(void)user_data; /* the pod stays unknown */
}

static bool on_probe_data(const char *data, size_t length, void *user_data)
{
	struct ss_kube *kube = user_data;

	return ss_kube_split_feed(kube->probe.split, data, length) == 0;
}

static void on_probe(const struct ss_kube_client_answer *answer, void *user_data);

static void begin_probe(struct ss_kube *kube, const struct ss_kube_local_asked *asked)
{
	const struct ss_kube_split_callbacks callbacks = {on_probe_object, on_probe_skipped, kube};
	g_autofree char *path =
		g_strdup_printf("/api/v1/namespaces/%s/pods?fieldSelector=metadata.name%%3D%s",
				asked->namespace, asked->name);
	const struct ss_kube_client_get get = {
		.path = path,
		.silence_s = kube->silence_s,
		.total_s = kube->silence_s,
		.data = on_probe_data,
		.done = on_probe,
		.user_data = kube,
	};

	ss_kube_split_free(kube->probe.split);
	kube->probe.split = ss_kube_split_new(SS_SPLIT_LIST, OBJECT_MAX, &callbacks);
	kube->probe.uid = g_strdup(asked->uid);
	kube->probe.request = ss_kube_client_get(kube->client, &get);
}

/* Is it time to ask for it by name? Not while a watch may still tell it; a list that was made after
 * it began to be asked for has told all. */
static bool is_overdue(const struct ss_kube *kube, const struct ss_kube_local_asked *pod,
		       gint64 now_us)
{
	return now_us - pod->since_us > PATIENT_US ||
	       pod->since_us < ss_kube_streams_listed_us(kube->streams);
}

/* Looks after those that wait for an answer. */
static void on_tick(uint32_t events, void *user_data)
{
	struct ss_kube *kube = user_data;
	g_autoptr(GPtrArray) asked = ss_kube_local_asked(kube->local);
	g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
	gint64 now_us = g_get_monotonic_time();

	(void)events;
	if (asked->len == 0)
		ss_timer_every(kube->tick, 0);
	for (guint i = 0; i < asked->len; i++) {
		const struct ss_kube_local_asked *pod = asked->pdata[i];
		enum ss_kube_streams_state state =
			ss_kube_streams_local_state(kube->streams, pod->namespace);

		if (!g_strcmp0(pod->uid, kube->probe.uid))
			continue;
		if (state == SS_STREAMS_FAILING || now_us - pod->since_us > GIVE_UP_US)
			g_ptr_array_add(lost, g_strdup(pod->uid));
		else if (state == SS_STREAMS_CURRENT && !kube->probe.request &&
			 is_overdue(kube, pod, now_us))
			begin_probe(kube, pod);
	}
	for (guint i = 0; i < lost->len; i++)
		ss_kube_local_give_up(kube->local, lost->pdata[i]);
}

/* Whoever asked hears of it: by the pod itself, or by our giving up. */
static void on_probe(const struct ss_kube_client_answer *answer, void *user_data)
{
	struct ss_kube *kube = user_data;
	g_autofree char *uid = g_steal_pointer(&kube->probe.uid);
	g_autofree char *node = g_steal_pointer(&kube->probe.node);

	(void)answer;
	kube->probe.request = NULL;
	if (node && g_strcmp0(node, ss_kube_streams_node(kube->streams))) {
		ss_log(SS_LOG_DEBUG, "the API server calls this node '%s'", node);
		ss_kube_streams_set_node(kube->streams, node);
	}
	if (!node)
		ss_kube_local_give_up(kube->local, uid);
	on_tick(0, kube); /* the next */
}

static bool is_asked_namespace(const struct ss_kube *kube, const char *namespace)
{
	return kube->namespaces->len == 0 ||
	       g_ptr_array_find_with_equal_func(kube->namespaces, namespace, g_str_equal, NULL);
}

static bool complete(struct ss_provider *provider, struct ss_pod *pod)
{
	struct ss_kube *kube = (struct ss_kube *)(void *)provider;

	if (!pod->uid || !pod->namespace || !pod->name ||
	    !ss_podname_is_label(pod->namespace, strlen(pod->namespace)) ||
	    !ss_podname_is_subdomain(pod->name, strlen(pod->name)) ||
	    !is_asked_namespace(kube, pod->namespace))
		return true;
	ss_kube_streams_need_namespace(kube->streams, pod->namespace);
	if (ss_kube_local_complete(kube->local, pod))
		return true;
	ss_timer_every(kube->tick, TICK_NS);
	return false;
}

static void forget(struct ss_provider *provider, const char *uid)
{
	ss_kube_local_forget(((struct ss_kube *)(void *)provider)->local, uid);
}

static char *describe(const struct ss_kube *kube)
{
	const char *version = kube->version.text ? kube->version.text : "";
	GString *text = g_string_new("API server");

	g_string_append_printf(text, "%s%s (%s): %u pods of node %s", *version ? " " : "", version,
			       kube->origin, ss_kube_local_count(kube->local),
			       ss_kube_streams_node(kube->streams));
	if (kube->peers)
		g_string_append_printf(text, ", %u others, %u services, %u nodes",
				       ss_kube_peers_count(kube->peers),
				       ss_kube_services_count(kube->services),
				       ss_kube_services_count_nodes(kube->services));
	if (ss_kube_streams_is_limited(kube->streams))
		g_string_append(text, "; may not see all of the cluster");
	return g_string_free(text, FALSE);
}

static const char *get_state(struct ss_provider *provider)
{
	struct ss_kube *kube = (struct ss_kube *)(void *)provider;
	const char *trouble = ss_kube_streams_trouble(kube->streams);

	g_free(kube->state);
	if (trouble)
		kube->state = g_strdup(trouble);
	else
		kube->state = describe(kube);
	return kube->state;
}

static bool works(struct ss_provider *provider)
{
	const struct ss_kube *kube = (struct ss_kube *)(void *)provider;

	return ss_kube_streams_are_current(kube->streams) &&
	       !ss_kube_streams_trouble(kube->streams);
}

static void kube_free(struct ss_provider *provider)
{
	struct ss_kube *kube = (struct ss_kube *)(void *)provider;

	if (!kube)
		return;
	ss_timer_free(kube->tick);
	ss_kube_streams_free(kube->streams);
	ss_kube_client_cancel(kube->probe.request);
	ss_kube_client_cancel(kube->version.request);
	ss_kube_split_free(kube->probe.split);
	ss_kube_peers_free(kube->peers);
	ss_kube_local_free(kube->local);
	ss_kube_services_free(kube->services);
	ss_kube_owners_free(kube->owners);
	ss_kube_client_free(kube->client);
	ss_kube_config_free(kube->config);
	g_ptr_array_unref(kube->namespaces);
	if (kube->version.answer)
		g_string_free(kube->version.answer, TRUE);
	g_free(kube->version.text);
	g_free(kube->origin);
	g_free(kube->probe.uid);
	g_free(kube->probe.node);
	g_free(kube->state);
	g_free(kube);
}

static void on_owners_resolved(void *user_data)
{
	struct ss_kube *kube = user_data;

	ss_kube_local_tell_owners(kube->local);
	if (kube->peers)
		ss_kube_peers_tell_owners(kube->peers);
}

static void on_owners_failed(int status, const char *sentence, void *user_data)
{
	struct ss_kube *kube = user_data;

	if (status != 403 || kube->told_owners)
		return;
	kube->told_owners = true;
	ss_log(SS_LOG_NOTE,
	       "%s: workloads are named by their ReplicaSets and Jobs; the ClusterRole in "
	       "deploy/rbac.yaml allows more",
	       sentence);
}

/* The kubelet's name for the node, unless it was told another: the host's, in lower case. */
static char *guess_node(const struct ss_kube_options *options)
{
	const char *name = options->node_name ? options->node_name : getenv("NODE_NAME");
	char host[256] = "";

	if (!name || !*name) {
		gethostname(host, sizeof(host) - 1);
		name = host;
	}
	return g_ascii_strdown(name, -1);
}

static void join(struct ss_kube *kube, const struct ss_kube_options *options)
{
	const struct ss_kube_owners_callbacks callbacks = {on_owners_resolved, on_owners_failed,
							   kube};
	g_autofree char *node = guess_node(options);
	struct ss_kube_streams_options streams = {
		.loop = kube->loop,
		.client = kube->client,
		.node = node,
		.namespaces = kube->namespaces,
		.silence_s = kube->silence_s,
		.watch_s = options->watch_s ? options->watch_s : WATCH_S,
	};

	kube->local = ss_kube_local_new(&kube->callbacks);
	kube->peers = options->no_peers ? NULL : ss_kube_peers_new(&kube->callbacks);
	kube->services = ss_kube_services_new(kube->loop, &kube->callbacks);
	kube->owners = ss_kube_owners_new(kube->loop, kube->client, kube->silence_s, &callbacks);
	kube->tick = ss_timer_new(kube->loop, on_tick, kube);
	streams.local = kube->local;
	streams.peers = kube->peers;
	streams.services = kube->services;
	streams.owners = kube->owners;
	kube->streams = ss_kube_streams_new(&streams);
	if (kube->config->namespace &&
	    ss_podname_is_label(kube->config->namespace, strlen(kube->config->namespace)))
		ss_kube_streams_need_namespace(kube->streams, kube->config->namespace);
}

/* Names from files may hold anything. */
static int fail_printable(struct ss_error *error, int code)
{
	g_autofree char *text = NULL;

	if (error) {
		text = ss_kube_printable(error->message, sizeof(error->message));
		g_strlcpy(error->message, text, sizeof(error->message));
	}
	return code;
}

int ss_kube_new(struct ss_loop *loop, const struct ss_kube_options *options,
		const struct ss_provider_callbacks *callbacks, struct ss_provider **ret,
		struct ss_error *error)
{
	struct ss_kube_config *config;
	struct ss_kube_client *client;
	struct ss_kube *kube;
	int r;

	r = ss_kube_config_load(options->kubeconfig, options->context, &config, error);
	if (r < 0)
		return fail_printable(error, r);
	r = ss_kube_client_new(loop, config, &client, error);
	if (r < 0) {
		ss_kube_config_free(config);
		return fail_printable(error, r);
	}
	kube = g_new0(struct ss_kube, 1);
	kube->provider =
		(struct ss_provider){"kube", complete, forget, get_state, kube_free, works, NULL};
	kube->callbacks = *callbacks;
	kube->loop = loop;
	kube->config = config;
	kube->origin = ss_kube_printable(config->origin, 300);
	kube->client = client;
	kube->silence_s = options->silence_s ? options->silence_s : SILENCE_S;
	kube->namespaces = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; options->namespaces && i < options->namespaces->len; i++)
		if (ss_podname_is_label(options->namespaces->pdata[i],
					strlen(options->namespaces->pdata[i])))
			g_ptr_array_add(kube->namespaces, g_strdup(options->namespaces->pdata[i]));
	join(kube, options);
	ask_version(kube);
	*ret = &kube->provider;
	return 0;
}
