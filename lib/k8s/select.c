/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Selection by namespace, name, labels, owner and container. Most of this file is about failing
 * well: a person who mistyped a name wants to see the right one.
 */
#include "select.h"

#include <errno.h>
#include <string.h>

#include "k8s/podname.h"
#include "k8s/selector.h"
#include "k8s/workload.h"

#define SUGGESTIONS_MAX 5
#define FAR             1000 /* not similar at all */

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

/* "api" or "production/api": where the pod's name begins. */
static const char *bare_name(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash ? slash + 1 : name;
}

int ss_selection_add_name(struct ss_selection *selection, const char *name, struct ss_error *error)
{
	const char *bare = bare_name(name);

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
	const char *bare = bare_name(name);
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

bool ss_selection_match(const struct ss_selection *selection, const struct ss_pod *pod)
{
	return in_namespaces(selection, pod) && in_names(selection, pod) &&
	       fits_labels(selection, pod) && in_workloads(selection, pod) &&
	       in_containers(selection, pod);
}

/* Levenshtein; names are at most SS_SUBDOMAIN_MAX long. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[SS_SUBDOMAIN_MAX + 1];
	size_t length = MIN(strlen(b), SS_SUBDOMAIN_MAX);

	for (size_t j = 0; j <= length; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < length; j++) {
			unsigned above = row[j + 1];
			unsigned change = diagonal + (a[i] != b[j]);

			row[j + 1] = MIN(MIN(above, row[j]) + 1, change);
			diagonal = above;
		}
	}
	return row[length];
}

/* 0 = the same; names that contain each other come before misspelt ones. */
static unsigned likeness(const char *wanted, const char *name)
{
	unsigned distance, allowed = (unsigned)MAX(strlen(wanted) / 3, 1);

	if (!strcmp(wanted, name))
		return 0;
	distance = edit_distance(wanted, name);
	if (distance <= allowed)
		return distance;
	if (strlen(wanted) >= 2 && (strstr(name, wanted) || strstr(wanted, name)))
		return allowed + 1;
	return FAR;
}

struct suggestion {
	char *text;
	unsigned distance;
};

static void suggestion_clear(gpointer data)
{
	g_free(((struct suggestion *)data)->text);
}

static gint compare_suggestions(gconstpointer a, gconstpointer b)
{
	const struct suggestion *left = a, *right = b;

	if (left->distance != right->distance)
		return left->distance < right->distance ? -1 : 1;
	return strcmp(left->text, right->text);
}

static void suggest(GArray *suggestions, unsigned distance, char *text)
{
	struct suggestion suggestion = {text, distance};

	for (guint i = 0; i < suggestions->len && distance != FAR; i++)
		if (!strcmp(g_array_index(suggestions, struct suggestion, i).text, text))
			distance = FAR;
	if (distance == FAR)
		g_free(text);
	else
		g_array_append_val(suggestions, suggestion);
}

/* "; near matches: production/api, staging/api", or what there is at all. */
static char *describe(GArray *suggestions, const char *otherwise)
{
	GString *text = g_string_new(NULL);

	g_array_sort(suggestions, compare_suggestions);
	if (suggestions->len == 0)
		g_string_append(text, otherwise);
	for (guint i = 0; i < MIN(suggestions->len, SUGGESTIONS_MAX); i++)
		g_string_append_printf(text, "%s%s", i ? ", " : "; near matches: ",
				       g_array_index(suggestions, struct suggestion, i).text);
	return g_string_free(text, FALSE);
}

static GArray *suggestions_new(void)
{
	GArray *suggestions = g_array_new(FALSE, FALSE, sizeof(struct suggestion));

	g_array_set_clear_func(suggestions, suggestion_clear);
	return suggestions;
}

static int fail_name(const char *name, const GPtrArray *pods, struct ss_error *error)
{
	g_autofree char *wanted_namespace = g_strndup(name, strcspn(name, "/"));
	g_autoptr(GArray) suggestions = suggestions_new();
	g_autofree char *near = NULL;

	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];
		g_autofree char *full = g_strconcat(pod->namespace, "/", pod->name, NULL);
		unsigned distance = likeness(bare_name(name), pod->name);

		/* the right name in a wrong namespace is near; in a misspelt one, nearer */
		if (distance != FAR && bare_name(name) != name)
			distance =
				2 * distance + (likeness(wanted_namespace, pod->namespace) == FAR);
		suggest(suggestions, distance, g_steal_pointer(&full));
	}
	near = describe(suggestions, "; '" PROGRAM_NAME " pods' lists them");
	return ss_fail(error, -ENOENT, "no pod '%s' on this node%s", name, near);
}

static int fail_namespace(const char *name, const GPtrArray *pods, struct ss_error *error)
{
	g_autoptr(GArray) suggestions = suggestions_new();
	g_autofree char *near = NULL;

	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];

		suggest(suggestions, likeness(name, pod->namespace), g_strdup(pod->namespace));
	}
	near = describe(suggestions, "; '" PROGRAM_NAME " pods' lists them");
	return ss_fail(error, -ENOENT, "no pods of namespace '%s' on this node%s", name, near);
}

static int fail_ambiguous(const char *name, const GPtrArray *matches, struct ss_error *error)
{
	g_autoptr(GString) list = g_string_new(NULL);
	const struct ss_pod *first = matches->pdata[0];

	for (guint i = 0; i < MIN(matches->len, SUGGESTIONS_MAX); i++) {
		const struct ss_pod *pod = matches->pdata[i];

		g_string_append_printf(list, "%s%s/%s", i ? ", " : "", pod->namespace, pod->name);
	}
	if (matches->len > SUGGESTIONS_MAX)
		g_string_append_printf(list, " and %u more", matches->len - SUGGESTIONS_MAX);
	return ss_fail(error, -ENOTUNIQ,
		       "pod '%s' exists in several namespaces (%s); say which: '%s/%s' or "
		       "--namespace %s",
		       name, list->str, first->namespace, name, first->namespace);
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
		return fail_name(name, pods, error);
	/* several namespaces asked for by name are no accident */
	if (matches->len > 1 && selection->namespaces->len == 0)
		return fail_ambiguous(name, matches, error);
	return 0;
}

static int resolve_namespace(const char *name, const GPtrArray *pods, struct ss_error *error)
{
	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];

		if (!strcmp(pod->namespace, name))
			return 0;
	}
	return fail_namespace(name, pods, error);
}

/* Adds "container 'web'" to the list of what pods have instead. */
static void note_value(GPtrArray *seen, const char *value)
{
	if (value && seen->len < SUGGESTIONS_MAX &&
	    !g_ptr_array_find_with_equal_func(seen, value, g_str_equal, NULL))
		g_ptr_array_add(seen, g_strdup(value));
}

static int fail_seen(const char *what, const char *name, GPtrArray *seen, const char *instead,
		     struct ss_error *error)
{
	g_autofree char *list = NULL;

	g_ptr_array_add(seen, NULL);
	list = g_strjoinv(", ", (char **)seen->pdata);
	return ss_fail(error, -ENOENT, "no pod on this node %s '%.200s'%s%s%s", what, name,
		       *list ? "; " : "", *list ? instead : "", list);
}

static int fail_selector(const struct ss_selector *selector, const GPtrArray *pods,
			 struct ss_error *error)
{
	g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *instead = NULL;
	const char *key = NULL;

	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];
		const char *misfit = ss_selector_misfit(selector, pod->labels);

		key = key ?: misfit;
		if (misfit)
			note_value(seen, ss_labels_get(pod->labels, key));
	}
	instead = g_strdup_printf("values of '%s' here: ", key);
	return fail_seen("fits the label selector", ss_selector_text(selector), seen, instead,
			 error);
}

static int fail_workload(const struct ss_workload_name *workload, const GPtrArray *pods,
			 struct ss_error *error)
{
	g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *name = g_strdup_printf("%s/%s", workload->kind, workload->name);

	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];

		if (!g_strcmp0(pod->workload_kind, workload->kind))
			note_value(seen, pod->workload_name);
	}
	return fail_seen("belongs to", name, seen, "of this kind are here: ", error);
}

static int fail_container(const char *name, const GPtrArray *pods, struct ss_error *error)
{
	g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);

	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];

		for (guint j = 0; j < pod->containers->len; j++)
			note_value(seen,
				   ((const struct ss_container *)pod->containers->pdata[j])->name);
	}
	return fail_seen("has a container", name, seen, "containers here: ", error);
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
			return fail_selector(selection->selectors->pdata[i], pods, error);
	}
	for (guint i = 0; i < selection->workloads->len; i++) {
		bool found = false;

		one.pdata = &selection->workloads->pdata[i];
		part.workloads = &one;
		for (guint j = 0; j < pods->len && !found; j++)
			found = in_workloads(&part, pods->pdata[j]);
		if (!found)
			return fail_workload(selection->workloads->pdata[i], pods, error);
	}
	for (guint i = 0; i < selection->containers->len; i++) {
		bool found = false;

		one.pdata = &selection->containers->pdata[i];
		part.containers = &one;
		for (guint j = 0; j < pods->len && !found; j++)
			found = in_containers(&part, pods->pdata[j]);
		if (!found)
			return fail_container(selection->containers->pdata[i], pods, error);
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
