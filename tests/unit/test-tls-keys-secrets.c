/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What secrets look like, and which connection each is of. */
#include "tls-keys.h"

static void test_tls12(void)
{
	for (unsigned first = 0; first < 2; first++) {
		autopeer peer = PEER(1, .tls12 = true);
		autofixture fixture = begin();

		if (first)
			give_master(fixture, &peer);
		send_hellos(fixture, &peer);
		g_assert_cmpuint(admit(fixture), ==, 0);
		send_record(fixture, &peer, true, 20, ss_cursor("\1", 1));
		g_assert_true((admit(fixture) == 0) == first);
		if (!first)
			give_master(fixture, &peer);
		g_assert_cmpuint(admit(fixture), ==, 0);
		g_assert_cmpuint(fixture->lines->len, ==, 1);
		g_assert_true(g_str_has_prefix(fixture->lines->pdata[0], "CLIENT_RANDOM 0100c1"));
		g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_KEYED);
		g_assert_cmpstr(fixture->flow.alpn, ==, "http/1.1");
		g_assert_cmphex(fixture->flow.version, ==, 0x0303);
	}
}

static void test_tls12_other_server_random(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1, .tls12 = true);

	send_handshake(fixture, &peer);
	admit(fixture);
	peer.server_random[9]++;
	give_master(fixture, &peer);
	g_assert_cmpuint(fixture->lines->len, ==, 0);
}

/* The result of a derivation, and a label that is apart from its seed. */
static void test_tls12_other_shapes(void)
{
	for (unsigned way = 0; way < 2; way++) {
		autofixture fixture = begin();
		autopeer peer = PEER(1, .tls12 = true);
		g_autoptr(GByteArray) seed = g_byte_array_new();
		uint8_t master[48] = {9};
		struct ss_tls_kdf kdf;

		g_byte_array_append(seed, way ? peer.server_random : peer.client_random, 32);
		g_byte_array_append(seed, way ? peer.client_random : peer.server_random, 32);
		if (way)
			kdf = kdf_record(SS_TLS_KDF_PRF, ss_cursor(master, 48), "key expansion",
					 all_of(seed), ss_cursor(master, 40));
		else
			kdf = kdf_record(SS_TLS_KDF_PRF, ss_cursor(master, 32), "master secret",
					 all_of(seed), ss_cursor(master, 48));
		ss_tls_keys_record(fixture->keys, &kdf.head);
		send_handshake(fixture, &peer);
		g_assert_cmpuint(admit(fixture), ==, 0);
		g_assert_cmpuint(fixture->lines->len, ==, 1);
	}
}

static void test_labelled(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	give_labelled(fixture, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", peer.client_random, 32);
	give_labelled(fixture, "SERVER_HANDSHAKE_TRAFFIC_SECRET", NULL, 32);
	give_labelled(fixture, "SERVER_HANDSHAKE_TRAFFIC_SECRET", peer.client_random, 33);
	give_labelled(fixture, "UNKNOWN", peer.client_random, 32);
	send_handshake(fixture, &peer);
	g_assert_cmpuint(admit(fixture), >, 0);
	g_assert_cmpuint(fixture->lines->len, ==, 1);
	give_labelled(fixture, "SERVER_HANDSHAKE_TRAFFIC_SECRET", peer.client_random, 32);
	give_labelled(fixture, "CLIENT_TRAFFIC_SECRET_0", peer.client_random, 32);
	give_labelled(fixture, "SERVER_TRAFFIC_SECRET_0", peer.server_random, 32);
	g_assert_cmpuint(admit(fixture), >, 0);
	give_labelled(fixture, "SERVER_TRAFFIC_SECRET_0", peer.client_random, 32);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->lines->len, ==, 4);
	g_assert_cmpuint(fixture->flow.pid, ==, 12);
}

/* A service's address at the client, the pod's at the server: two flows, one set of lines. */
static void test_translated(void)
{
	autofixture fixture = begin();
	autopeer first = PEER(1, .interface_id = 1);
	autopeer second = PEER(1, .interface_id = 2);

	second.server = 0x0a020099;
	send_handshake(fixture, &first);
	send_handshake(fixture, &second);
	g_assert_cmpuint(admit(fixture), >, 0);
	give_secrets(fixture, &first);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->lines->len, ==, 5);
	g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 2);
}

static void test_same_random(void)
{
	autofixture fixture = begin();
	autopeer first = PEER(1);
	autopeer second = PEER(2);

	memcpy(second.client_random, first.client_random, 32);
	g_byte_array_unref(second.client_hello);
	second.client_hello = client_hello(second.client_random, true, false, 0);
	send_handshake(fixture, &first);
	send_handshake(fixture, &second);
	g_assert_cmpuint(admit(fixture), >, 0);
	give_secrets(fixture, &first);
	g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 1);
	g_assert_cmpuint(admit(fixture), >, 0); /* not the other's secrets */
}

/* GnuTLS: the salt of the second stage, as the handshake secret gives it. */
static void give_salt(struct fixture *fixture, const struct peer *peer)
{
	uint8_t empty[SS_TLS_HASH_MAX];
	struct ss_tls_secret salt;
	struct ss_tls_kdf kdf;

	ss_tls_hash_digest(SS_TLS_SHA256, "", 0, empty);
	ss_tls_hkdf_expand(SS_TLS_SHA256, &peer->handshake, "derived", empty, 32, &salt);
	kdf = kdf_record(SS_TLS_KDF_EXPAND, ss_cursor(empty, 32), "derived", ss_cursor(empty, 32),
			 ss_cursor(salt.bytes, 32));
	ss_tls_hash_digest(SS_TLS_SHA256, peer->handshake.bytes, 32, kdf.key);
	kdf.key_is_identity = 1;
	kdf.head.tid = peer->tid;
	ss_tls_keys_record(fixture->keys, &kdf.head);
}

/* Two threads, one of them with two connections whose stages come in any order. */
static void test_without_keys(void)
{
	for (unsigned way = 0; way < 4; way++) {
		autofixture fixture = begin();
		struct peer peers[3] = {{.tid = 1}, {.tid = 2}, {.tid = 1}};
		static const unsigned orders[2][3] = {{0, 1, 2}, {2, 0, 1}};

		for (unsigned i = 0; i < 3; i++) {
			make_peer(&peers[i], i);
			if (way & 1)
				send_handshake(fixture, &peers[i]);
		}
		admit(fixture);
		for (unsigned i = 0; i < 3; i++) {
			give_secret(fixture, &peers[i], "c hs traffic", false);
			give_secret(fixture, &peers[i], "s hs traffic", false);
		}
		for (unsigned i = 0; i < 3; i++) {
			struct peer *peer = &peers[orders[way / 2][i]];

			give_salt(fixture, peer);
			if (i == 1) /* others on their threads do not matter */
				give_salt(fixture, &peers[(orders[way / 2][i] + 1) % 3]);
			if (peer->tid == 2 || i != 1)
				give_secret(fixture, peer, "exp master", false);
			else
				give_salt(fixture, peer);
			give_secret(fixture, peer, "s ap traffic", false);
		}
		for (unsigned i = 0; !(way & 1) && i < 3; i++)
			send_handshake(fixture, &peers[i]);
		g_assert_cmpuint(admit(fixture), ==, 0);
		g_assert_cmpuint(fixture->lines->len, ==, 15);
		g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 3);
		for (unsigned i = 0; i < 3; i++)
			free_peer(&peers[i]);
	}
}

/* A salt of another connection proves nothing. */
static void test_wrong_salt(void)
{
	autofixture fixture = begin();
	struct peer peers[2] = {{.tid = 1}, {.tid = 1}};

	for (unsigned i = 0; i < 2; i++) {
		make_peer(&peers[i], i);
		give_secret(fixture, &peers[i], "c hs traffic", false);
		give_secret(fixture, &peers[i], "s hs traffic", false);
		send_handshake(fixture, &peers[i]);
	}
	give_salt(fixture, &peers[0]);
	give_secret(fixture, &peers[1], "exp master", false);
	give_secret(fixture, &peers[1], "s ap traffic", false);
	g_assert_cmpuint(admit(fixture), >, 0);
	g_assert_cmpuint(fixture->lines->len, ==, 4);
	for (unsigned i = 0; i < 2; i++)
		free_peer(&peers[i]);
}

/* A hundred handshakes, their segments and records in any order that can happen. */
static void test_parallel(void)
{
	enum { COUNT = 100 };

	for (uint32_t seed = 0; seed < 10; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		autofixture fixture = begin();
		struct peer peers[COUNT] = {0};
		unsigned steps[COUNT] = {0}, records[COUNT] = {0}, left = COUNT;

		for (unsigned i = 0; i < COUNT; i++) {
			peers[i].tls12 = i % 3 == 0;
			peers[i].ipv6 = i % 5 == 0;
			make_peer(&peers[i], i);
		}
		while (left) {
			unsigned i = (unsigned)g_rand_int_range(rand, 0, COUNT);
			struct peer *peer = &peers[i];

			if (g_rand_boolean(rand) && records[i] < 2 && steps[i] >= records[i]) {
				if (peer->tls12)
					give_master(fixture, peer);
				else
					give_secret(fixture, peer,
						    records[i] ? "s ap traffic" : "c hs traffic",
						    true);
				records[i] += peer->tls12 ? 2 : 1;
			} else if (steps[i] == 0) {
				send_syn(fixture, peer);
				steps[i]++;
			} else if (steps[i] == 1) {
				send_record(fixture, peer, true, 22, all_of(peer->client_hello));
				steps[i]++;
			} else if (steps[i] == 2) {
				send_record(fixture, peer, false, 22, all_of(peer->server_hello));
				steps[i]++;
			} else if (steps[i] == 3 && records[i] == 2) {
				send_record(fixture, peer, true, 20, ss_cursor("\1", 1));
				send_data(fixture, peer, true);
				steps[i]++;
				left--;
			}
			if (g_rand_int_range(rand, 0, 8) == 0)
				admit(fixture);
		}
		g_assert_cmpuint(admit(fixture), ==, 0);
		g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, COUNT);
		g_assert_cmpuint(fixture->lines->len, ==, 34 + 66 * 5);
		for (unsigned i = 0; i < COUNT; i++)
			free_peer(&peers[i]);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-keys/tls12", test_tls12);
	g_test_add_func("/tls-keys/tls12-other-server-random", test_tls12_other_server_random);
	g_test_add_func("/tls-keys/tls12-other-shapes", test_tls12_other_shapes);
	g_test_add_func("/tls-keys/labelled", test_labelled);
	g_test_add_func("/tls-keys/translated", test_translated);
	g_test_add_func("/tls-keys/same-random", test_same_random);
	g_test_add_func("/tls-keys/without-keys", test_without_keys);
	g_test_add_func("/tls-keys/wrong-salt", test_wrong_salt);
	g_test_add_func("/tls-keys/parallel", test_parallel);
	return g_test_run();
}
