/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/plaintext.h"

#include <string.h>

#include <glib.h>

#define MS          UINT64_C(1000000)
#define FIN         0x01
#define SYN         0x02
#define APPLICATION 23
#define TCP         20 /* offset in IPv4 */

/* What became of records: a line for each thing that happens on a stream, "out GET /". */
struct result {
	struct ss_tls_plaintext *plaintext;
	struct ss_tls_redact *redact;
	GString *log;
	GPtrArray *comments;
	uint64_t latest_ns;
	uint64_t position[2];
	bool shown;
};

static void log_packet(struct result *result, const struct ss_tls_frame *frame)
{
	const uint8_t *tcp = frame->data + TCP;
	guint header = TCP + 4 * (guint)(tcp[12] >> 4), length = frame->length - header;
	const uint8_t *payload = frame->data + header;
	const char *way = frame->out ? "out" : "in";

	if ((tcp[13] & (SYN | FIN)) && !(tcp[13] & SYN && tcp[13] & 0x10))
		g_string_append_printf(result->log, "%s %s %u\n", way,
				       tcp[13] & SYN ? "SYN" : "FIN", tcp[0] << 8 | tcp[1]);
	if (length < 25 || payload[0] != APPLICATION)
		return;
	g_string_append_printf(result->log, "%s ", way);
	for (guint i = 5; i < length - 20; i++)
		g_string_append_c(result->log, payload[i] ? (char)payload[i] : '0');
	g_string_append_c(result->log, '\n');
}

static void on_frame(const struct ss_tls_frame *frame, void *user_data)
{
	struct result *result = user_data;

	log_packet(result, frame);
	if (frame->comment)
		g_ptr_array_add(result->comments, g_strdup(frame->comment));
	result->latest_ns = frame->time_ns;
}

static bool is_shown(const struct ss_tls_socket *socket, void *user_data)
{
	const struct result *result = user_data;

	(void)socket;
	return result->shown;
}

static void result_init(struct result *result, bool redacted)
{
	const struct ss_tls_plaintext_callbacks callbacks = {on_frame, is_shown, result};

	memset(result, 0, sizeof(*result));
	result->log = g_string_new(NULL);
	result->comments = g_ptr_array_new_with_free_func(g_free);
	if (redacted)
		g_assert_cmpint(ss_tls_redact_new(NULL, &result->redact, NULL), ==, 0);
	result->plaintext = ss_tls_plaintext_new(result->redact, &callbacks);
}

/* What was logged since the last time. */
static void assert_log(struct result *result, const char *expected)
{
	g_assert_cmpstr(result->log->str, ==, expected);
	g_string_set_size(result->log, 0);
}

static void result_deinit(struct result *result)
{
	ss_tls_plaintext_free(result->plaintext);
	ss_tls_redact_free(result->redact);
	g_string_free(result->log, TRUE);
	g_ptr_array_unref(result->comments);
}

static const struct ss_tls_socket inet = {
	.local = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1},
	.remote = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2},
	.local_port = 41000,
	.remote_port = 443,
	.state = SS_TLS_SOCKET_INET,
};
static const struct ss_tls_socket unknown = {.state = SS_TLS_SOCKET_UNKNOWN};

struct say {
	uint64_t time_ms, connection;
	const struct ss_tls_socket *socket; /* NULL: inet */
	const char *text;
	uint32_t lost;
	bool in;
};

static void say(struct result *result, const struct say *say)
{
	size_t length = strlen(say->text);
	struct ss_tls_data *record = g_malloc0(sizeof(*record) + length);

	record->head.type = SS_TLS_RECORD_DATA;
	record->head.size = (uint32_t)(sizeof(*record) + length);
	record->head.time_ns = say->time_ms * MS;
	record->head.pid = 7;
	record->connection = say->connection;
	record->position = result->position[say->in];
	record->socket = say->socket ? *say->socket : inet;
	record->length = (uint32_t)length;
	record->lost = say->lost;
	record->write = !say->in;
	memcpy(record->data, say->text, length);
	result->position[say->in] += length + say->lost;
	ss_tls_plaintext_record(result->plaintext, &record->head);
	g_free(record);
}

#define SAY(result, ...) say(result, &(struct say){__VA_ARGS__})

static void end(struct result *result, uint64_t time_ms, bool freed)
{
	struct ss_tls_close close = {.freed = freed};

	close.head.type = SS_TLS_RECORD_CLOSE;
	close.head.size = sizeof(close);
	close.head.time_ns = time_ms * MS;
	close.head.pid = 7;
	ss_tls_plaintext_record(result->plaintext, &close.head);
}

static void flush(struct result *result, uint64_t now_ms)
{
	ss_tls_plaintext_flush(result->plaintext, now_ms * MS);
}

/* A write is stamped when it began, but told of when it ended. */
static void test_order_of_time(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 105, .text = "HTTP/1.1 200 OK\r\n", .in = true);
	SAY(&result, .time_ms = 100, .text = "GET / HTTP/1.1\r\n");
	flush(&result, 109);
	assert_log(&result, "");
	flush(&result, 114);
	assert_log(&result, "out SYN 41000\nout GET / HTTP/1.1\r\n\n");
	g_assert_cmpuint(result.latest_ns, ==, 100 * MS);
	flush(&result, 115);
	assert_log(&result, "in HTTP/1.1 200 OK\r\n\n");
	g_assert_cmpuint(result.latest_ns, ==, 105 * MS);
	result_deinit(&result);
}

/* Positions rule within a way, whatever the times say; times of frames never go back. */
static void test_order_of_positions(void)
{
	struct result result;

	result_init(&result, false);
	result.position[0] = 6;
	SAY(&result, .time_ms = 100, .text = " world");
	result.position[0] = 0;
	SAY(&result, .time_ms = 103, .text = "hello,");
	flush(&result, 1000);
	assert_log(&result, "out SYN 41000\nout hello,\nout  world\n");
	g_assert_cmpuint(result.latest_ns, ==, 103 * MS);
	result_deinit(&result);
}

static void test_first_word_in_pieces(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .text = "PO");
	flush(&result, 150);
	assert_log(&result, "");
	SAY(&result, .time_ms = 151, .text = "ST / HTTP/1.1\r\n");
	flush(&result, 152); /* the first piece is old enough, and no longer a riddle */
	assert_log(&result, "out SYN 41000\nout PO\n");
	result_deinit(&result);
}

static void test_overlap_is_cut(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .text = "abcdef");
	result.position[0] = 3;
	SAY(&result, .time_ms = 101, .text = "defghi");
	result.position[0] = 1;
	SAY(&result, .time_ms = 102, .text = "bc");
	flush(&result, 1000);
	assert_log(&result, "out SYN 41000\nout abcdef\nout ghi\n");
	result_deinit(&result);
}

static void test_gaps(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .text = "abc");
	result.position[0] += 4;
	SAY(&result, .time_ms = 101, .text = "def", .lost = 2);
	SAY(&result, .time_ms = 102, .text = "answer", .in = true);
	flush(&result, 1000);
	assert_log(&result, "out SYN 41000\nout abc\nout 0000\nout def\nout 00\nin answer\n");
	g_assert_cmpuint(result.comments->len, ==, 3);
	g_assert_nonnull(strstr(result.comments->pdata[1], "4 bytes were lost here"));
	result_deinit(&result);
}

static void test_large_gap(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .text = "abc", .lost = 5 << 20);
	SAY(&result, .time_ms = 101, .text = "def");
	flush(&result, 1000);
	assert_log(&result, "out SYN 41000\nout abc\nout FIN 41000\nin FIN 443\n"
			    "out SYN 41000\nout def\n");
	result_deinit(&result);
}

/* No more zeros than bytes are copied of a call. */
static void test_gaps_are_limited(void)
{
	struct result result;

	result_init(&result, false);
	ss_tls_plaintext_limit_gaps(result.plaintext, 2);
	SAY(&result, .time_ms = 100, .text = "abc", .lost = 3);
	SAY(&result, .time_ms = 101, .text = "def");
	flush(&result, 1000);
	assert_log(&result, "out SYN 41000\nout abc\nout FIN 41000\nin FIN 443\n"
			    "out SYN 41000\nout def\n");
	result_deinit(&result);
}

static void test_unknown_socket_waits(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .socket = &unknown, .text = "GET / HTTP/1.1\r\n");
	flush(&result, 1000);
	assert_log(&result, "");
	SAY(&result, .time_ms = 1001, .text = "HTTP/1.1 200 OK\r\n", .in = true);
	flush(&result, 1002);
	assert_log(&result, "out SYN 41000\nout GET / HTTP/1.1\r\n\n");
	result_deinit(&result);
}

/* It is not known in time; when it is, that is another stream. */
static void test_unknown_socket_is_made_up(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .socket = &unknown, .text = "GET / HTTP/1.1\r\n");
	flush(&result, 2101);
	assert_log(&result, "out SYN 49153\nout GET / HTTP/1.1\r\n\n");
	g_assert_nonnull(strstr(result.comments->pdata[0], "its addresses are, too"));
	SAY(&result, .time_ms = 2200, .text = "HTTP/1.1 200 OK\r\n", .in = true);
	flush(&result, 3000);
	assert_log(&result, "out FIN 49153\nin FIN 443\nout SYN 41000\nin HTTP/1.1 200 OK\r\n\n");
	result_deinit(&result);
}

/* An end comes after what was said before it, and an address can be used again at once. */
static void test_close_and_reuse(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .text = "GET /1 HTTP/1.1\r\n");
	end(&result, 101, true);
	result.position[0] = 0;
	SAY(&result, .time_ms = 102, .text = "GET /2 HTTP/1.1\r\n");
	end(&result, 103, true);
	flush(&result, 1000);
	assert_log(&result, "out SYN 41000\nout GET /1 HTTP/1.1\r\n\nout FIN 41000\nin FIN 443\n"
			    "out SYN 41000\nout GET /2 HTTP/1.1\r\n\nout FIN 41000\nin FIN 443\n");
	result_deinit(&result);
}

/* Nobody told of the first one's end. */
static void test_reuse_without_close(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .text = "GET /1 HTTP/1.1\r\n");
	result.position[0] = 0;
	SAY(&result, .time_ms = 102, .text = "GET /2 HTTP/1.1\r\n");
	flush(&result, 1000);
	assert_log(&result, "out SYN 41000\nout GET /1 HTTP/1.1\r\n\nout FIN 41000\nin FIN 443\n"
			    "out SYN 41000\nout GET /2 HTTP/1.1\r\n\n");
	result_deinit(&result);
}

/* After SSL_shutdown() the peer may still speak. */
static void test_shutdown(void)
{
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .text = "GET / HTTP/1.1\r\n");
	end(&result, 101, false);
	SAY(&result, .time_ms = 150, .text = "HTTP/1.1 200 OK\r\n", .in = true);
	flush(&result, 900);
	assert_log(&result, "out SYN 41000\nout GET / HTTP/1.1\r\n\nin HTTP/1.1 200 OK\r\n\n");
	flush(&result, 1200);
	assert_log(&result, "out FIN 41000\nin FIN 443\n");
	result_deinit(&result);
}

static void test_exit(void)
{
	struct ss_tls_record record = {
		.type = SS_TLS_RECORD_EXIT, .size = sizeof(record), .pid = 7};
	struct result result;

	result_init(&result, false);
	SAY(&result, .time_ms = 100, .text = "GET / HTTP/1.1\r\n");
	record.time_ns = 101 * MS;
	ss_tls_plaintext_record(result.plaintext, &record);
	flush(&result, 111);
	assert_log(&result, "out SYN 41000\nout GET / HTTP/1.1\r\n\nout FIN 41000\nin FIN 443\n");
	result_deinit(&result);
}

static void test_shown(void)
{
	struct result result;

	result_init(&result, false);
	result.shown = true;
	SAY(&result, .time_ms = 100, .text = "GET / HTTP/1.1\r\n");
	end(&result, 101, true);
	flush(&result, 1000);
	assert_log(&result, "");
	result_deinit(&result);
}

/* The longest unused is ended. */
static void test_many_connections(void)
{
	const char *const first = "out SYN 1000\nout x\nout FIN 1000\nin FIN 443\n";
	struct ss_tls_socket socket = inet;
	struct result result;

	result_init(&result, false);
	for (uint32_t i = 0; i <= 4096; i++) {
		socket.local_port = (uint16_t)(1000 + i);
		result.position[0] = 0;
		SAY(&result, .time_ms = 100 + i, .connection = i, .socket = &socket, .text = "x");
	}
	assert_log(&result, first);
	result_deinit(&result);
}

/* Nobody flushes, and yet memory is bounded. */
static void test_bounded_memory(void)
{
	g_autofree char *text = g_strnfill(16384, 'x');
	struct result result;

	result_init(&result, false);
	for (int i = 0; i < 5000; i++)
		SAY(&result, .time_ms = 100, .text = text);
	g_assert_cmpuint(result.log->len, >, 64 << 20);
	result_deinit(&result);
}

static void test_redacted(void)
{
	struct result result;

	result_init(&result, true);
	SAY(&result, .time_ms = 100, .text = "GET /?token=ab");
	SAY(&result, .time_ms = 101, .text = "c&card=4111111");
	SAY(&result, .time_ms = 102, .text = "111111111 HTTP/1.1\r\n");
	SAY(&result, .time_ms = 103, .text = "12345");
	SAY(&result, .time_ms = 104, .text = "HTTP/1.1 200 OK\r\n", .in = true);
	flush(&result, 150);
	assert_log(&result, "out SYN 41000\nout GET /?token=**\nout *&card=\n"
			    "out **************** HTTP/1.1\r\n\n");
	flush(&result, 303); /* the digits have waited, the answer with them */
	assert_log(&result, "out 12345\nin HTTP/1.1 200 OK\r\n\n");
	g_assert_cmpuint(ss_tls_redact_count(result.redact), ==, 19);
	result_deinit(&result);
}

static void test_end_hands_out_all(void)
{
	struct result result;

	result_init(&result, true);
	SAY(&result, .time_ms = 100, .text = "card 4111111111111111");
	ss_tls_plaintext_free(g_steal_pointer(&result.plaintext));
	assert_log(&result, "out SYN 41000\nout card \nout ****************\n"
			    "out FIN 41000\nin FIN 443\n");
	result_deinit(&result);
}

/* Records that say more than they have are no records. */
static void test_lying_records(void)
{
	struct ss_tls_data data = {.length = 100, .write = 1};
	struct ss_tls_close close = {.freed = 1};
	struct result result;

	result_init(&result, false);
	data.head = (struct ss_tls_record){.type = SS_TLS_RECORD_DATA, .size = sizeof(data) + 99};
	ss_tls_plaintext_record(result.plaintext, &data.head);
	data.head.size = 8;
	ss_tls_plaintext_record(result.plaintext, &data.head);
	close.head = (struct ss_tls_record){.type = SS_TLS_RECORD_CLOSE, .size = 8};
	ss_tls_plaintext_record(result.plaintext, &close.head);
	flush(&result, 100000);
	assert_log(&result, "");
	result_deinit(&result);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls/plaintext/order-of-time", test_order_of_time);
	g_test_add_func("/tls/plaintext/order-of-positions", test_order_of_positions);
	g_test_add_func("/tls/plaintext/first-word-in-pieces", test_first_word_in_pieces);
	g_test_add_func("/tls/plaintext/overlap-is-cut", test_overlap_is_cut);
	g_test_add_func("/tls/plaintext/gaps", test_gaps);
	g_test_add_func("/tls/plaintext/large-gap", test_large_gap);
	g_test_add_func("/tls/plaintext/gaps-are-limited", test_gaps_are_limited);
	g_test_add_func("/tls/plaintext/unknown-socket-waits", test_unknown_socket_waits);
	g_test_add_func("/tls/plaintext/unknown-socket-is-made-up", test_unknown_socket_is_made_up);
	g_test_add_func("/tls/plaintext/close-and-reuse", test_close_and_reuse);
	g_test_add_func("/tls/plaintext/reuse-without-close", test_reuse_without_close);
	g_test_add_func("/tls/plaintext/shutdown", test_shutdown);
	g_test_add_func("/tls/plaintext/exit", test_exit);
	g_test_add_func("/tls/plaintext/shown", test_shown);
	g_test_add_func("/tls/plaintext/many-connections", test_many_connections);
	g_test_add_func("/tls/plaintext/bounded-memory", test_bounded_memory);
	g_test_add_func("/tls/plaintext/redacted", test_redacted);
	g_test_add_func("/tls/plaintext/end-hands-out-all", test_end_hands_out_all);
	g_test_add_func("/tls/plaintext/lying-records", test_lying_records);
	return g_test_run();
}
