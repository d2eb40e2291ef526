/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which exchanges a filter is about, and who completes them. */
#include "filter/filter.h"

#include <glib.h>

static void test_exchanges(void)
{
	/* h: of HTTP, by first lines; H, D: of HTTP, DNS, by what tshark says. */
	static const struct {
		const char *text, *completed;
		enum ss_filter_half half; /* of HTTP */
	} filters[] = {
		{"http.response.code >= 500", "h", SS_HALF_RESPONSE},
		{"http.request.method == GET && tcp.port == 80", "h", SS_HALF_REQUEST},
		/* First lines do not decide. */
		{"http.response.code >= 500 && http.server == x", "H", SS_HALF_RESPONSE},
		{"http.request.method == GET && ip.src == 10.0.0.1", "H", SS_HALF_REQUEST},
		{"http.content_type == \"text/html\"", "H", SS_HALF_NEITHER},
		{"http.host == x || http.response.code == 404", "H", SS_HALF_NEITHER},
		{"http.time > 0.5", "H", SS_HALF_NEITHER},
		{"lower(http.host) == \"x\"", "H", SS_HALF_NEITHER},
		{"dns.flags.rcode != 0", "D", SS_HALF_NEITHER},
		{"udp && dns.flags.response == 0", "D", SS_HALF_NEITHER},
		{"dns.time > 0.5", "D", SS_HALF_NEITHER},
		{"dns.qry.name == \"a\"", "D", SS_HALF_NEITHER},
		{"dns.flags.rcode != 0 || tcp", "D", SS_HALF_NEITHER},
		{"dns.flags.rcode != 0 || http.response.code >= 500", "HD", SS_HALF_NEITHER},
		/* Both halves, or other things. */
		{"dns || http", "", SS_HALF_NEITHER},
		{"port 53", "", SS_HALF_NEITHER},
		{"tcp.port == 80", "", SS_HALF_NEITHER},
		{"!(dns.flags.rcode == 0) && udp", "", SS_HALF_NEITHER},
		{"", "", SS_HALF_NEITHER},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(filters); i++) {
		g_autoptr(GString) completed = g_string_new(NULL);
		struct ss_filter *filter = NULL;

		g_test_message("%s", filters[i].text);
		g_assert_cmpint(ss_filter_new(filters[i].text, &filter, NULL), ==, 0);
		g_assert_cmpint(ss_filter_half(filter), ==, filters[i].half);
		g_assert_cmpint(!ss_filter_half_fields(filter), ==,
				filters[i].half == SS_HALF_NEITHER);
		ss_filter_complete(filter, true);
		if (ss_filter_is_paired(filter, SS_PROTOCOL_HTTP))
			g_string_append_c(completed, 'H');
		if (ss_filter_is_paired(filter, SS_PROTOCOL_DNS))
			g_string_append_c(completed, 'D');
		if (ss_filter_is_whole(filter) && !completed->len)
			g_string_append_c(completed, 'h');
		g_assert_cmpstr(completed->str, ==, filters[i].completed);
		if (completed->len && completed->str[0] != 'h')
			g_assert_cmpint(ss_filter_rest(filter), ==, SS_REST_ALL);
		ss_filter_free(filter);
	}
}

/* HTTP may be inside of TLS: only DNS is completed. */
static void test_without_http(void)
{
	struct ss_filter *filter = NULL;

	g_assert_cmpint(
		ss_filter_new("http.response.code >= 500 || dns.flags.rcode != 0", &filter, NULL),
		==, 0);
	ss_filter_complete(filter, false);
	g_assert_false(ss_filter_is_paired(filter, SS_PROTOCOL_HTTP));
	g_assert_true(ss_filter_is_paired(filter, SS_PROTOCOL_DNS));
	ss_filter_free(filter);
}

static bool wants_both(const char *text)
{
	struct ss_filter *filter = NULL;
	bool both;

	g_assert_cmpint(ss_filter_new(text, &filter, NULL), ==, 0);
	both = ss_filter_wants_both_halves(filter);
	ss_filter_free(filter);
	return both;
}

static void test_both_halves(void)
{
	g_assert_true(wants_both("http.host == x && tcp && http.response.code >= 500"));
	g_assert_true(
		wants_both("http.request && (http.server == a || http.response.code == 500)"));
	g_assert_false(wants_both("http.host == x || http.response.code >= 500"));
	g_assert_false(wants_both("http.host == x && http.content_type == y"));
	g_assert_false(wants_both("http.request && !http.response"));
	g_assert_false(wants_both(""));
}

/* A filter that is too big for the kernel: its exchanges are completed none the less. */
static void test_coarse(void)
{
	struct ss_filter *filter = NULL;

	g_assert_cmpint(ss_filter_new("http.response.code >= 500", &filter, NULL), ==, 0);
	ss_filter_complete(filter, true);
	g_assert_cmpint(ss_filter_rest(filter), ==, SS_REST_UNPLAIN);
	g_assert_true(ss_filter_coarsen(filter));
	g_assert_cmpint(ss_filter_rest(filter), ==, SS_REST_ALL);
	g_assert_true(ss_filter_is_paired(filter, SS_PROTOCOL_HTTP));
	g_assert_false(ss_filter_adds_requests(filter));
	g_assert_cmpstr(ss_filter_wanted_text(filter), ==, "http.response.code >= 500");
	ss_filter_free(filter);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-half/exchanges", test_exchanges);
	g_test_add_func("/filter-half/without-http", test_without_http);
	g_test_add_func("/filter-half/both-halves", test_both_halves);
	g_test_add_func("/filter-half/coarse", test_coarse);
	return g_test_run();
}
