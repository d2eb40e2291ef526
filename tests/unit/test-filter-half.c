/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which half of exchanges a filter is about, and what tshark's answers say about frames. */
#include "filter/filter.h"

#include <glib.h>

static void test_halves(void)
{
	static const struct {
		const char *text;
		enum ss_filter_protocol protocol;
		enum ss_filter_half half;
	} filters[] = {
		{"http.response.code >= 500", SS_PROTOCOL_HTTP, SS_HALF_RESPONSE},
		{"http.request.method == GET && tcp", SS_PROTOCOL_HTTP, SS_HALF_REQUEST},
		{"dns.flags.rcode != 0", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		{"dns.flags.rcode", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		{"dns.flags.response == 1", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		{"dns.flags.response != 0", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		{"dns.flags.response == 0", SS_PROTOCOL_DNS, SS_HALF_REQUEST},
		{"udp && dns.flags.response == 0", SS_PROTOCOL_DNS, SS_HALF_REQUEST},
		{"dns.time > 0.5", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		{"dns.flags.authoritative == 1", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		{"dns.a == 1.2.3.4 || dns.aaaa", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		{"dns.count.answers >= 2", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		{"dns.flags.rcode == 3 || dns.a == 1.2.3.4", SS_PROTOCOL_DNS, SS_HALF_RESPONSE},
		/* Both halves, or other things, may match. */
		{"dns", SS_PROTOCOL_NONE, SS_HALF_NEITHER},
		{"dns.flags.response", SS_PROTOCOL_NONE, SS_HALF_NEITHER},
		{"dns.qry.name == \"a\"", SS_PROTOCOL_NONE, SS_HALF_NEITHER},
		{"dns.count.answers == 0", SS_PROTOCOL_NONE, SS_HALF_NEITHER},
		{"dns.resp.type == 41", SS_PROTOCOL_NONE, SS_HALF_NEITHER},
		{"!(dns.flags.rcode == 0)", SS_PROTOCOL_NONE, SS_HALF_NEITHER},
		{"dns.flags.rcode != 0 || tcp", SS_PROTOCOL_NONE, SS_HALF_NEITHER},
		{"dns.flags.rcode != 0 || http.response.code >= 500", SS_PROTOCOL_NONE,
		 SS_HALF_NEITHER},
		{"port 53", SS_PROTOCOL_NONE, SS_HALF_NEITHER},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(filters); i++) {
		struct ss_filter *filter = NULL;

		g_test_message("%s", filters[i].text);
		g_assert_cmpint(ss_filter_new(filters[i].text, &filter, NULL), ==, 0);
		g_assert_cmpint(ss_filter_protocol(filter), ==, filters[i].protocol);
		g_assert_cmpint(ss_filter_half(filter), ==, filters[i].half);
		g_assert_cmpint(!ss_filter_half_fields(filter), ==,
				filters[i].half == SS_HALF_NEITHER);
		ss_filter_complete(filter);
		g_assert_cmpint(ss_filter_is_whole(filter), ==, filters[i].half != SS_HALF_NEITHER);
		ss_filter_free(filter);
	}
}

static bool is_other(const char *text, const char *columns)
{
	g_auto(GStrv) values = g_strsplit(columns, "|", -1);
	struct ss_filter *filter = NULL;
	bool other;

	g_assert_cmpint(ss_filter_new(text, &filter, NULL), ==, 0);
	other = ss_filter_is_other_half(filter, values);
	ss_filter_free(filter);
	return other;
}

/* As of Wireshark 4.0, and later. */
static void test_values(void)
{
	g_assert_true(is_other("dns.flags.rcode != 0", "0"));
	g_assert_true(is_other("dns.flags.rcode != 0", "False,False"));
	g_assert_false(is_other("dns.flags.rcode != 0", "1"));
	g_assert_false(is_other("dns.flags.rcode != 0", "True"));
	g_assert_false(is_other("dns.flags.response == 0", "0"));
	g_assert_true(is_other("dns.flags.response == 0", "True,True"));
	/* A query of mDNS may have records, which match. */
	g_assert_true(is_other("dns.a == 0.0.0.0", "0||||0"));
	g_assert_true(is_other("dns.a == 0.0.0.0", "0,0||||0,0"));
	g_assert_false(is_other("dns.a == 0.0.0.0", "0|0.0.0.0|||0"));
	g_assert_false(is_other("dns.count.answers > 0", "False||||0,10"));
	g_assert_false(is_other("dns.count.answers > 0", "True||||0"));
	g_assert_true(is_other("http.response.code >= 500", "1"));
	g_assert_false(is_other("http.response.code >= 500", ""));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-half/halves", test_halves);
	g_test_add_func("/filter-half/values", test_values);
	return g_test_run();
}
