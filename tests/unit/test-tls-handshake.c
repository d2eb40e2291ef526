/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One direction in pieces of every size, and the order that segments are brought into. */
#include "tls/handshake.h"

#include "tls-frames.h"
#include "tls/assembly.h"

static const uint8_t random_a[32] = {0xaa, 1, 2, 3}, random_b[32] = {0xbb, 4, 5, 6};

/* The events of a stream that comes in pieces of so many bytes, one letter each. */
static char *events_of(const GByteArray *bytes, bool client, size_t piece)
{
	struct ss_tls_handshake handshake = {0};
	struct ss_cursor stream = all_of(bytes);
	GString *events = g_string_new(NULL);

	while (stream.length) {
		struct ss_cursor part = {0};
		enum ss_tls_handshake_event event;

		g_assert_cmpint(ss_cursor_part(&stream, MIN(piece, stream.length), &part), ==, 0);
		do {
			/* Exactly the bytes, so that a read beyond them is seen. */
			g_autofree uint8_t *copy = g_memdup2(part.data, part.length);
			struct ss_cursor exact = ss_cursor(copy, part.length);

			if (ss_tls_handshake_next(&handshake, client, &exact, &event) < 0) {
				g_string_append_c(events, '!');
				ss_tls_handshake_deinit(&handshake);
				return g_string_free(events, FALSE);
			}
			g_assert_cmpint(ss_cursor_skip(&part, part.length - exact.length), ==, 0);
			if (event == SS_TLS_EVENT_MESSAGE)
				g_string_append_c(events,
						  ss_tls_handshake_message(&handshake).data[0] == 1
							  ? 'C'
							  : 'S');
			else if (event != SS_TLS_EVENT_MORE)
				g_string_append_c(events, "--xad"[event]);
		} while (event != SS_TLS_EVENT_MORE);
	}
	ss_tls_handshake_deinit(&handshake);
	return g_string_free(events, FALSE);
}

static void assert_events(const GByteArray *bytes, bool client, const char *expected)
{
	for (size_t piece = 1; piece <= bytes->len; piece += piece < 20 ? 1 : 61) {
		g_autofree char *events = events_of(bytes, client, piece);

		g_assert_cmpstr(events, ==, expected);
	}
}

static void test_client(void)
{
	g_autoptr(GByteArray) hello = client_hello(random_a, true, false, 0);
	g_autoptr(GByteArray) stream = g_byte_array_new();

	put_tls_record(stream, 22, all_of(hello));
	put_tls_record(stream, 20, ss_cursor("\1", 1));
	put_tls_record(stream, 23, ss_cursor("encrypted", 9));
	assert_events(stream, true, "Cxd");
	assert_events(stream, false, "!");
}

static void test_split_over_records(void)
{
	g_autoptr(GByteArray) hello = client_hello(random_a, true, false, 2000);
	g_autoptr(GByteArray) stream = g_byte_array_new();
	struct ss_cursor left = all_of(hello), part = {0};

	for (size_t length = 1; left.length; length *= 3) {
		ss_cursor_part(&left, MIN(length, left.length), &part);
		put_tls_record(stream, 22, part);
	}
	assert_events(stream, true, "C");
}

static void test_server_flight(void)
{
	g_autoptr(GByteArray) hello = server_hello(random_b, false, 0xc02f);
	g_autoptr(GByteArray) body = g_byte_array_new();
	g_autoptr(GByteArray) stream = g_byte_array_new();
	g_autoptr(GByteArray) messages = g_byte_array_new();
	g_autoptr(GByteArray) certificate = NULL;
	g_autoptr(GByteArray) done = NULL;

	/* ServerHelloDone is empty; the certificate is longer than a record. */
	done = tls_message(14, body);
	g_byte_array_set_size(body, 20000);
	memset(body->data, 1, body->len);
	certificate = tls_message(11, body);
	put_all(messages, all_of(hello));
	put_all(messages, all_of(certificate));
	put_all(messages, all_of(done));
	put_tls_record(stream, 22, ss_cursor(messages->data, 16384));
	put_tls_record(stream, 22, ss_cursor(messages->data + 16384, messages->len - 16384));
	put_tls_record(stream, 20, ss_cursor("\1", 1));
	assert_events(stream, false, "Sx");
}

static void test_other(void)
{
	static const char *const streams[] = {
		"GET / HTTP/1.1\r\n",       "SSH-2.0-x",   "\x16\x02\x01", "\x16\x03\x01\xff\xff",
		"\x16\x03\x01\x01\x01\x0b", "\x17\x03\x03"};

	for (size_t i = 0; i < G_N_ELEMENTS(streams); i++) {
		g_autoptr(GByteArray) stream = g_byte_array_new();

		put_all(stream, ss_cursor(streams[i], strlen(streams[i])));
		assert_events(stream, true, "!");
	}
}

static void test_parse_client(void)
{
	g_autoptr(GByteArray) hello = client_hello(random_a, true, true, 0);
	struct ss_tls_hello parsed;

	g_assert_cmpint(ss_tls_client_hello_parse(all_of(hello), &parsed), ==, 0);
	assert_bytes(parsed.random, 32, random_a, 32);
	g_assert_cmphex(parsed.version, ==, 0x0304); /* not the GREASE before it */
	g_assert_cmpstr(parsed.server_name, ==, "api.test");
	g_assert_cmpstr(parsed.alpn, ==, "h2");
	g_assert_true(parsed.early_data);
	/* Cut anywhere it is malformed, and not read beyond. */
	for (guint length = 0; length < hello->len; length++) {
		g_autofree uint8_t *part = g_memdup2(hello->data, length);
		int r = ss_tls_client_hello_parse(ss_cursor(part, length), &parsed);

		/* Without any extension a hello is whole, too. */
		g_assert_true(r == -EBADMSG || length == 4 + 2 + 32 + 1 + 4 + 2);
	}
}

static void test_parse_server(void)
{
	g_autoptr(GByteArray) tls13 = server_hello(random_b, true, 0x1302);
	g_autoptr(GByteArray) tls12 = server_hello(random_b, false, 0xc02f);
	g_autoptr(GByteArray) retry_random =
		from_hex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
	g_autoptr(GByteArray) retry = server_hello(retry_random->data, true, 0x1301);
	struct ss_tls_hello parsed;

	g_assert_cmpint(ss_tls_server_hello_parse(all_of(tls13), &parsed), ==, 0);
	g_assert_cmphex(parsed.version, ==, 0x0304);
	g_assert_cmphex(parsed.cipher, ==, 0x1302);
	g_assert_false(parsed.retry);
	g_assert_cmpint(ss_tls_server_hello_parse(all_of(tls12), &parsed), ==, 0);
	g_assert_cmphex(parsed.version, ==, 0x0303);
	g_assert_cmpstr(parsed.alpn, ==, "http/1.1");
	g_assert_cmpint(ss_tls_server_hello_parse(all_of(retry), &parsed), ==, 0);
	g_assert_true(parsed.retry);
}

static void test_begins(void)
{
	g_assert_true(ss_tls_begins_client_hello(ss_cursor("\x16\x03\x01\x02\x00\x01\x00\x01", 8)));
	g_assert_false(
		ss_tls_begins_client_hello(ss_cursor("\x16\x03\x01\x02\x00\x02\x00\x01", 8)));
	g_assert_false(ss_tls_begins_client_hello(ss_cursor("\x16\x03\x01\x02\x00", 5)));
	g_assert_true(ss_tls_begins_data(ss_cursor("\x17\x03\x03\x02\x00\x55\x55", 7)));
	g_assert_false(ss_tls_begins_data(ss_cursor("\x17\x03\x03\x00\x01\x55\x55", 7)));
	g_assert_false(ss_tls_begins_data(ss_cursor("\x17\x03\x03\xff\x01\x55\x55", 7)));
}

/* What an assembly gives, in order. */
static void add(struct ss_tls_assembly *assembly, uint32_t sequence, const char *text, GString *out)
{
	struct ss_cursor ready;

	g_assert_cmpint(
		ss_tls_assembly_add(assembly, sequence, ss_cursor(text, strlen(text)), &ready), ==,
		0);
	do
		g_string_append_len(out, (const char *)ready.data, (gssize)ready.length);
	while (ss_tls_assembly_take(assembly, &ready));
}

static void test_order(void)
{
	struct ss_tls_assembly assembly = {0};
	g_autoptr(GString) out = g_string_new(NULL);
	const uint32_t start = 0xfffffffa; /* wraps at "g" */

	ss_tls_assembly_anchor(&assembly, start);
	add(&assembly, start + 3, "def", out);
	add(&assembly, start + 9, "jkl", out);
	add(&assembly, start + 4, "efgh", out);
	add(&assembly, start + 3, "def", out);
	g_assert_cmpstr(out->str, ==, "");
	add(&assembly, start, "abc", out);
	g_assert_cmpstr(out->str, ==, "abcdefgh");
	add(&assembly, start + 1, "XXXXXXXXXX", out); /* what was first counts */
	g_assert_cmpstr(out->str, ==, "abcdefghXXXl");
	add(&assembly, start - 1, "?", out); /* a keepalive */
	add(&assembly, start, "abc", out);
	g_assert_cmpstr(out->str, ==, "abcdefghXXXl");
	g_assert_cmpuint(assembly.count, ==, 0);
	g_assert_cmpuint(assembly.length, ==, 0);
	ss_tls_assembly_deinit(&assembly);
}

static void test_bounds(void)
{
	struct ss_tls_assembly assembly = {0};
	g_autofree char *big = g_strnfill(SS_TLS_PIECES_LENGTH_MAX, 'x');
	struct ss_cursor ready, one = ss_cursor(big, 1);

	ss_tls_assembly_anchor(&assembly, 0);
	for (uint32_t i = 0; i < SS_TLS_PIECES_MAX; i++)
		g_assert_cmpint(ss_tls_assembly_add(&assembly, 100 + 2 * i, one, &ready), ==, 0);
	g_assert_cmpint(ss_tls_assembly_add(&assembly, 1000, one, &ready), ==, -ENOBUFS);
	ss_tls_assembly_deinit(&assembly);
	g_assert_cmpint(ss_tls_assembly_add(&assembly, 1000,
					    ss_cursor(big, SS_TLS_PIECES_LENGTH_MAX), &ready),
			==, 0);
	g_assert_cmpint(ss_tls_assembly_add(&assembly, 100, one, &ready), ==, -ENOBUFS);
	ss_tls_assembly_deinit(&assembly);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-handshake/client", test_client);
	g_test_add_func("/tls-handshake/split-over-records", test_split_over_records);
	g_test_add_func("/tls-handshake/server-flight", test_server_flight);
	g_test_add_func("/tls-handshake/not-tls", test_other);
	g_test_add_func("/tls-handshake/parse-client", test_parse_client);
	g_test_add_func("/tls-handshake/parse-server", test_parse_server);
	g_test_add_func("/tls-handshake/begins", test_begins);
	g_test_add_func("/tls-handshake/order", test_order);
	g_test_add_func("/tls-handshake/bounds", test_bounds);
	return g_test_run();
}
