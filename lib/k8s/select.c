/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Selection by namespace and name. Most of this file is about failing well: a person who mistyped a
 * name wants to see the right one.
 */
#include "select.h"

#include <errno.h>
#include <string.h>

#include "k8s/podname.h"

#define SUGGESTIONS_MAX 5
#define FAR             1000 /* not similar at all */

void ss_selection_init(struct ss_selection *selection)
{
	selection->namespaces = g_ptr_array_new_with_free_func(g_free);
	selection->names = g_ptr_array_new_with_free_func(g_free);
}

void ss_selection_deinit(struct ss_selection *selection)
{
	g_clear_pointer(&selection->namespaces, g_ptr_array_unref);
	g_clear_pointer(&selection->names, g_ptr_array_unref);
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

bool ss_selection_match(const struct ss_selection *selection, const struct ss_pod *pod)
{
	if (!in_namespaces(selection, pod))
		return false;
	for (guint i = 0; i < selection->names->len; i++)
		if (has_name(pod, selection->names->pdata[i]))
			return true;
	return selection->names->len == 0;
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
	*ret_pods = meant;
	return 0;
}
