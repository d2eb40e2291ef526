/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pods are meant, and what is said when none is. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "k8s/select.h"

static void pod_destroy(gpointer pod)
{
	ss_pod_free(pod);
}

/* "namespace/name" each */
static GPtrArray *make_pods(const char *const *names)
{
	GPtrArray *pods = g_ptr_array_new_with_free_func(pod_destroy);

	for (; *names; names++) {
		const char *slash = strchr(*names, '/');
		struct ss_pod *pod = ss_pod_new();

		pod->namespace = g_strndup(*names, (gsize)(slash - *names));
		pod->name = g_strdup(slash + 1);
		g_ptr_array_add(pods, pod);
	}
	return pods;
}

static const char *const cluster[] = {
	"kube-system/coredns-5d78c9869d-abcde",
	"production/api",
	"production/db-0",
	"staging/api",
	"staging/web",
	NULL,
};

/* Lists end with NULL. Expects the sentence, or the number of pods. */
static void assert_selection(const char *const *namespaces, const char *const *names,
			     const char *const *nodes_pods, int code, guint count,
			     const char *sentence)
{
	g_autoptr(GPtrArray) pods = make_pods(nodes_pods), meant = NULL;
	struct ss_selection selection;
	struct ss_error error = {};
	int r;

	ss_selection_init(&selection);
	for (; namespaces && *namespaces; namespaces++)
		g_assert_cmpint(ss_selection_add_namespace(&selection, *namespaces, &error), ==, 0);
	for (; names && *names; names++)
		g_assert_cmpint(ss_selection_add_name(&selection, *names, &error), ==, 0);
	r = ss_selection_resolve(&selection, pods, &meant, &error);
	g_assert_cmpstr(error.message, ==, sentence);
	g_assert_cmpint(r, ==, code);
	if (r == 0)
		g_assert_cmpuint(meant->len, ==, count);
	else
		g_assert_null(meant);
	ss_selection_deinit(&selection);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_empty_means_all(void)
{
	assert_selection(NULL, NULL, cluster, 0, 5, "");
}

static void test_names(void)
{
	assert_selection(NULL, LIST("web"), cluster, 0, 1, "");
	assert_selection(NULL, LIST("production/api"), cluster, 0, 1, "");
	assert_selection(NULL, LIST("production/api", "web"), cluster, 0, 2, "");
	assert_selection(LIST("staging"), NULL, cluster, 0, 2, "");
	assert_selection(LIST("staging"), LIST("api"), cluster, 0, 1, "");
	assert_selection(LIST("staging", "production"), LIST("api"), cluster, 0, 2, "");
}

static void test_ambiguous(void)
{
	assert_selection(NULL, LIST("api"), cluster, -ENOTUNIQ, 0,
			 "pod 'api' exists in several namespaces (production/api, staging/api); "
			 "say which: 'production/api' or --namespace production");
}

static void test_near_matches(void)
{
	assert_selection(NULL, LIST("ap1"), cluster, -ENOENT, 0,
			 "no pod 'ap1' on this node; near matches: production/api, staging/api");
	assert_selection(NULL, LIST("coredns"), cluster, -ENOENT, 0,
			 "no pod 'coredns' on this node; near matches: "
			 "kube-system/coredns-5d78c9869d-abcde");
	assert_selection(NULL, LIST("production/web"), cluster, -ENOENT, 0,
			 "no pod 'production/web' on this node; near matches: staging/web");
	assert_selection(
		LIST("produktion"), NULL, cluster, -ENOENT, 0,
		"no pods of namespace 'produktion' on this node; near matches: production");
	assert_selection(NULL, LIST("zzzzzz"), cluster, -ENOENT, 0,
			 "no pod 'zzzzzz' on this node; 'stratoshark pods' lists them");
}

static void test_at_most_five(void)
{
	assert_selection(NULL, LIST("api"),
			 LIST("n/api-1", "n/api-2", "n/api-3", "n/api-4", "n/api-5", "n/api-6"),
			 -ENOENT, 0,
			 "no pod 'api' on this node; near matches: n/api-1, n/api-2, n/api-3, "
			 "n/api-4, n/api-5");
	assert_selection(
		NULL, LIST("api"), LIST("a/api", "b/api", "c/api", "d/api", "e/api", "f/api"),
		-ENOTUNIQ, 0,
		"pod 'api' exists in several namespaces (a/api, b/api, c/api, d/api, e/api "
		"and 1 more); say which: 'a/api' or --namespace a");
}

static void test_no_pods(void)
{
	assert_selection(
		NULL, LIST("api"), (const char *const[]){NULL}, -ENOENT, 0,
		"no pods on this node: /var/log/pods, where the kubelet keeps their logs, is "
		"empty or missing; run this on a Kubernetes node, or in a container that "
		"mounts the node's /var/log");
}

static void test_misspelt(void)
{
	static const char *const names[] = {"",     "Api", "a_b",   "/",
					    "/api", "ns/", "a/b/c", "ns/a b"};
	struct ss_selection selection;

	ss_selection_init(&selection);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		struct ss_error error = {};

		g_assert_cmpint(ss_selection_add_name(&selection, names[i], &error), ==, -EINVAL);
		g_assert_nonnull(strstr(error.message, "NAMESPACE/NAME"));
		error.message[0] = '\0';
		g_assert_cmpint(ss_selection_add_namespace(&selection, names[i], &error), ==,
				-EINVAL);
		g_assert_nonnull(strstr(error.message, "lower-case"));
	}
	g_assert_cmpuint(selection.names->len + selection.namespaces->len, ==, 0);
	ss_selection_deinit(&selection);
}

static void test_match(void)
{
	g_autoptr(GPtrArray) pods = make_pods(cluster);
	struct ss_selection selection;

	ss_selection_init(&selection);
	g_assert_true(ss_selection_match(&selection, pods->pdata[1]));
	ss_selection_add_namespace(&selection, "staging", NULL);
	g_assert_false(ss_selection_match(&selection, pods->pdata[1]));
	g_assert_true(ss_selection_match(&selection, pods->pdata[3]));
	ss_selection_add_name(&selection, "prod/api", NULL);
	g_assert_false(ss_selection_match(&selection, pods->pdata[3]));
	ss_selection_deinit(&selection);
}

/* Not the container of a pod that was chosen: it may just be started anew. */
static void test_still_match(void)
{
	g_autoptr(GPtrArray) pods = make_pods(cluster);
	struct ss_selection selection;

	ss_selection_init(&selection);
	ss_selection_add_container(&selection, "web", NULL);
	g_assert_false(ss_selection_match(&selection, pods->pdata[1]));
	g_assert_true(ss_selection_still_match(&selection, pods->pdata[1]));
	g_assert_true(ss_selection_may_match(&selection, pods->pdata[1]));
	ss_selection_add_namespace(&selection, "staging", NULL);
	g_assert_false(ss_selection_still_match(&selection, pods->pdata[1]));
	g_assert_false(ss_selection_may_match(&selection, pods->pdata[1]));
	ss_selection_deinit(&selection);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/select/empty-means-all", test_empty_means_all);
	g_test_add_func("/select/names", test_names);
	g_test_add_func("/select/ambiguous", test_ambiguous);
	g_test_add_func("/select/near-matches", test_near_matches);
	g_test_add_func("/select/at-most-five", test_at_most_five);
	g_test_add_func("/select/no-pods", test_no_pods);
	g_test_add_func("/select/misspelt", test_misspelt);
	g_test_add_func("/select/match", test_match);
	g_test_add_func("/select/still-match", test_still_match);
	return g_test_run();
}
