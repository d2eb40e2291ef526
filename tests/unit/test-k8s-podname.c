/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of log directories and links; what the kubelet would not write is refused. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "k8s/podname.h"

#define UID "0f3a1c52-7d0e-4b7e-9c1a-2f6b8e4d5a10"
#define ID  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_names(void)
{
	static const struct {
		const char *name;
		gboolean label, subdomain;
	} names[] = {
		{"api", TRUE, TRUE},     {"api-7f9c-x2", TRUE, TRUE}, {"0", TRUE, TRUE},
		{"api.v1", FALSE, TRUE}, {"a.b-c.d", FALSE, TRUE},    {"", FALSE, FALSE},
		{"-api", FALSE, FALSE},  {"api-", FALSE, FALSE},      {"Api", FALSE, FALSE},
		{"a_b", FALSE, FALSE},   {".", FALSE, FALSE},         {"..", FALSE, FALSE},
		{"a..b", FALSE, FALSE},  {".a", FALSE, FALSE},        {"a.", FALSE, FALSE},
		{"a.-b", FALSE, FALSE},  {"a-.b", FALSE, FALSE},      {"a/b", FALSE, FALSE},
		{"a b", FALSE, FALSE},   {"a\nb", FALSE, FALSE},      {"\xc3\xa4", FALSE, FALSE},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *name = names[i].name;

		g_test_message("%s", name);
		g_assert_true(ss_podname_is_label(name, strlen(name)) == names[i].label);
		g_assert_true(ss_podname_is_subdomain(name, strlen(name)) == names[i].subdomain);
	}
}

static void test_lengths(void)
{
	g_autofree char *text = g_strnfill(300, 'a');

	g_assert_true(ss_podname_is_label(text, 63));
	g_assert_false(ss_podname_is_label(text, 64));
	g_assert_true(ss_podname_is_subdomain(text, 253));
	g_assert_false(ss_podname_is_subdomain(text, 254));
	g_assert_true(ss_podname_is_uid(text, 64));
	g_assert_false(ss_podname_is_uid(text, 65));
	g_assert_true(ss_podname_is_container_id(text, 64));
	g_assert_false(ss_podname_is_container_id(text, 63));
}

static void test_directory(void)
{
	struct ss_podname_directory name;

	g_assert_cmpint(ss_podname_parse_directory("production_api.v1-0_" UID, &name), ==, 0);
	g_assert_cmpstr(name.namespace, ==, "production");
	g_assert_cmpstr(name.pod, ==, "api.v1-0");
	g_assert_cmpstr(name.uid, ==, UID);
}

static void test_directory_refused(void)
{
	static const char *const names[] = {
		"",         ".",       "..",      "_",       "__",    "a_b",
		"a_b_",     "_b_c",    "a__c",    "a_b_c_d", "A_b_c", "a_../../etc_c",
		"a_b_../c", "a.b_c_d", "a_b_c d",
	};
	struct ss_podname_directory name;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		g_assert_cmpint(ss_podname_parse_directory(names[i], &name), ==, -EINVAL);
}

static void test_link(void)
{
	struct ss_podname_link link;

	g_assert_cmpint(ss_podname_parse_link("api-0.x_production_web-server-" ID ".log", &link),
			==, 0);
	g_assert_cmpstr(link.pod, ==, "api-0.x");
	g_assert_cmpstr(link.namespace, ==, "production");
	g_assert_cmpstr(link.container, ==, "web-server");
	g_assert_cmpstr(link.id, ==, ID);
}

/* The kubelet cuts the whole to 255 bytes. */
static void test_link_cut(void)
{
	g_autofree char *pod = g_strnfill(200, 'p');
	g_autofree char *rest = g_strconcat(pod, "_ns_c-" ID, NULL);
	g_autofree char *cut = g_strndup(rest, 251);
	g_autofree char *name = g_strconcat(cut, ".log", NULL);
	g_autofree char *shorter = g_strconcat(rest + 1, NULL);
	struct ss_podname_link link;

	g_assert_cmpint(ss_podname_parse_link(name, &link), ==, 0);
	g_assert_cmpuint(strlen(link.id), ==, 251 - 206);
	g_assert_true(g_str_has_prefix(ID, link.id));
	g_assert_cmpint(ss_podname_parse_link(shorter, &link), ==, -EINVAL);
}

static void test_link_refused(void)
{
	static const char *const names[] = {
		"",
		".log",
		"a_b_c-" ID,
		"a_b_c" ID ".log",
		"a_b_-" ID ".log",
		"a_b-" ID ".log",
		"_b_c-" ID ".log",
		"a_b_c-" ID "0.log",
		"a_b_c-0123.log",
		"a_b_c_d-" ID ".log",
		"a_b_c-zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff.log",
	};
	struct ss_podname_link link;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		g_assert_cmpint(ss_podname_parse_link(names[i], &link), ==, -EINVAL);
}

static void test_target(void)
{
	struct ss_podname_directory name;
	unsigned attempt;

	g_assert_cmpint(
		ss_podname_parse_target("/var/log/pods/ns_api_" UID "/web/12.log", &name, &attempt),
		==, 0);
	g_assert_cmpstr(name.uid, ==, UID);
	g_assert_cmpuint(attempt, ==, 12);
	g_assert_cmpint(
		ss_podname_parse_target("../pods/ns_api_" UID "/web/0.log", &name, &attempt), ==,
		0);
	g_assert_cmpint(
		ss_podname_parse_target("/var/lib/docker/containers/x/x-json.log", &name, &attempt),
		==, -EINVAL);
	g_assert_cmpint(ss_podname_parse_target("", &name, &attempt), ==, -EINVAL);
	g_assert_cmpint(ss_podname_parse_target("///", &name, &attempt), ==, -EINVAL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/podname/names", test_names);
	g_test_add_func("/podname/lengths", test_lengths);
	g_test_add_func("/podname/directory", test_directory);
	g_test_add_func("/podname/directory-refused", test_directory_refused);
	g_test_add_func("/podname/link", test_link);
	g_test_add_func("/podname/link-cut-to-255-bytes", test_link_cut);
	g_test_add_func("/podname/link-refused", test_link_refused);
	g_test_add_func("/podname/target", test_target);
	return g_test_run();
}
