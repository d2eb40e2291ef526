/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections as frames show them, whole or not, and what is told of each. */
#include "tls-keys.h"

/* CPUs may store frames of both directions in another order than they were sent. */
static void test_server_first(void)
{
	g_autoptr(GByteArray) hello = g_byte_array_new();
	struct ss_cursor left, part = {0};

	for (unsigned way = 0; way < 2; way++) {
		autopeer peer = PEER(1, .padding = 600);
		autofixture fixture = begin();

		send_syn(fixture, &peer);
		g_byte_array_set_size(hello, 0);
		put_tls_record(hello, 22, all_of(peer.client_hello));
		left = all_of(hello);
		ss_cursor_part(&left, way ? 300 : 0, &part);
		if (way)
			send_segment(fixture, &peer, true, SS_TCP_ACK, part);
		send_record(fixture, &peer, false, 22, all_of(peer.server_hello));
		send_segment(fixture, &peer, true, SS_TCP_ACK, left);
		g_assert_cmpuint(admit(fixture), >, 0);
		give_secrets(fixture, &peer);
		g_assert_cmpuint(admit(fixture), ==, 0);
		g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_KEYED);
		g_assert_cmpuint(fixture->flow.server.port, ==, 443);
	}
}

static void test_port_reuse(void)
{
	autofixture fixture = begin();
	autopeer first = PEER(1);
	autopeer second = PEER(2);

	second.client = first.client;
	second.port = first.port;
	give_secrets(fixture, &first);
	send_handshake(fixture, &first);
	g_assert_cmpuint(admit(fixture), ==, 0);
	give_secrets(fixture, &second);
	send_handshake(fixture, &second);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->lines->len, ==, 10);
	g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 3); /* and the first one's end */
}

/* PostgreSQL's way: a few bytes in the clear, then TLS on the same connection. */
static void test_begins_later(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	give_secrets(fixture, &peer);
	send_syn(fixture, &peer);
	send_segment(fixture, &peer, true, SS_TCP_ACK, ss_cursor("\0\0\0\x08\x04\xd2\x16\x2f", 8));
	send_segment(fixture, &peer, false, SS_TCP_ACK, ss_cursor("S", 1));
	send_record(fixture, &peer, true, 22, all_of(peer.client_hello));
	send_record(fixture, &peer, false, 22, all_of(peer.server_hello));
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_KEYED);
}

/* The capture began between SYN and ClientHello. */
static void test_without_syn(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1, .padding = 1500);

	give_secrets(fixture, &peer);
	send_record(fixture, &peer, true, 22, all_of(peer.client_hello));
	send_record(fixture, &peer, false, 22, all_of(peer.server_hello));
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_KEYED);
}

static void test_missed(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	send_data(fixture, &peer, true);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->reports, ==, 0); /* this may be chance */
	for (unsigned i = 0; i < 3; i++)
		send_data(fixture, &peer, i & 1);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->reports, ==, 1);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_MISSED);
	g_assert_cmpuint(fixture->flow.server.port, ==, 443);
	finish(fixture);
	g_assert_cmpuint(fixture->flow.frames, ==, 3);
}

/* Frames cut by the snapshot length, a lost ServerHello: missed, no hold. */
static void test_gaps(void)
{
	for (unsigned way = 0; way < 5; way++) {
		autofixture fixture = begin();
		autopeer peer = PEER(1, .padding = 200, .tls12 = way == 4);
		struct segment segment = {
			.source_port = 40001,
			.destination_port = 443,
			.source = 0x0a010001,
			.destination = 0x0a020001,
			.flags = SS_TCP_ACK,
			.cut = 100,
		};
		g_autoptr(GByteArray) record = g_byte_array_new();

		segment.sequence = peer.client_sequence + 1;
		put_tls_record(record, 22, all_of(peer.client_hello));
		segment.payload = all_of(record);
		if (way != 2)
			send_syn(fixture, &peer);
		if (way == 0) { /* the ServerHello is lost */
			send_record(fixture, &peer, true, 22, all_of(peer.client_hello));
			peer.server_sequence += 200;
		} else if (way > 2) { /* cut behind the ServerHello */
			g_autoptr(GByteArray) flight = g_byte_array_new();

			send_record(fixture, &peer, true, 22, all_of(peer.client_hello));
			put_tls_record(flight, 22, all_of(peer.server_hello));
			put_tls_record(flight, 22, all_of(record));
			segment.source = peer.server;
			segment.source_port = 443;
			segment.destination = peer.client;
			segment.destination_port = peer.port;
			segment.sequence = peer.server_sequence;
			segment.payload = all_of(flight);
			put_segment(fixture->blocks, &segment);
			peer.server_sequence += flight->len;
		} else {
			put_segment(fixture->blocks, &segment);
			peer.client_sequence += (uint32_t)record->len;
			send_record(fixture, &peer, false, 22, all_of(peer.server_hello));
		}
		for (unsigned i = 0; i < 40; i++)
			send_data(fixture, &peer, false);
		g_assert_cmpuint(admit(fixture), ==, 0);
		g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_MISSED);
	}
}

/* It ended, and what was missing never came. */
static void test_gap_at_end(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	send_syn(fixture, &peer);
	send_record(fixture, &peer, true, 22, all_of(peer.client_hello));
	peer.server_sequence += 200;
	send_data(fixture, &peer, false);
	send_segment(fixture, &peer, false, SS_TCP_RST, ss_cursor(NULL, 0));
	g_assert_cmpuint(admit(fixture), ==, 0);
	pass(fixture, 3000 * MS);
	admit(fixture);
	g_assert_cmpuint(fixture->flow.state, ==, SS_TLS_FLOW_MISSED);
}

static void test_not_tls(void)
{
	autofixture fixture = begin();
	autopeer peer = PEER(1);

	send_syn(fixture, &peer);
	send_segment(fixture, &peer, true, SS_TCP_ACK, ss_cursor("GET / HTTP/1.1\r\n\r\n", 18));
	send_segment(fixture, &peer, false, SS_TCP_ACK, ss_cursor("HTTP/1.1 200 OK\r\n\r\n", 19));
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->reports, ==, 0);
	finish(fixture);
	g_assert_cmpuint(fixture->reports, ==, 0);
}

static void test_live_lines(void)
{
	autofixture fixture = begin();
	struct fixture again = {.lines = g_ptr_array_new_with_free_func(g_free)};
	struct peer peers[3] = {0};

	for (unsigned i = 0; i < 3; i++) {
		make_peer(&peers[i], i);
		give_secrets(fixture, &peers[i]);
		send_handshake(fixture, &peers[i]);
	}
	send_segment(fixture, &peers[1], true, SS_TCP_FIN | SS_TCP_ACK, ss_cursor(NULL, 0));
	g_assert_cmpuint(admit(fixture), ==, 0);
	ss_tls_keys_live_lines(fixture->keys, on_line, &again);
	g_assert_cmpuint(again.lines->len, ==, 15);
	g_ptr_array_set_size(again.lines, 0);
	send_segment(fixture, &peers[1], false, SS_TCP_FIN | SS_TCP_ACK, ss_cursor(NULL, 0));
	g_assert_cmpuint(admit(fixture), ==, 0);
	pass(fixture, 3000 * MS);
	g_assert_cmpuint(admit(fixture), ==, 0);
	ss_tls_keys_live_lines(fixture->keys, on_line, &again);
	g_assert_cmpuint(again.lines->len, ==, 10);
	g_assert_cmpstr(again.lines->pdata[0], ==, fixture->lines->pdata[0]);
	g_assert_cmpstr(again.lines->pdata[9], ==, fixture->lines->pdata[14]);
	g_ptr_array_unref(again.lines);
	for (unsigned i = 0; i < 3; i++)
		free_peer(&peers[i]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-keys/server-first", test_server_first);
	g_test_add_func("/tls-keys/port-reuse", test_port_reuse);
	g_test_add_func("/tls-keys/begins-later", test_begins_later);
	g_test_add_func("/tls-keys/without-syn", test_without_syn);
	g_test_add_func("/tls-keys/missed", test_missed);
	g_test_add_func("/tls-keys/gaps", test_gaps);
	g_test_add_func("/tls-keys/gap-at-end", test_gap_at_end);
	g_test_add_func("/tls-keys/not-tls", test_not_tls);
	g_test_add_func("/tls-keys/live-lines", test_live_lines);
	return g_test_run();
}
