/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selection by namespace, name, labels, owner and container. */
#include "select.h"

#include <errno.h>
#include <string.h>

#include "k8s/misfit.h"
#include "k8s/podname.h"
#include "k8s/selector.h"
#include "k8s/workload.h"

static void selector_destroy(gpointer selector)
{
	ss_selector_free(selector);
}

static void workload_destroy(gpointer workload)
{
	ss_workload_name_free(workload);
}

void ss_selection_init(struct ss_selection *selection)
{
	selection->namespaces = g_ptr_array_new_with_free_func(g_free);
	selection->names = g_ptr_array_new_with_free_func(g_free);
	selection->selectors = g_ptr_array_new_with_free_func(selector_destroy);
	selection->workloads = g_ptr_array_new_with_free_func(workload_destroy);
	selection->containers = g_ptr_array_new_with_free_func(g_free);
}

void ss_selection_deinit(struct ss_selection *selection)
{
	g_clear_pointer(&selection->namespaces, g_ptr_array_unref);
	g_clear_pointer(&selection->names, g_ptr_array_unref);
	g_clear_pointer(&selection->selectors, g_ptr_array_unref);
	g_clear_pointer(&selection->workloads, g_ptr_array_unref);
	g_clear_pointer(&selection->containers, g_ptr_array_unref);
}

int ss_selection_add_namespace(struct ss_selection *selection, const char *name,
			       struct ss_error *error)
{
	if (!ss_podname_is_label(name, strlen(name)))
		return ss_fail(error, -EINVAL,
			       "'%.80s' is no namespace name: use at most 63 lower-case letters, "
			       "digits and '-'",
			       name);
	g_ptr_array_add(selection->namespaces, g_strdup(name));
	return 0;
}

int ss_selection_add_name(struct ss_selection *selection, const char *name, struct ss_error *error)
{
	const char *bare = ss_podname_bare(name);

	if ((bare > name && !ss_podname_is_label(name, (size_t)(bare - name - 1))) ||
	    !ss_podname_is_subdomain(bare, strlen(bare)))
		return ss_fail(
			error, -EINVAL,
			"'%.300s' is no pod name: write NAME or NAMESPACE/NAME in lower-case "
			"letters, digits, '-' and '.'",
			name);
	g_ptr_array_add(selection->names, g_strdup(name));
	return 0;
}

int ss_selection_add_selector(struct ss_selection *selection, const char *text,
			      struct ss_error *error)
{
	struct ss_selector *selector;
	int r = ss_selector_new(text, &selector, error);

	if (r == 0)
		g_ptr_array_add(selection->selectors, selector);
	return r;
}

int ss_selection_add_workload(struct ss_selection *selection, const char *text,
			      struct ss_error *error)
{
	struct ss_workload_name *workload;
	int r = ss_workload_name_parse(text, &workload, error);

	if (r == 0)
		g_ptr_array_add(selection->workloads, workload);
	return r;
}

int ss_selection_add_container(struct ss_selection *selection, const char *name,
			       struct ss_error *error)
{
	if (!ss_podname_is_label(name, strlen(name)))
		return ss_fail(error, -EINVAL,
			       "'%.80s' is no container name: use at most 63 lower-case letters, "
			       "digits and '-'",
			       name);
	g_ptr_array_add(selection->containers, g_strdup(name));
	return 0;
}

int ss_selection_from_options(struct ss_selection *selection, const struct ss_options *options,
			      struct ss_error *error)
{
	const struct {
		const GPtrArray *texts;
		int (*add)(struct ss_selection *selection, const char *text,
			   struct ss_error *error);
	} lists[] = {
		{options->namespaces, ss_selection_add_namespace},
		{options->pods, ss_selection_add_name},
		{options->selectors, ss_selection_add_selector},
		{options->workloads, ss_selection_add_workload},
		{options->containers, ss_selection_add_container},
	};
	int r = 0;

	ss_selection_init(selection);
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
		for (guint j = 0; j < lists[i].texts->len && r == 0; j++)
			r = lists[i].add(selection, lists[i].texts->pdata[j], error);
	return r;
}

bool ss_selection_needs_labels(const struct ss_selection *selection)
{
	return selection->selectors->len > 0;
}

bool ss_selection_needs_workload(const struct ss_selection *selection)
{
	for (guint i = 0; i < selection->workloads->len; i++) {
		const struct ss_workload_name *workload = selection->workloads->pdata[i];

		if (strcmp(workload->kind, "Pod"))
			return true;
	}
	return false;
}

static bool in_namespaces(const struct ss_selection *selection, const struct ss_pod *pod)
{
	return selection->namespaces->len == 0 ||
	       g_ptr_array_find_with_equal_func(selection->namespaces, pod->namespace, g_str_equal,
						NULL);
}

static bool has_name(const struct ss_pod *pod, const char *name)
{
	const char *bare = ss_podname_bare(name);
	size_t length = bare > name ? (size_t)(bare - name - 1) : 0;

	if (strcmp(pod->name, bare))
		return false;
	return bare == name ||
	       (strlen(pod->namespace) == length && !memcmp(pod->namespace, name, length));
}

static bool in_names(const struct ss_selection *selection, const struct ss_pod *pod)
{
	for (guint i = 0; i < selection->names->len; i++)
		if (has_name(pod, selection->names->pdata[i]))
			return true;
	return selection->names->len == 0;
}

static bool in_workloads(const struct ss_selection *selection, const struct ss_pod *pod)
{
	for (guint i = 0; i < selection->workloads->len; i++)
		if (ss_workload_has_pod(selection->workloads->pdata[i], pod))
			return true;
	return selection->workloads->len == 0;
}

static bool in_containers(const struct ss_selection *selection, const struct ss_pod *pod)
{
	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];

		if (container->name &&
		    g_ptr_array_find_with_equal_func(selection->containers, container->name,
						     g_str_equal, NULL))
			return true;
	}
	return selection->containers->len == 0;
}

static bool fits_labels(const struct ss_selection *selection, const struct ss_pod *pod)
{
	for (guint i = 0; i < selection->selectors->len; i++)
		if (!pod->sources[SS_FACT_LABELS] || /* "!key" is no guess about what is unknown */
		    !ss_selector_match(selection->selectors->pdata[i], pod->labels))
			return false;
	return true;
}

bool ss_selection_still_match(const struct ss_selection *selection, const struct ss_pod *pod)
{
	return in_namespaces(selection, pod) && in_names(selection, pod) &&
	       fits_labels(selection, pod) && in_workloads(selection, pod);
}

bool ss_selection_match(const struct ss_selection *selection, const struct ss_pod *pod)
{
	return ss_selection_still_match(selection, pod) && in_containers(selection, pod);
}

bool ss_selection_may_match(const struct ss_selection *selection, const struct ss_pod *pod)
{
	return in_namespaces(selection, pod) && in_names(selection, pod);
}

static int resolve_name(const struct ss_selection *selection, const char *name,
			const GPtrArray *pods, struct ss_error *error)
{
	g_autoptr(GPtrArray) matches = g_ptr_array_new();

	for (guint i = 0; i < pods->len; i++) {
		struct ss_pod *pod = pods->pdata[i];

		if (in_namespaces(selection, pod) && has_name(pod, name))
			g_ptr_array_add(matches, pod);
	}
	if (matches->len == 0)
		return ss_misfit_name(name, pods, error);
	/* several namespaces asked for by name are no accident */
	if (matches->len > 1 && selection->namespaces->len == 0)
		return ss_misfit_ambiguous(name, matches, error);
	return 0;
}

static int resolve_namespace(const char *name, const GPtrArray *pods, struct ss_error *error)
{
	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];

		if (!strcmp(pod->namespace, name))
			return 0;
	}
	return ss_misfit_namespace(name, pods, error);
}

/* Each part fits some pod or is named; if all do, it is their combination that fits none. */
static int fail_nothing(const struct ss_selection *selection, const GPtrArray *pods,
			struct ss_error *error)
{
	struct ss_selection part = *selection;
	GPtrArray one = {NULL, 1};

	for (guint i = 0; i < selection->selectors->len; i++) {
		bool found = false;

		for (guint j = 0; j < pods->len && !found; j++) {
			const struct ss_pod *pod = pods->pdata[j];

			found = in_namespaces(selection, pod) &&
				ss_selector_match(selection->selectors->pdata[i], pod->labels);
		}
		if (!found)
			return ss_misfit_selector(selection->selectors->pdata[i], pods, error);
	}
	for (guint i = 0; i < selection->workloads->len; i++) {
		bool found = false;

		one.pdata = &selection->workloads->pdata[i];
		part.workloads = &one;
		for (guint j = 0; j < pods->len && !found; j++)
			found = in_workloads(&part, pods->pdata[j]);
		if (!found)
			return ss_misfit_workload(selection->workloads->pdata[i], pods, error);
	}
	for (guint i = 0; i < selection->containers->len; i++) {
		bool found = false;

		one.pdata = &selection->containers->pdata[i];
		part.containers = &one;
		for (guint j = 0; j < pods->len && !found; j++)
			found = in_containers(&part, pods->pdata[j]);
		if (!found)
			return ss_misfit_container(selection->containers->pdata[i], pods, error);
	}
	return ss_fail(error, -ENOENT,
		       "no pod on this node fits all that was asked for; '" PROGRAM_NAME
		       " pods -o wide' lists them with their labels");
}

int ss_selection_resolve(const struct ss_selection *selection, const GPtrArray *pods,
			 GPtrArray **ret_pods, struct ss_error *error)
{
	GPtrArray *meant;
	int r;

	if (pods->len == 0)
		return ss_fail(error, -ENOENT,
			       "no pods on this node: /var/log/pods, where the kubelet keeps their "
			       "logs, is empty or missing; run this on a Kubernetes node, or in a "
			       "container that mounts the node's /var/log");
	for (guint i = 0; i < selection->namespaces->len; i++) {
		r = resolve_namespace(selection->namespaces->pdata[i], pods, error);
		if (r < 0)
			return r;
	}
	for (guint i = 0; i < selection->names->len; i++) {
		r = resolve_name(selection, selection->names->pdata[i], pods, error);
		if (r < 0)
			return r;
	}
	meant = g_ptr_array_new();
	for (guint i = 0; i < pods->len; i++)
		if (ss_selection_match(selection, pods->pdata[i]))
			g_ptr_array_add(meant, pods->pdata[i]);
	if (meant->len == 0) {
		g_ptr_array_unref(meant);
		return fail_nothing(selection, pods, error);
	}
	*ret_pods = meant;
	return 0;
}
