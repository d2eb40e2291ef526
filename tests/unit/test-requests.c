/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests, and the responses a filter wants, offered to the stage: which frames come out. */
#include "requests.h"

#include "dns-frames.h"
#include "output/block.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MS 1000000ull

#define CLIENT "10.0.0.2"
#define SERVER "10.0.0.3"

#define SYN 0x02u
#define ACK 0x10u
#define FIN 0x11u
#define RST 0x14u

struct fixture {
	struct ss_requests *requests;
	GByteArray *blocks; /* all that were offered so far */
	size_t from;        /* what is held begins here */
	uint64_t now_ns;
	GArray *starts;  /* guint, of each frame */
	GPtrArray *late; /* GByteArray */
	uint64_t late_ns;
	int left_out;
};

static void left_out(uint32_t interface_id, void *user_data)
{
	g_assert_cmpuint(interface_id, ==, 0);
	((struct fixture *)user_data)->left_out++;
}

static void late(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data)
{
	struct fixture *fixture = user_data;

	g_assert_cmpuint(interface_id, ==, 0);
	fixture->late_ns = time_ns;
	fixture->left_out--;
	g_ptr_array_add(fixture->late, block);
}

static void set_up(struct fixture *fixture, gconstpointer data)
{
	const struct ss_requests_callbacks callbacks = {left_out, late, fixture};

	(void)data;
	fixture->requests = ss_requests_new(&callbacks);
	ss_requests_interface(fixture->requests, 0, SS_LINKTYPE_ETHERNET, 7);
	fixture->blocks = g_byte_array_new();
	fixture->starts = g_array_new(FALSE, FALSE, sizeof(guint));
	fixture->late = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
	fixture->now_ns = 1000 * MS;
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_requests_free(fixture->requests);
	g_byte_array_unref(fixture->blocks);
	g_array_unref(fixture->starts);
	g_ptr_array_unref(fixture->late);
}

/* port: the client's. */
static void put(struct fixture *fixture, uint16_t port, bool back, uint32_t sequence, uint32_t ack,
		uint8_t flags, const char *text)
{
	struct packet packet = {
		.from = back ? SERVER : CLIENT,
		.to = back ? CLIENT : SERVER,
		.from_port = back ? 80 : port,
		.to_port = back ? port : 80,
		.time_ns = fixture->now_ns,
		.sequence = sequence,
		.acknowledgement = ack,
		.flags = flags,
		.payload = (const uint8_t *)text,
		.length = strlen(text),
	};
	guint start = dns_put_block(fixture->blocks, &packet);

	g_array_append_val(fixture->starts, start);
}

/* Offers what is held; in steps, as the pump's ticks do, until ms later. */
static void run(struct fixture *fixture, unsigned ms)
{
	for (unsigned passed = 0; passed <= ms; passed += 20) {
		uint64_t again_ns = 0;
		size_t length = fixture->blocks->len - fixture->from;

		if (passed)
			fixture->now_ns += 20 * MS;
		fixture->from +=
			ss_requests_admit(fixture->requests, fixture->blocks->data + fixture->from,
					  length, fixture->now_ns, &again_ns);
		g_assert_true(fixture->from == fixture->blocks->len || again_ns);
	}
}

/* A letter per frame: y it is written, n it is left out. */
static void assert_kept(const struct fixture *fixture, const char *kept)
{
	g_autoptr(GString) found = g_string_new(NULL);
	int count = 0;

	for (guint i = 0; i < fixture->starts->len; i++) {
		guint start = g_array_index(fixture->starts, guint, i);

		if (start >= fixture->from)
			break;
		if (ss_block_type(fixture->blocks->data + start) == SS_BLOCK_LEFT_OUT) {
			g_string_append_c(found, 'n');
			count++;
		} else {
			g_string_append_c(found, 'y');
		}
	}
	g_assert_cmpstr(found->str, ==, kept);
	g_assert_cmpint(fixture->left_out, ==, count - (int)fixture->late->len);
}

#define GET   "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define ERROR "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nabc"

/* Requests on one connection, the second of which has the wanted answer. */
static void test_keep_alive(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, 4000, false, 100, 900, ACK, GET);
	put(fixture, 4000, false, 200, 950, ACK, GET);
	put(fixture, 4000, true, 950, 300, ACK, ERROR);
	put(fixture, 4000, true, 990, 300, ACK, "BODY of it");
	put(fixture, 4000, false, 300, 1000, ACK, GET);
	run(fixture, 0);
	assert_kept(fixture, "nyyy");
	put(fixture, 4000, true, 1000, 400, FIN, "");
	run(fixture, 0);
	assert_kept(fixture, "nyyynn");
}

static void test_several_connections(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	for (uint16_t port = 4000; port < 4004; port++)
		put(fixture, port, false, 100, 900, ACK, GET);
	put(fixture, 4002, true, 900, 200, ACK, ERROR);
	put(fixture, 4000, true, 950, 200, RST, "");
	put(fixture, 4001, true, 950, 200, FIN, "");
	put(fixture, 4003, false, 200, 900, RST, "");
	run(fixture, 0);
	assert_kept(fixture, "nnynynnn");
}

/* The client does not wait: any of its requests may be the one. */
static void test_pipelining(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, 4000, false, 100, 900, ACK, GET);
	put(fixture, 4000, false, 200, 900, ACK, GET);
	put(fixture, 4000, false, 300, 900, ACK, GET);
	put(fixture, 4000, true, 930, 400, ACK, ERROR);
	run(fixture, 0);
	assert_kept(fixture, "yyyy");
}

/* A body, a repetition, and a response that is not the answer yet. */
static void test_upload(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	for (int wanted = 0; wanted < 2; wanted++) {
		uint16_t port = (uint16_t)(4000 + wanted);

		put(fixture, port, false, 100, 900, ACK, "POST / HTTP/1.1\r\nExpect: 100-continue");
		put(fixture, port, false, 100, 900, ACK, "POST / HTTP/1.1\r\nExpect: 100-continue");
		put(fixture, port, true, 900, 200, ACK, "HTTP/1.1 100 Continue\r\n\r\n");
		put(fixture, port, false, 200, 925, ACK, "{the body}");
		if (wanted)
			put(fixture, port, true, 925, 210, ACK, ERROR);
		else
			put(fixture, port, true, 990, 210, FIN, "");
	}
	run(fixture, 0);
	assert_kept(fixture, "nnnnnyyyyy");
}

/* The answer ends with the connection. */
static void test_until_the_end(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, 4000, false, 100, 900, ACK, GET);
	put(fixture, 4000, true, 900, 200, ACK, "HTTP/1.0 500 Oops\r\n\r\nabc");
	put(fixture, 4000, true, 930, 200, FIN, "");
	put(fixture, 4000, false, 200, 931, FIN, "");
	run(fixture, 0);
	assert_kept(fixture, "yyyn");
}

/* It does not hold up others; its copy comes with the answer, and tells when it was sent. */
static void test_slow_answer(struct fixture *fixture, gconstpointer data)
{
	struct ss_requests_counts counts;
	struct ss_cursor stream;
	GByteArray *copy;
	uint64_t asked_ns = fixture->now_ns;

	(void)data;
	put(fixture, 4000, false, 100, 900, ACK, GET);
	run(fixture, 0);
	assert_kept(fixture, "");
	run(fixture, 200);
	assert_kept(fixture, "n");
	run(fixture, 1000);
	put(fixture, 4000, true, 900, 200, ACK, ERROR);
	run(fixture, 0);
	assert_kept(fixture, "ny");
	g_assert_cmpuint(fixture->late->len, ==, 1);
	g_assert_cmpuint(fixture->late_ns, ==, fixture->now_ns);
	copy = fixture->late->pdata[0];
	stream = ss_cursor(copy->data, copy->len);
	g_assert_cmpuint(block_take(&stream).type, ==, SS_PCAPNG_EPB);
	g_assert_cmpuint(stream.length, ==, 0);
	g_assert_nonnull(memmem(copy->data, copy->len, "GET / HTTP/1.1", strlen("GET / HTTP/1.1")));
	g_assert_nonnull(memmem(copy->data, copy->len, "sent 1.2", strlen("sent 1.2")));
	g_assert_cmpuint(fixture->late_ns - asked_ns, >=, 1200 * MS);
	ss_requests_count(fixture->requests, &counts);
	g_assert_cmpuint(counts.kept, ==, 1);
	g_assert_cmpuint(counts.given_up, ==, 0);
}

/* A ring that is half full gets room at once, and nothing is lost. */
static void test_release(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, 4000, false, 100, 900, ACK, GET);
	put(fixture, 4001, false, 100, 900, ACK, GET);
	run(fixture, 0);
	ss_requests_release(fixture->requests);
	run(fixture, 0);
	assert_kept(fixture, "nn");
	put(fixture, 4001, true, 900, 200, ACK, ERROR);
	run(fixture, 0);
	assert_kept(fixture, "nny");
	g_assert_cmpuint(fixture->late->len, ==, 1);
}

/* What waits is bounded; what is given up is counted. */
static void test_many(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *text = g_strdup_printf("GET /%1300s HTTP/1.1\r\n\r\n", "x");
	struct ss_requests_counts counts;

	(void)data;
	g_strcanon(text + 5, "x HTTP/1.", 'x');
	memcpy(text, "GET /", 5);
	for (unsigned i = 0; i < 40000; i++) {
		put(fixture, (uint16_t)(1024 + i), false, 100, 900, ACK, text);
		if (i % 500)
			continue;
		run(fixture, 0);
		ss_requests_release(fixture->requests);
		run(fixture, 0);
		g_byte_array_remove_range(fixture->blocks, 0, (guint)fixture->from);
		g_array_set_size(fixture->starts, 0);
		fixture->from = 0;
	}
	ss_requests_count(fixture->requests, &counts);
	g_assert_cmpuint(counts.given_up, >, 10000);
	g_assert_cmpuint(counts.given_up, <, 20000);
}

/* What is not HTTP, or not understood, is not touched. */
static void test_others(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, 4000, true, 900, 200, ACK, ERROR);
	put(fixture, 4000, true, 950, 200, ACK, "more");
	put(fixture, 4001, false, 100, 900, ACK, "\x16\x03\x01");
	put(fixture, 4002, false, 100, 900, ACK, "");
	run(fixture, 0);
	assert_kept(fixture, "yyyy");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(struct fixture *fixture, gconstpointer data);
	} tests[] = {
		{"/requests/keep-alive", test_keep_alive},
		{"/requests/several-connections", test_several_connections},
		{"/requests/pipelining", test_pipelining},
		{"/requests/upload", test_upload},
		{"/requests/until-the-end", test_until_the_end},
		{"/requests/slow-answer", test_slow_answer},
		{"/requests/release", test_release},
		{"/requests/many", test_many},
		{"/requests/others", test_others},
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
