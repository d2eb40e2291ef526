/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/tls/coverage.c: what each connection is counted as, and what is told about it once. */
#include "tls/coverage.h"

#include <string.h>

#include <glib.h>

#define SECOND 1000000000ull

struct story {
	enum ss_tls_coverage_state explained; /* what explain says */
	unsigned told;
	enum ss_tls_coverage_state state;
	char reason[128]; /* of the last that was told */
};

static void explain(const struct ss_tls_flow *flow, enum ss_tls_coverage_state *ret_state,
		    char **ret_reason, void *user_data)
{
	struct story *story = user_data;

	g_assert_cmpuint(flow->interface_id, ==, 7);
	*ret_state = story->explained;
	*ret_reason = g_strdup("because");
}

static void told(const struct ss_tls_coverage_entry *entry, void *user_data)
{
	struct story *story = user_data;

	story->told++;
	story->state = entry->state;
	g_strlcpy(story->reason, entry->reason ? entry->reason : "", sizeof(story->reason));
}

static struct ss_tls_coverage *coverage_new(struct story *story)
{
	const struct ss_tls_coverage_callbacks callbacks = {explain, told, story};

	return ss_tls_coverage_new(&callbacks);
}

static struct ss_tls_flow flow_of(uint16_t client_port, enum ss_tls_flow_state state)
{
	struct ss_tls_flow flow = {.interface_id = 7, .state = state, .first_ns = client_port};

	flow.client.address[15] = 1;
	flow.client.port = client_port;
	flow.server.address[15] = 2;
	flow.server.port = 443;
	return flow;
}

/* As the server's process knows it. */
static struct ss_tls_socket socket_of(uint16_t client_port)
{
	struct ss_tls_socket socket = {.state = SS_TLS_SOCKET_INET, .local_port = 443};

	socket.local[15] = 2;
	socket.remote[15] = 1;
	socket.remote_port = client_port;
	return socket;
}

static uint64_t count(const struct ss_tls_coverage *coverage, enum ss_tls_coverage_state state)
{
	uint64_t counts[SS_TLS_COVERAGE_STATES];

	ss_tls_coverage_count(coverage, counts);
	return counts[state];
}

static void test_keyed(void)
{
	struct story story = {0};
	struct ss_tls_coverage *coverage = coverage_new(&story);
	struct ss_tls_flow flow = flow_of(1000, SS_TLS_FLOW_HANDSHAKE);
	struct ss_tls_socket socket = socket_of(1000);

	ss_tls_coverage_flow(coverage, &flow, SECOND);
	g_assert_false(ss_tls_coverage_is_keyed(coverage, &socket));
	flow.state = SS_TLS_FLOW_KEYED;
	ss_tls_coverage_flow(coverage, &flow, SECOND);
	g_assert_true(ss_tls_coverage_is_keyed(coverage, &socket));
	ss_tls_coverage_plaintext(coverage, &socket, SECOND);
	g_assert_false(ss_tls_coverage_is_plaintext(coverage, &flow.server, &flow.client));
	ss_tls_coverage_run(coverage, 2 * SECOND);
	g_assert_cmpuint(story.told, ==, 1);
	g_assert_cmpstr(story.reason, ==, "");
	/* As long as it lives somebody may ask. */
	ss_tls_coverage_run(coverage, 3600 * SECOND);
	g_assert_true(ss_tls_coverage_is_keyed(coverage, &socket));
	g_assert_cmpuint(count(coverage, SS_TLS_COVERAGE_DECRYPTED), ==, 1);
	ss_tls_coverage_free(coverage);
}

static void test_plaintext_comes_after_the_handshake(void)
{
	struct story story = {0};
	struct ss_tls_coverage *coverage = coverage_new(&story);
	struct ss_tls_flow flow = flow_of(1000, SS_TLS_FLOW_DARK);
	struct ss_tls_socket socket = socket_of(1000);

	ss_tls_coverage_flow(coverage, &flow, SECOND);
	ss_tls_coverage_run(coverage, 2 * SECOND);
	g_assert_cmpuint(story.told, ==, 0); /* it has time */
	ss_tls_coverage_plaintext(coverage, &socket, 2 * SECOND);
	ss_tls_coverage_run(coverage, 4 * SECOND);
	g_assert_true(ss_tls_coverage_is_plaintext(coverage, &flow.client, &flow.server));
	g_assert_cmpint(story.state, ==, SS_TLS_COVERAGE_PLAINTEXT);
	g_assert_cmpuint(count(coverage, SS_TLS_COVERAGE_PLAINTEXT), ==, 1);
	ss_tls_coverage_free(coverage);
}

static void test_dark_is_explained_once(void)
{
	struct story story = {.explained = SS_TLS_COVERAGE_UNSUPPORTED};
	struct ss_tls_coverage *coverage = coverage_new(&story);
	struct ss_tls_flow flow = flow_of(1000, SS_TLS_FLOW_DARK);

	ss_tls_coverage_flow(coverage, &flow, SECOND);
	ss_tls_coverage_run(coverage, 4 * SECOND);
	ss_tls_coverage_run(coverage, 5 * SECOND);
	g_assert_cmpuint(story.told, ==, 1);
	g_assert_cmpint(story.state, ==, SS_TLS_COVERAGE_UNSUPPORTED);
	g_assert_cmpstr(story.reason, ==, "because");
	g_assert_cmpuint(count(coverage, SS_TLS_COVERAGE_UNSUPPORTED), ==, 1);
	ss_tls_coverage_run(coverage, 3600 * SECOND); /* forgotten, but counted */
	g_assert_cmpuint(count(coverage, SS_TLS_COVERAGE_UNSUPPORTED), ==, 1);
	ss_tls_coverage_free(coverage);
}

static void test_missed_says_what_helps(void)
{
	struct story story = {0};
	struct ss_tls_coverage *coverage = coverage_new(&story);
	struct ss_tls_flow flow = flow_of(1000, SS_TLS_FLOW_MISSED);

	ss_tls_coverage_flow(coverage, &flow, SECOND);
	ss_tls_coverage_run(coverage, UINT64_MAX);
	g_assert_cmpint(story.state, ==, SS_TLS_COVERAGE_MISSED);
	g_assert_nonnull(strstr(story.reason, "--ssl-plaintext"));
	ss_tls_coverage_free(coverage);
}

static void test_ports_are_used_again(void)
{
	struct story story = {.explained = SS_TLS_COVERAGE_UNKNOWN};
	struct ss_tls_coverage *coverage = coverage_new(&story);
	struct ss_tls_flow flow = flow_of(1000, SS_TLS_FLOW_DARK);

	ss_tls_coverage_flow(coverage, &flow, SECOND);
	flow.first_ns++;
	flow.state = SS_TLS_FLOW_KEYED;
	ss_tls_coverage_flow(coverage, &flow, SECOND);
	g_assert_cmpuint(story.told, ==, 1); /* the first is told about when it is replaced */
	g_assert_cmpuint(count(coverage, SS_TLS_COVERAGE_UNKNOWN), ==, 1);
	g_assert_cmpuint(count(coverage, SS_TLS_COVERAGE_DECRYPTED), ==, 1);
	ss_tls_coverage_free(coverage);
}

static void test_a_flood_is_bounded_and_counted(void)
{
	struct story story = {.explained = SS_TLS_COVERAGE_UNKNOWN};
	struct ss_tls_coverage *coverage = coverage_new(&story);

	for (unsigned port = 0; port < 40000; port++) {
		struct ss_tls_flow flow = flow_of((uint16_t)port, SS_TLS_FLOW_DARK);

		ss_tls_coverage_flow(coverage, &flow, SECOND);
	}
	g_assert_cmpuint(count(coverage, SS_TLS_COVERAGE_UNKNOWN), ==, 40000);
	ss_tls_coverage_free(coverage);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-coverage/keyed", test_keyed);
	g_test_add_func("/tls-coverage/plaintext-comes-after-the-handshake",
			test_plaintext_comes_after_the_handshake);
	g_test_add_func("/tls-coverage/dark-is-explained-once", test_dark_is_explained_once);
	g_test_add_func("/tls-coverage/missed-says-what-helps", test_missed_says_what_helps);
	g_test_add_func("/tls-coverage/ports-are-used-again", test_ports_are_used_again);
	g_test_add_func("/tls-coverage/a-flood-is-bounded-and-counted",
			test_a_flood_is_bounded_and_counted);
	return g_test_run();
}
