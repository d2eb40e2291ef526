/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failing well: a person who mistyped a name wants to see the right one. */
#include "misfit.h"

#include <errno.h>
#include <string.h>

#include "k8s/pod.h"
#include "k8s/podname.h"

#define SUGGESTIONS_MAX 5
#define FAR             1000 /* not similar at all */

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

int ss_misfit_name(const char *name, const GPtrArray *pods, struct ss_error *error)
{
	g_autofree char *wanted_namespace = g_strndup(name, strcspn(name, "/"));
	g_autoptr(GArray) suggestions = suggestions_new();
	g_autofree char *near = NULL;

	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];
		g_autofree char *full = g_strconcat(pod->namespace, "/", pod->name, NULL);
		unsigned distance = likeness(ss_podname_bare(name), pod->name);

		/* the right name in a wrong namespace is near; in a misspelt one, nearer */
		if (distance != FAR && ss_podname_bare(name) != name)
			distance =
				2 * distance + (likeness(wanted_namespace, pod->namespace) == FAR);
		suggest(suggestions, distance, g_steal_pointer(&full));
	}
	near = describe(suggestions, "; '" PROGRAM_NAME " pods' lists them");
	return ss_fail(error, -ENOENT, "no pod '%s' on this node%s", name, near);
}

int ss_misfit_namespace(const char *name, const GPtrArray *pods, struct ss_error *error)
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

int ss_misfit_ambiguous(const char *name, const GPtrArray *matches, struct ss_error *error)
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

int ss_misfit_selector(const struct ss_selector *selector, const GPtrArray *pods,
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

int ss_misfit_workload(const struct ss_workload_name *workload, const GPtrArray *pods,
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

int ss_misfit_container(const char *name, const GPtrArray *pods, struct ss_error *error)
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
