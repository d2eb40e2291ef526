/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of those who never give secrets do not wait. */
#include "tls-keys.h"

/* Twice in vain, then no more, until a secret comes. */
static void test_learning(void)
{
	autofixture fixture = begin();
	struct peer peers[6] = {0};

	for (unsigned i = 0; i < 3; i++) {
		make_peer(&peers[i], i);
		send_handshake(fixture, &peers[i]);
		g_assert_true((admit(fixture) > 0) == (i < 2));
		pass(fixture, 1001 * MS);
		g_assert_cmpuint(admit(fixture), ==, 0);
		g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_DARK);
	}
	/* The fourth has its secrets in time, without a hold; the fifth is waited for again. */
	for (unsigned i = 3; i < 5; i++) {
		make_peer(&peers[i], i);
		if (i == 3)
			give_secrets(fixture, &peers[i]);
		send_handshake(fixture, &peers[i]);
		g_assert_true((admit(fixture) > 0) == (i == 4));
	}
	/* Another server is another matter. */
	pass(fixture, 1001 * MS);
	g_assert_cmpuint(admit(fixture), ==, 0);
	peers[5].ipv6 = true;
	make_peer(&peers[5], 5);
	send_handshake(fixture, &peers[5]);
	g_assert_cmpuint(admit(fixture), >, 0);
	for (unsigned i = 0; i < 6; i++)
		free_peer(&peers[i]);
}

/* One client has secrets, another one has not: waiting for one goes on, not for the other. */
static void test_learning_by_client(void)
{
	autofixture fixture = begin();

	for (unsigned i = 0; i < 20; i++) {
		autopeer with = PEER(2 * i);
		autopeer without = PEER(2 * i + 1);

		with.client = 0x0a010001;
		without.client = 0x0a010002;
		send_handshake(fixture, &without);
		g_assert_true((admit(fixture) > 0) == (i < 2));
		pass(fixture, 1001 * MS);
		g_assert_cmpuint(admit(fixture), ==, 0);
		send_handshake(fixture, &with);
		g_assert_cmpuint(admit(fixture), >, 0);
		give_secrets(fixture, &with);
		g_assert_cmpuint(admit(fixture), ==, 0);
	}
}

/* One that connects to ever new servers. */
static void test_learning_about_client(void)
{
	autofixture fixture = begin();

	for (unsigned i = 0; i < 10; i++) {
		autopeer peer = PEER(i);

		peer.client = 0x0a010001;
		peer.server += i;
		send_handshake(fixture, &peer);
		g_assert_true((admit(fixture) > 0) == (i < 8));
		pass(fixture, 1001 * MS);
		g_assert_cmpuint(admit(fixture), ==, 0);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-keys/learning", test_learning);
	g_test_add_func("/tls-keys/learning-by-client", test_learning_by_client);
	g_test_add_func("/tls-keys/learning-about-client", test_learning_about_client);
	return g_test_run();
}
