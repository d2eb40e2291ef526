/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Label selectors: what kubectl takes, what it refuses, and what fits. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "k8s/pod.h"
#include "k8s/selector.h"

/* "key=value,key=value" */
static GPtrArray *make_labels(const char *text)
{
	GPtrArray *labels = ss_labels_new();
	g_auto(GStrv) pairs = g_strsplit(text, ",", -1);

	for (char **pair = pairs; *pair && **pair; pair++) {
		char *equals = strchr(*pair, '=');

		*equals = '\0';
		ss_labels_set(labels, *pair, equals + 1);
	}
	return labels;
}

static const struct {
	const char *selector, *labels;
	bool fits;
} cases[] = {
	{"", "", true},
	{"", "app=api", true},
	{"  ", "app=api", true},
	{"app=api", "app=api", true},
	{"app=api", "app=web", false},
	{"app=api", "", false},
	{"app==api", "app=api", true},
	{" app = api ", "app=api", true},
	{"app=", "app=", true},
	{"app=", "app=api", false},
	{"app=,tier=db", "app=,tier=db", true},
	{"app!=", "app=", false},
	{"app!=", "app=api", true},
	{"app!=api", "app=web", true},
	{"app!=api", "", true}, /* without the key, too */
	{"app!=api", "app=api", false},
	{"app=api,tier!=db", "app=api,tier=web", true},
	{"app=api,tier!=db", "app=api,tier=db", false},
	{"app", "app=", true},
	{"app", "tier=db", false},
	{"!app", "tier=db", true},
	{"! app", "app=api", false},
	{"!app,tier", "tier=db", true},
	{"app in (api)", "app=api", true},
	{"app in (api, web)", "app=web", true},
	{"app in(api,web)", "app=db", false},
	{"app in (api, web)", "", false},
	{"app in (,api)", "app=", true},
	{"app in (api,)", "app=", true},
	{"app in (api,,web)", "app=", true},
	{"app in (,)", "app=", true},
	{"app notin (api,web)", "app=db", true},
	{"app notin (api,web)", "app=web", false},
	{"app notin (api)", "", true},
	{"in in (in)", "in=in", true},
	{"notin notin (in,notin)", "notin=in", false},
	{"in", "in=1", true},
	{"x=in", "x=in", true},
	{"cores>2", "cores=10", true},
	{"cores>2", "cores=2", false},
	{"cores<2", "cores=1", true},
	{"cores<2", "cores=many", false},
	{"cores > 2", "", false},
	{"app.kubernetes.io/name=api", "app.kubernetes.io/name=api", true},
	{"A_b.c-D=X_y.z-1", "A_b.c-D=X_y.z-1", true},
	{"a=1,a=2", "a=1", false},
	{"a\t=\n1", "a=1", true},
};

static void test_fits(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GPtrArray) labels = make_labels(cases[i].labels);
		struct ss_selector *selector;
		struct ss_error error = {0};

		if (ss_selector_new(cases[i].selector, &selector, &error) < 0)
			g_error("'%s': %s", cases[i].selector, error.message);
		if (ss_selector_match(selector, labels) != cases[i].fits)
			g_error("'%s' and '%s'", cases[i].selector, cases[i].labels);
		g_assert_cmpstr(ss_selector_text(selector), ==, cases[i].selector);
		ss_selector_free(selector);
	}
}

#define SEVENTY "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg"

static const char *const wrong[] = {
	",",
	"app,",
	",app",
	"app=api,",
	"app=api,,tier",
	"=api",
	"!",
	"!!app",
	"app=api=web",
	"app===api",
	"app=!api",
	"app!",
	"app api",
	"app in",
	"app in api",
	"app in (",
	"app in (api",
	"app in ()",
	"app in (api web)",
	"app notin ()",
	"app in (api))",
	"(app)",
	"app='api'",
	"app=\"api\"",
	"'app'=api",
	"app=-api",
	"app=api-",
	"-app=api",
	"app-",
	"app=a b",
	"app=" SEVENTY,
	SEVENTY,
	"/app",
	"app/",
	"a/b/c",
	"Domain.io/app=api",
	"domain..io/app",
	"app>api",
	"app<",
	"app>",
	"app>1.5",
	"app=a@b",
	"app=\xc3\xa4",
	"!app=api",
	"!app in (api)",
	"app in (a,b),",
	"app=api;tier=db",
	"app=1 tier=2",
};

static void test_wrong(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		struct ss_selector *selector = NULL;
		struct ss_error error = {0};

		if (ss_selector_new(wrong[i], &selector, &error) != -EINVAL)
			g_error("'%s' is taken", wrong[i]);
		g_assert_cmpuint(strlen(error.message), >, 0);
		g_assert_null(selector);
	}
}

static void assert_sentence(const char *text, const char *sentence)
{
	struct ss_selector *selector;
	struct ss_error error = {0};

	g_assert_cmpint(ss_selector_new(text, &selector, &error), ==, -EINVAL);
	g_assert_cmpstr(error.message, ==, sentence);
}

static void test_sentences(void)
{
	assert_sentence("app in (api", "label selector 'app in (api' ends where ',' or ')' is "
				       "expected");
	assert_sentence("app=api tier=db", "label selector 'app=api tier=db': 'tier' at character "
					   "9, where ',' is expected");
	assert_sentence("app='x'", "label selector 'app='x'': ''x'' is no label value: at most 63 "
				   "letters, digits, '-', '_' and '.', the first and last a letter "
				   "or digit (selectors have no quotes)");
}

static void test_misfit(void)
{
	g_autoptr(GPtrArray) labels = make_labels("app=api,tier=db");
	struct ss_selector *selector;

	g_assert_cmpint(ss_selector_new("app=api,tier!=db", &selector, NULL), ==, 0);
	g_assert_cmpstr(ss_selector_misfit(selector, labels), ==, "tier");
	ss_selector_free(selector);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/k8s-selector/fits", test_fits);
	g_test_add_func("/k8s-selector/wrong", test_wrong);
	g_test_add_func("/k8s-selector/sentences", test_sentences);
	g_test_add_func("/k8s-selector/misfit", test_misfit);
	return g_test_run();
}
