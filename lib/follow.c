/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set of targets. Pods are told by the directory (k8s/directory.h), devices by each target's
 * netlink monitor. What goes wrong with one pod after the start is said and leaves the others
 * alone.
 */
#include "follow.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include <glib.h>

#include "k8s/select.h"
#include "log.h"

#define PROVIDERS_WAIT_MS 3000 /* at the start, for what the selection needs to know */

struct ss_follow {
	struct ss_loop *loop;
	const struct ss_options *options;
	struct ss_target_context *context;
	struct ss_follow_callbacks callbacks;
	struct ss_error *error;
	GPtrArray *targets; /* struct ss_target * */
	struct ss_selection selection;
	struct ss_directory *directory;
	bool starting; /* the directory is telling what lives already */
	int status;    /* first failure; nothing is done after it */
};

static void fail(struct ss_follow *follow, int status)
{
	if (follow->status == 0)
		follow->callbacks.failed(status, follow->callbacks.user_data);
	follow->status = status;
}

static void tell_pod(struct ss_follow *follow, const char *what, const struct ss_pod *pod,
		     const char *words)
{
	g_autofree char *message =
		g_strdup_printf("pod %s/%s %s", pod->namespace, pod->name, words);

	follow->callbacks.event(&(struct ss_event){.event = what,
						   .namespace = pod->namespace,
						   .pod = pod->name,
						   .uid = pod->uid,
						   .message = message},
				follow->callbacks.user_data);
}

static void tell_device(struct ss_follow *follow, const char *device)
{
	g_autofree char *message = g_strdup_printf("device %s is gone", device);

	follow->callbacks.event(&(struct ss_event){.event = "interface-gone",
						   .interface = device,
						   .message = message},
				follow->callbacks.user_data);
}

/* Which target it is costs more to know than to ask each. */
static void devices_changed(uint32_t events, void *user_data)
{
	struct ss_follow *follow = user_data;

	(void)events;
	for (guint i = follow->targets->len; i > 0 && follow->status == 0; i--) {
		struct ss_target *target = follow->targets->pdata[i - 1];
		struct pollfd ready = {.fd = ss_target_fd(target), .events = POLLIN};
		struct ss_error error = {0};
		int r;

		if (ready.fd < 0 || poll(&ready, 1, 0) != 1)
			continue;
		r = ss_target_refresh(target, &error);
		if (ss_target_pod(target)) /* if its namespace is going, the watch will tell */
			continue;
		if (r < 0)
			ss_log(SS_LOG_WARNING, "%s", error.message);
		else if (r == 0)
			tell_device(follow, ss_target_name(target));
	}
}

static void add_target(struct ss_follow *follow, struct ss_target *target)
{
	int fd = ss_target_fd(target);

	g_ptr_array_add(follow->targets, target);
	if (fd >= 0)
		ss_loop_add(follow->loop, fd, EPOLLIN, devices_changed, follow);
	ss_log(SS_LOG_DEBUG, "%s: hooked by %s", ss_target_name(target), ss_target_how(target));
}

static void remove_target(struct ss_follow *follow, guint position)
{
	struct ss_target *target = follow->targets->pdata[position];
	int fd = ss_target_fd(target);

	if (fd >= 0)
		ss_loop_remove(follow->loop, fd);
	g_ptr_array_remove_index(follow->targets, position);
	ss_target_free(target);
}

static bool find_target(const struct ss_follow *follow, const struct ss_pod *pod,
			guint *ret_position)
{
	for (guint i = 0; i < follow->targets->len; i++) {
		const struct ss_pod *other = ss_target_pod(follow->targets->pdata[i]);

		if (other && strcmp(other->uid, pod->uid) == 0 &&
		    strcmp(other->name, pod->name) == 0) {
			*ret_position = i;
			return true;
		}
	}
	return false;
}

static void pass_on(struct ss_follow *follow, enum ss_pod_change change, const struct ss_pod *pod)
{
	if (follow->callbacks.pod)
		follow->callbacks.pod(change, pod, follow->callbacks.user_data);
}

static void pod_added(struct ss_follow *follow, const struct ss_pod *pod)
{
	struct ss_error error = {0};
	struct ss_target *target;
	int r;

	pass_on(follow, SS_POD_ADDED, pod); /* first: no handshake in frames without its keys */
	r = ss_target_new_pod(follow->context, pod, &target, &error);
	if (r < 0)
		pass_on(follow, SS_POD_REMOVED, pod);
	if (r == -EPIPE || (r < 0 && follow->starting)) {
		ss_fail(follow->error, r, "%s", error.message);
		fail(follow, r);
	} else if (r < 0) {
		ss_log(SS_LOG_WARNING, "%s", error.message);
	} else {
		add_target(follow, target);
		if (!follow->starting)
			tell_pod(follow, "pod-started", pod, "started");
	}
}

static void pod_changed(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_follow *follow = user_data;
	guint position;
	bool known;
	int r;

	if (follow->status || !ss_selection_match(&follow->selection, pod))
		return;
	known = find_target(follow, pod, &position);
	if (change == SS_POD_REMOVED) {
		if (!known)
			return;
		remove_target(follow, position);
		pass_on(follow, SS_POD_REMOVED, pod);
		tell_pod(follow, "pod-gone", pod, "is gone");
	} else if (!known) {
		pod_added(follow, pod);
	} else {
		r = ss_target_update(follow->targets->pdata[position], pod, follow->error);
		if (r < 0)
			fail(follow, r);
		else
			pass_on(follow, SS_POD_CHANGED, pod);
	}
}

static void peer_changed(enum ss_object_change change, const struct ss_pod *pod, void *user_data)
{
	const struct ss_follow *follow = user_data;

	if (follow->callbacks.peer)
		follow->callbacks.peer(change, pod, follow->callbacks.user_data);
}

static void service_changed(enum ss_object_change change, const struct ss_service *service,
			    void *user_data)
{
	const struct ss_follow *follow = user_data;

	if (follow->callbacks.service)
		follow->callbacks.service(change, service, follow->callbacks.user_data);
}

static void node_changed(enum ss_object_change change, const struct ss_cluster_node *node,
			 void *user_data)
{
	const struct ss_follow *follow = user_data;

	if (follow->callbacks.node)
		follow->callbacks.node(change, node, follow->callbacks.user_data);
}

static int parse_selection(struct ss_follow *follow)
{
	const struct ss_options *options = follow->options;
	int r = 0;

	for (guint i = 0; i < options->namespaces->len && r == 0; i++)
		r = ss_selection_add_namespace(&follow->selection, options->namespaces->pdata[i],
					       follow->error);
	for (guint i = 0; i < options->pods->len && r == 0; i++)
		r = ss_selection_add_name(&follow->selection, options->pods->pdata[i],
					  follow->error);
	return r;
}

/* A bare name means the pod that it named at the start, not its namesakes that come later. */
static void pin_names(struct ss_follow *follow, const GPtrArray *chosen)
{
	ss_selection_deinit(&follow->selection);
	ss_selection_init(&follow->selection);
	for (guint i = 0; i < chosen->len; i++) {
		const struct ss_pod *pod = chosen->pdata[i];
		g_autofree char *name = g_strconcat(pod->namespace, "/", pod->name, NULL);

		ss_selection_add_name(&follow->selection, name, NULL);
	}
}

/* Says what is wrong with the selection before anything is attached. */
static int check_selection(struct ss_follow *follow)
{
	bool wait = follow->options->wait, named = follow->options->pods->len > 0;
	g_autoptr(GPtrArray) chosen = NULL;
	g_autoptr(GPtrArray) pods = NULL;
	struct ss_error error = {0};
	int r;

	r = ss_directory_pods(follow->directory, &pods, &error);
	if (r == 0)
		r = ss_selection_resolve(&follow->selection, pods, &chosen, &error);
	if (r < 0 && wait && r != -ENOTUNIQ)
		return 0;
	if (r < 0)
		return ss_fail(follow->error, r, "%s", error.message);
	for (guint i = 0; i < chosen->len && named && !wait; i++) {
		const struct ss_pod *pod = chosen->pdata[i];

		if (!pod->pid)
			return ss_fail(follow->error, -ENOENT,
				       "pod %s/%s has no running process: it has ended or has not "
				       "started; --wait waits for it",
				       pod->namespace, pod->name);
	}
	if (named)
		pin_names(follow, chosen);
	return 0;
}

static int start_pods(struct ss_follow *follow)
{
	const struct ss_directory_options options = {0};
	const struct ss_directory_callbacks callbacks = {
		.pod = pod_changed,
		.peer = peer_changed,
		.service = service_changed,
		.node = node_changed,
		.user_data = follow,
	};
	struct ss_error error = {0};
	int r = parse_selection(follow);

	if (r < 0)
		return r;
	follow->directory = ss_directory_new(follow->loop, &options, &callbacks);
	r = ss_directory_prepare(follow->directory, PROVIDERS_WAIT_MS, &error);
	if (r < 0 && !follow->options->wait)
		return ss_fail(follow->error, r, "%s", error.message);
	r = check_selection(follow);
	if (r < 0)
		return r;
	follow->starting = true;
	r = ss_directory_start(follow->directory, 0, follow->error);
	follow->starting = false;
	return r < 0 ? r : follow->status;
}

static int start_devices(struct ss_follow *follow)
{
	for (guint i = 0; i < follow->options->interfaces->len; i++) {
		const char *device = follow->options->interfaces->pdata[i];
		struct ss_target *target;
		int r = ss_target_new_device(follow->context, device, &target, follow->error);

		if (r < 0)
			return r;
		add_target(follow, target);
	}
	return 0;
}

struct ss_follow *ss_follow_new(struct ss_loop *loop, const struct ss_options *options,
				struct ss_target_context *context,
				const struct ss_follow_callbacks *callbacks, struct ss_error *error)
{
	struct ss_follow *follow = g_new0(struct ss_follow, 1);

	follow->loop = loop;
	follow->options = options;
	follow->context = context;
	follow->callbacks = *callbacks;
	follow->error = error;
	follow->targets = g_ptr_array_new();
	ss_selection_init(&follow->selection);
	return follow;
}

void ss_follow_free(struct ss_follow *follow)
{
	if (!follow)
		return;
	ss_follow_stop(follow);
	ss_directory_free(follow->directory);
	ss_selection_deinit(&follow->selection);
	g_ptr_array_unref(follow->targets);
	g_free(follow);
}

int ss_follow_start(struct ss_follow *follow)
{
	int r = start_devices(follow);

	if (r == 0 && (follow->options->pods->len || follow->options->namespaces->len))
		r = start_pods(follow);
	return r;
}

void ss_follow_stop(struct ss_follow *follow)
{
	while (follow->targets->len)
		remove_target(follow, follow->targets->len - 1);
}

bool ss_follow_is_watching(const struct ss_follow *follow)
{
	return follow->directory || g_ptr_array_find_with_equal_func(follow->options->interfaces,
								     "any", g_str_equal, NULL);
}

char *ss_follow_summary(const struct ss_follow *follow)
{
	const struct ss_target *first;

	if (follow->targets->len == 0)
		return NULL;
	first = follow->targets->pdata[0];
	if (follow->targets->len == 1)
		return g_strdup_printf("%s, hooked by %s", ss_target_name(first),
				       ss_target_how(first));
	return g_strdup_printf("%s and %u more", ss_target_name(first), follow->targets->len - 1);
}

void ss_follow_count(struct ss_follow *follow, uint64_t drops[SS_DROP_CAUSES])
{
	for (int cause = 0; cause < SS_DROP_CAUSES; cause++)
		drops[cause] += follow->context->retired_drops[cause];
	for (guint i = 0; i < follow->targets->len; i++)
		ss_target_count(follow->targets->pdata[i], drops);
}
