/* SPDX-License-Identifier: GPL-2.0-or-later */
/* More than there is room for, and later than it is kept. */
#include "tls-keys.h"
#include "tls/table.h"

/* More connections than there is room for. */
static void test_flood(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	give_secrets(fixture, &peer);
	send_handshake(fixture, &peer);
	g_assert_cmpuint(admit(fixture), ==, 0);
	for (unsigned i = 0; i < 2 * SS_TLS_HANDSHAKING_MAX; i++) {
		struct peer other = {.client = 0x0b000000 + i, .server = 1, .port = 5};

		send_segment(fixture, &other, true, SS_TCP_SYN, ss_cursor(NULL, 0));
	}
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->reports, ==, 2); /* established ones are not pushed out */
	for (unsigned i = 0; i < 2 * SS_TLS_SETTLED_MAX; i++) {
		struct peer other = {.client = 0x0c000000 + i, .server = 1, .port = 5000};

		send_data(fixture, &other, true);
		send_data(fixture, &other, true);
	}
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 2); /* its last report */
}

/* ClientHellos that never end: the oldest go when they take too much memory. */
static void test_memory_flood(void)
{
	enum { COUNT = 3000, LENGTH = 16000 };
	g_autoptr(GByteArray) part = g_byte_array_new();
	g_autofree uint8_t *zeros = g_malloc0(LENGTH);
	autofixture fixture = begin();
	struct peer peers[COUNT] = {0};

	put8(part, 22);
	put16(part, 0x0301);
	put16(part, 16384);
	put32(part, 1u << 24 | 30000);
	put16(part, 0x0303);
	put_all(part, ss_cursor(zeros, LENGTH));
	for (unsigned i = 0; i < COUNT; i++) {
		peers[i] = (struct peer){.client = i + 1, .server = 1, .port = 9};
		send_syn(fixture, &peers[i]);
		send_segment(fixture, &peers[i], true, SS_TCP_ACK, all_of(part));
		g_assert_cmpuint(admit(fixture), ==, 0);
	}
	/* The rest comes for the first and the last: only one of them is still known. */
	g_byte_array_set_size(part, 0);
	put_all(part, ss_cursor(zeros, 16384 - 4 - 2 - LENGTH));
	put_tls_record(part, 22, ss_cursor(zeros, 4 + 30000 - 16384));
	for (unsigned i = 0; i < COUNT; i += COUNT - 1)
		send_segment(fixture, &peers[i], true, SS_TCP_ACK, all_of(part));
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->reports, ==, 1);
	g_assert_cmpint(fixture->flow.client.bytes[14] << 8 | fixture->flow.client.bytes[15], ==,
			COUNT);
}

static void test_records_flood(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);
	uint8_t random[32] = {0};

	give_secret(fixture, &peer, "s hs traffic", true);
	for (unsigned i = 0; i < 4096; i++) {
		memcpy(random, &i, sizeof(i));
		give_labelled(fixture, "CLIENT_RANDOM", random, 48);
	}
	give_secret(fixture, &peer, "s ap traffic", true);
	send_handshake(fixture, &peer);
	admit(fixture);
	g_assert_cmpuint(fixture->lines->len, ==, 0); /* the oldest was pushed out */
	give_secret(fixture, &peer, "c hs traffic", true);
	g_assert_cmpuint(fixture->lines->len, ==, 5);
}

static void test_records_age(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	admit(fixture);
	give_secrets(fixture, &peer);
	admit(fixture);
	pass(fixture, 31000 * MS);
	admit(fixture);
	send_handshake(fixture, &peer);
	g_assert_cmpuint(admit(fixture), >, 0);
	g_assert_cmpuint(fixture->lines->len, ==, 0);
}

/* Time stood still for us while there were no frames. */
static void test_records_after_silence(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	admit(fixture);
	pass(fixture, 3600000 * MS);
	give_secrets(fixture, &peer);
	send_handshake(fixture, &peer);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->lines->len, ==, 5);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-keys/flood", test_flood);
	g_test_add_func("/tls-keys/memory-flood", test_memory_flood);
	g_test_add_func("/tls-keys/records-flood", test_records_flood);
	g_test_add_func("/tls-keys/records-age", test_records_age);
	g_test_add_func("/tls-keys/records-after-silence", test_records_after_silence);
	return g_test_run();
}
