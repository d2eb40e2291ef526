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

#include "clock.h"
#include "k8s/select.h"
#include "log.h"
#include "providers.h"

#define PROVIDERS_WAIT_MS 3000 /* at the start, for what the selection needs to know */
#define AWAITED_MAX       64   /* pods that are hooked before it is known whether they are meant */
#define SPARE_PODS        4    /* programs are there before the next ones come */
#define SPARE_NS          (20 * 1000000ull) /* between one and the next */
#define SPARE_COST_NS     (50 * 1000000ull) /* dearer ones are there for one pod only */

struct ss_follow {
	struct ss_loop *loop;
	const struct ss_options *options;
	struct ss_target_context *context;
	struct ss_follow_callbacks callbacks;
	struct ss_error *error;
	GPtrArray *targets; /* struct ss_target * */
	GPtrArray *awaited; /* struct ss_target *: hooked early, nobody knows yet whether meant */
	struct ss_selection selection;
	struct ss_directory *directory;
	struct ss_timer *spare;
	unsigned spare_pods;
	struct ss_error missing; /* providers, and why */
	int missing_status;
	bool crowded;  /* it was said that there are too many new pods at once */
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

/* The loop is ours for as long as the verifier takes for one program. */
static void prepare_one(uint32_t events, void *user_data)
{
	struct ss_follow *follow = user_data;
	uint64_t start_ns = ss_clock_ns(CLOCK_MONOTONIC);

	(void)events;
	if (follow->status || ss_target_prepare(follow->context, follow->spare_pods) <= 0)
		return;
	if (ss_clock_ns(CLOCK_MONOTONIC) - start_ns > SPARE_COST_NS)
		follow->spare_pods = 1;
	ss_timer_once(follow->spare, SPARE_NS);
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
	if (follow->spare_pods && !follow->starting)
		ss_timer_once(follow->spare, SPARE_NS);
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

static bool find_target(const GPtrArray *targets, const struct ss_pod *pod, guint *ret_position)
{
	for (guint i = 0; i < targets->len; i++) {
		const struct ss_pod *other = ss_target_pod(targets->pdata[i]);

		if (other && strcmp(other->uid, pod->uid) == 0 &&
		    strcmp(other->name, pod->name) == 0) {
			*ret_position = i;
			return true;
		}
	}
	return false;
}

/* NULL: it was not hooked early. */
static struct ss_target *take_awaited(struct ss_follow *follow, const struct ss_pod *pod)
{
	guint position;

	if (!find_target(follow->awaited, pod, &position))
		return NULL;
	return g_ptr_array_steal_index_fast(follow->awaited, position);
}

static void decided(struct ss_follow *follow)
{
	if (!follow->starting && follow->status == 0 && follow->callbacks.decided)
		follow->callbacks.decided(follow->callbacks.user_data);
}

static void pass_on(struct ss_follow *follow, enum ss_pod_change change, const struct ss_pod *pod)
{
	if (follow->callbacks.pod)
		follow->callbacks.pod(change, pod, follow->callbacks.user_data);
}

/* target: NULL, or hooked already. */
static int hook_pod(struct ss_follow *follow, const struct ss_pod *pod, struct ss_target **target,
		    struct ss_error *error)
{
	int r;

	if (!*target)
		return ss_target_new_pod(follow->context, pod, false, target, error);
	r = ss_target_settle(*target, pod, error);
	if (r < 0)
		ss_target_free(*target);
	return r;
}

static void pod_added(struct ss_follow *follow, const struct ss_pod *pod, struct ss_target *target)
{
	struct ss_error error = {0};
	int r;

	pass_on(follow, SS_POD_ADDED, pod); /* first: no handshake in frames without its keys */
	r = hook_pod(follow, pod, &target, &error);
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

static void pod_left(struct ss_follow *follow, guint position, const struct ss_pod *pod,
		     const char *words)
{
	remove_target(follow, position);
	pass_on(follow, SS_POD_REMOVED, pod);
	tell_pod(follow, "pod-gone", pod, words);
}

/* A pod may come to fit, or cease to, while it lives: labels change, containers come. */
static void pod_changed(enum ss_pod_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_follow *follow = user_data;
	struct ss_target *early;
	bool known, meant;
	guint position;
	int r;

	if (follow->status)
		return;
	early = take_awaited(follow, pod);
	if (follow->callbacks.seen)
		follow->callbacks.seen(change, pod, follow->callbacks.user_data);
	known = find_target(follow->targets, pod, &position);
	if (change == SS_POD_REMOVED)
		meant = false;
	else if (known)
		meant = ss_selection_still_match(&follow->selection, pod);
	else
		meant = ss_selection_match(&follow->selection, pod);
	if (known && !meant) {
		pod_left(follow, position, pod,
			 change == SS_POD_REMOVED ? "is gone" : "is no longer selected");
	} else if (meant && !known) {
		pod_added(follow, pod, g_steal_pointer(&early));
		decided(follow);
	} else if (meant) {
		r = ss_target_update(follow->targets->pdata[position], pod, follow->error);
		if (r < 0)
			fail(follow, r);
		else
			pass_on(follow, SS_POD_CHANGED, pod);
	}
	if (early) {
		ss_target_free(early);
		decided(follow);
	}
}

/* A container of it may send its first packet before somebody tells its labels. */
static void pod_awaited(enum ss_object_change change, const struct ss_pod *pod, void *user_data)
{
	struct ss_follow *follow = user_data;
	struct ss_error error = {0};
	struct ss_target *target;
	int r;

	if (follow->status || !follow->context->early)
		return;
	if (change == SS_OBJECT_GONE) {
		target = take_awaited(follow, pod);
		if (target) {
			ss_target_free(target);
			decided(follow);
		}
		return;
	}
	if (!ss_selection_may_match(&follow->selection, pod))
		return;
	if (follow->awaited->len >= AWAITED_MAX) {
		if (!follow->crowded)
			ss_log(SS_LOG_NOTE,
			       "nobody has told the labels of %u new pods yet: of more at once the "
			       "first packets may be missed",
			       AWAITED_MAX);
		follow->crowded = true;
		return;
	}
	r = ss_target_new_pod(follow->context, pod, true, &target, &error);
	if (r < 0) /* said when it is tried again, if the pod is meant */
		ss_log(SS_LOG_DEBUG, "%s", error.message);
	else
		g_ptr_array_add(follow->awaited, target);
	ss_timer_once(follow->spare, SPARE_NS);
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

/* A bare name means the pod that it named at the start, not its namesakes that come later. */
static void pin_names(struct ss_follow *follow, const GPtrArray *chosen)
{
	g_ptr_array_set_size(follow->selection.names, 0);
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
	if (r == 0) {
		r = ss_providers_check_node(follow->options->node, pods, follow->error);
		if (r < 0)
			return r;
		r = ss_providers_check(follow->directory, &follow->selection, pods,
				       follow->missing_status, &follow->missing, follow->error);
		if (r < 0)
			return r;
		r = ss_selection_resolve(&follow->selection, pods, &chosen, &error);
	}
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
	const struct ss_options *options = follow->options;
	struct ss_directory_options needs;
	const struct ss_directory_callbacks callbacks = {
		.pod = pod_changed,
		.awaited = pod_awaited,
		.peer = peer_changed,
		.service = service_changed,
		.node = node_changed,
		.user_data = follow,
	};
	bool named = options->pods->len > 0;
	struct ss_error error = {0};
	int r;

	ss_selection_deinit(&follow->selection);
	r = ss_selection_from_options(&follow->selection, options, follow->error);
	if (r < 0)
		return r;
	needs = ss_providers_needs(&follow->selection);
	follow->directory = ss_directory_new(follow->loop, &needs, &callbacks);
	follow->missing_status =
		ss_providers_open(follow->loop, options, true, follow->directory, &follow->missing);
	r = ss_directory_prepare(follow->directory, PROVIDERS_WAIT_MS, &error);
	if (r < 0 && !options->wait)
		return ss_fail(follow->error, r, "%s", error.message);
	r = check_selection(follow);
	if (r < 0)
		return r;
	follow->starting = true;
	r = ss_directory_start(follow->directory, 0, follow->error);
	follow->starting = false;
	/* one that is named comes again when its programs are free */
	if (!named || options->wait)
		follow->spare_pods = named ? 1 : SPARE_PODS;
	if (follow->spare_pods)
		ss_timer_once(follow->spare, SPARE_NS);
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
	follow->awaited = g_ptr_array_new();
	follow->spare = ss_timer_new(loop, prepare_one, follow);
	ss_selection_init(&follow->selection);
	return follow;
}

void ss_follow_free(struct ss_follow *follow)
{
	if (!follow)
		return;
	ss_follow_stop(follow);
	ss_timer_free(follow->spare);
	ss_directory_free(follow->directory);
	ss_selection_deinit(&follow->selection);
	g_ptr_array_unref(follow->targets);
	g_ptr_array_unref(follow->awaited);
	g_free(follow);
}

int ss_follow_start(struct ss_follow *follow)
{
	int r = start_devices(follow);

	if (r == 0 && ss_options_name_pods(follow->options))
		r = start_pods(follow);
	return r;
}

void ss_follow_stop(struct ss_follow *follow)
{
	while (follow->targets->len)
		remove_target(follow, follow->targets->len - 1);
	while (follow->awaited->len)
		ss_target_free(g_ptr_array_steal_index(follow->awaited, follow->awaited->len - 1));
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
