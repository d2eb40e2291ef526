/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames wait for secrets: from where, for how long, and what ends it. */
#include "tls-keys.h"

static void test_hold(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);
	size_t held;

	send_handshake(fixture, &peer);
	held = admit(fixture);
	g_assert_cmpuint(held, >, 0);
	g_assert_cmpuint(fixture->again_ns, ==, 1000 * MS);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_HANDSHAKE);
	g_assert_cmpstr(fixture->flow.server_name, ==, "api.test");
	pass(fixture, 10 * MS);
	give_secret(fixture, &peer, "s hs traffic", true);
	g_assert_cmpuint(fixture->lines->len, ==, 2);
	g_assert_cmpuint(admit(fixture), ==, held);
	g_assert_cmpuint(fixture->again_ns, ==, 990 * MS);
	give_secret(fixture, &peer, "c ap traffic", true);
	g_assert_cmpuint(fixture->lines->len, ==, 5);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_KEYED);
	g_assert_cmphex(fixture->flow.version, ==, 0x0304);
	g_assert_cmphex(fixture->flow.cipher, ==, 0x1301);
	g_assert_cmpuint(admit(fixture), ==, 0);
}

/* The first held block is the one with the ServerHello. */
static void test_hold_begins_at_server_hello(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	send_syn(fixture, &peer);
	send_record(fixture, &peer, true, 22, all_of(peer.client_hello));
	g_assert_cmpuint(admit(fixture), ==, 0);
	send_record(fixture, &peer, false, 22, all_of(peer.server_hello));
	g_assert_cmpuint(admit(fixture), ==, fixture->blocks->len);
	g_assert_cmpuint(fixture->blocks->len, >, 0);
}

static void test_timeout(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	send_handshake(fixture, &peer);
	admit(fixture);
	pass(fixture, 999 * MS);
	g_assert_cmpuint(admit(fixture), >, 0);
	g_assert_cmpuint(fixture->again_ns, ==, MS);
	pass(fixture, MS);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_DARK);
	/* Lines that come too late come all the same; the state remains. */
	give_secrets(fixture, &peer);
	g_assert_cmpuint(fixture->lines->len, ==, 5);
	g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 0);
}

static void test_not_expected(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	fixture->dark_interfaces = 1;
	send_handshake(fixture, &peer);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_DARK);
}

/* Without keys at the client, with keys at the server: seen first at the client, waited for. */
static void test_two_interfaces(void)
{
	autofixture fixture = begin();
	autopeer first = PEER(1, .interface_id = 1);
	autopeer second = PEER(1, .interface_id = 2);

	fixture->dark_interfaces = 2;
	send_syn(fixture, &first);
	send_syn(fixture, &second);
	send_record(fixture, &first, true, 22, all_of(first.client_hello));
	send_record(fixture, &second, true, 22, all_of(second.client_hello));
	send_record(fixture, &first, false, 22, all_of(first.server_hello));
	send_record(fixture, &second, false, 22, all_of(second.server_hello));
	g_assert_cmpuint(admit(fixture), >, 0);
	give_secrets(fixture, &first);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->lines->len, ==, 5);
	g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 1);
}

/* Somebody who is waited for is gone: its ports are used again. */
static void test_hold_of_the_gone(void)
{
	autofixture fixture = begin();
	autopeer first = PEER(1);
	autopeer second = PEER(2);

	second.client = first.client;
	second.port = first.port;
	send_hellos(fixture, &first);
	g_assert_cmpuint(admit(fixture), >, 0);
	send_syn(fixture, &second);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_DARK);
}

static void test_reset(void)
{
	for (unsigned way = 0; way < 2; way++) {
		autofixture fixture = begin();
		autopeer peer = PEER(1);

		send_hellos(fixture, &peer);
		g_assert_cmpuint(admit(fixture), >, 0);
		pass(fixture, 5 * MS);
		send_segment(fixture, &peer, true, way ? SS_TCP_FIN | SS_TCP_ACK : SS_TCP_RST,
			     ss_cursor(NULL, 0));
		admit(fixture);
		g_assert_cmpuint(fixture->again_ns, <=, 40 * MS);
		pass(fixture, 40 * MS);
		g_assert_cmpuint(admit(fixture), ==, 0);
	}
}

static void test_release(void)
{
	autofixture fixture = begin();
	struct peer peers[3] = {0};

	for (unsigned i = 0; i < 3; i++) {
		make_peer(&peers[i], i);
		send_handshake(fixture, &peers[i]);
	}
	g_assert_cmpuint(admit(fixture), >, 0);
	ss_tls_keys_release(fixture->keys);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->states[SS_TLS_FLOW_DARK], ==, 3);
	for (unsigned i = 0; i < 3; i++)
		free_peer(&peers[i]);
}

static void test_early(void)
{
	uint8_t hash[SS_TLS_HASH_MAX];
	struct ss_tls_kdf kdf;

	for (unsigned refused = 0; refused < 2; refused++) {
		autopeer peer = PEER(1, .early = true);
		autofixture fixture = begin();

		send_syn(fixture, &peer);
		g_assert_cmpuint(admit(fixture), ==, 0);
		send_record(fixture, &peer, true, 22, all_of(peer.client_hello));
		send_data(fixture, &peer, true);
		g_assert_cmpuint(admit(fixture), >, 0);
		if (!refused) {
			ss_tls_hash_digest(SS_TLS_SHA256, peer.client_hello->data,
					   peer.client_hello->len, hash);
			kdf = kdf_record(SS_TLS_KDF_EXPAND, ss_cursor(peer.master.bytes, 32),
					 "c e traffic", ss_cursor(hash, 32),
					 ss_cursor(peer.master.bytes, 32));
			ss_tls_keys_record(fixture->keys, &kdf.head);
			g_assert_cmpuint(admit(fixture), ==, 0);
		}
		send_record(fixture, &peer, false, 22, all_of(peer.server_hello));
		g_assert_cmpuint(admit(fixture), >, 0);
		give_secrets(fixture, &peer);
		g_assert_cmpuint(admit(fixture), ==, 0);
		g_assert_cmpuint(fixture->lines->len, ==, 6 - refused);
	}
}

static void test_early_timeout(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1, .early = true);

	send_syn(fixture, &peer);
	send_record(fixture, &peer, true, 22, all_of(peer.client_hello));
	g_assert_cmpuint(admit(fixture), >, 0);
	pass(fixture, 1000 * MS);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_HANDSHAKE);
	send_record(fixture, &peer, false, 22, all_of(peer.server_hello));
	g_assert_cmpuint(admit(fixture), >, 0);
	give_secrets(fixture, &peer);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_KEYED);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-keys/hold", test_hold);
	g_test_add_func("/tls-keys/hold-begins-at-server-hello", test_hold_begins_at_server_hello);
	g_test_add_func("/tls-keys/timeout", test_timeout);
	g_test_add_func("/tls-keys/not-expected", test_not_expected);
	g_test_add_func("/tls-keys/two-interfaces", test_two_interfaces);
	g_test_add_func("/tls-keys/hold-of-the-gone", test_hold_of_the_gone);
	g_test_add_func("/tls-keys/reset", test_reset);
	g_test_add_func("/tls-keys/release", test_release);
	g_test_add_func("/tls-keys/early", test_early);
	g_test_add_func("/tls-keys/early-timeout", test_early_timeout);
	return g_test_run();
}
