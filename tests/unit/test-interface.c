/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interface.h"

#include <glib.h>

#include "format/metadata.h"
#include "format/pcapng.h"

static void test_new(void)
{
	struct ss_interface *interface = ss_interface_new("eth0", SS_LINKTYPE_RAW);

	g_assert_cmpstr(interface->name, ==, "eth0");
	g_assert_cmpstr(interface->description, ==, "");
	g_assert_null(interface->filter);
	g_assert_cmpuint(interface->link_type, ==, SS_LINKTYPE_RAW);
	g_assert_cmpuint(interface->snap_len, ==, 0);
	g_assert_false(interface->has_mac);
	ss_interface_free(interface);
	ss_interface_free(NULL);
}

static void test_describe(void)
{
	struct ss_interface *interface = ss_interface_new("x", SS_LINKTYPE_ETHERNET);

	ss_interface_describe(interface, SS_INTERFACE_KEY_POD, "api");
	ss_interface_describe(interface, SS_INTERFACE_KEY_NAMESPACE, NULL);
	ss_interface_describe(interface, SS_INTERFACE_KEY_CONTAINER, "");
	ss_interface_describe(interface, SS_INTERFACE_KEY_DEVICE, "eth0");
	g_assert_cmpstr(interface->description, ==, "pod=api; device=eth0");
	ss_interface_free(interface);
}

/* A value can't end its pair, begin another, or reach a terminal as a control sequence. */
static void test_escapes(void)
{
	static const struct {
		const char *value, *expected;
	} cases[] = {
		{"a;b", "node=a%3Bb"},      {"a=b", "node=a%3Db"},         {"100%", "node=100%25"},
		{"\x1b[2J", "node=%1B[2J"}, {"a\nb\x01", "node=a%0Ab%01"}, {"\x7f", "node=%7F"},
		{"Grüße", "node=Grüße"},    {"a b,c/d", "node=a b,c/d"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ss_interface *interface = ss_interface_new("x", SS_LINKTYPE_ETHERNET);

		ss_interface_describe(interface, SS_INTERFACE_KEY_NODE, cases[i].value);
		g_assert_cmpstr(interface->description, ==, cases[i].expected);
		ss_interface_free(interface);
	}
}

static void test_pod_name(void)
{
	g_autofree char *first = ss_interface_pod_name("production", "api", NULL);
	g_autofree char *other = ss_interface_pod_name("production", "api", "lo");

	g_assert_cmpstr(first, ==, "stratoshark-pod:production/api");
	g_assert_cmpstr(other, ==, "stratoshark-pod:production/api/lo");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/interface/new", test_new);
	g_test_add_func("/interface/describe", test_describe);
	g_test_add_func("/interface/describe-escapes", test_escapes);
	g_test_add_func("/interface/pod-name", test_pod_name);
	return g_test_run();
}
