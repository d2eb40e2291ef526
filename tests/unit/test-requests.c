/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests, and the responses a filter wants, offered to the stage: which frames come out. */
#include "requests.h"

#include "offered.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define CLIENT "10.0.0.2"
#define SERVER "10.0.0.3"

#define SYN 0x02u
#define ACK 0x10u
#define FIN 0x11u
#define RST 0x14u

struct fixture {
	struct ss_requests *requests;
	struct offered frames;
};

/* Interim responses. */
static bool wants(unsigned code, void *user_data)
{
	(void)user_data;
	return code == 103;
}

static void set_up(struct fixture *fixture, gconstpointer data)
{
	struct ss_held_callbacks callbacks = offered_callbacks(&fixture->frames);

	(void)data;
	callbacks.taken_back = NULL; /* nobody judges before */
	fixture->requests = ss_requests_new(&callbacks, wants);
	offered_init(&fixture->frames, ss_requests_stage(fixture->requests));
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_requests_free(fixture->requests);
	offered_deinit(&fixture->frames);
}

/* port: the client's. */
static void put(struct fixture *fixture, uint16_t port, bool back, uint32_t sequence, uint32_t ack,
		uint8_t flags, const char *text)
{
	offered_put(&fixture->frames, (struct packet){
					      .from = back ? SERVER : CLIENT,
					      .to = back ? CLIENT : SERVER,
					      .from_port = back ? 80 : port,
					      .to_port = back ? port : 80,
					      .sequence = sequence,
					      .acknowledgement = ack,
					      .flags = flags,
					      .payload = (const uint8_t *)text,
					      .length = strlen(text),
				      });
}

static void run(struct fixture *fixture, unsigned ms)
{
	offered_run(&fixture->frames, ms);
}

static void assert_kept(const struct fixture *fixture, const char *kept)
{
	int count = 0;

	offered_assert_kept(&fixture->frames, kept);
	for (const char *letter = kept; *letter; letter++)
		count += *letter == 'n';
	g_assert_cmpint(fixture->frames.left_out, ==, count - (int)fixture->frames.late->len);
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

/* One that is wanted itself; then its request is, too. */
static void test_interim(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, 4000, false, 100, 900, ACK, GET);
	put(fixture, 4000, true, 900, 200, ACK, "HTTP/1.1 103 Early Hints\r\n\r\n");
	put(fixture, 4000, false, 200, 950, ACK, GET);
	put(fixture, 4000, true, 1000, 300, FIN, "");
	run(fixture, 0);
	assert_kept(fixture, "yynn");
}

/* What comes behind is no part of the answer, unless it is HTTP again. */
static void test_other_protocols(struct fixture *fixture, gconstpointer data)
{
	static const char *const requests[] = {GET, "CONNECT a:1 HTTP/1.1\r\n\r\n", GET};
	static const char *const answers[] = {"HTTP/1.1 101 Switching\r\n\r\n",
					      "HTTP/1.1 200 Established\r\n\r\n",
					      "HTTP/1.1 200 Fine\r\n\r\n"};

	(void)data;
	for (uint16_t i = 0; i < G_N_ELEMENTS(answers); i++) {
		uint16_t port = 4000 + i;

		put(fixture, port, false, 100, 900, ACK, requests[i]);
		put(fixture, port, true, 900, 200, ACK, answers[i]);
		put(fixture, port, false, 200, 950, ACK, "PRI * HTTP/2.0\r\n");
		put(fixture, port, true, 950, 220, ACK, "{more}");
		put(fixture, port, true, 960, 220, FIN, "");
	}
	put(fixture, 4010, false, 100, 900, ACK, requests[1]);
	put(fixture, 4010, true, 900, 200, ACK, answers[1]);
	put(fixture, 4010, true, 950, 200, ACK, "{more}");
	put(fixture, 4010, false, 200, 960, ACK, GET);
	put(fixture, 4010, true, 960, 300, ACK, ERROR);
	put(fixture, 4010, true, 1000, 300, ACK, "{more}");
	run(fixture, 0);
	assert_kept(fixture, "yynnn"
			     "yynnn"
			     "yyyyy"
			     "yynyyy");
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
	struct ss_held_counts counts;
	GByteArray *copy;
	uint64_t asked_ns = fixture->frames.now_ns;

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
	g_assert_cmpuint(fixture->frames.late->len, ==, 1);
	copy = fixture->frames.late->pdata[0];
	g_assert_cmpuint(ss_block_type(copy->data), ==, SS_PCAPNG_EPB);
	g_assert_cmpuint(ss_block_time(copy->data, copy->len), ==, fixture->frames.now_ns);
	g_assert_nonnull(memmem(copy->data, copy->len, "GET / HTTP/1.1", strlen("GET / HTTP/1.1")));
	g_assert_nonnull(memmem(copy->data, copy->len, "sent 1.2", strlen("sent 1.2")));
	g_assert_cmpuint(fixture->frames.now_ns - asked_ns, >=, 1200 * MS);
	counts = ss_requests_counts(fixture->requests);
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
	ss_stage_release(&fixture->frames.stage);
	run(fixture, 0);
	assert_kept(fixture, "nn");
	put(fixture, 4001, true, 900, 200, ACK, ERROR);
	run(fixture, 0);
	assert_kept(fixture, "nny");
	g_assert_cmpuint(fixture->frames.late->len, ==, 1);
}

/* What waits is bounded; what is given up is counted. */
static void test_many(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *text = g_strdup_printf("GET /%1300s HTTP/1.1\r\n\r\n", "x");
	struct ss_held_counts counts;

	(void)data;
	g_strcanon(text + 5, "x HTTP/1.", 'x');
	memcpy(text, "GET /", 5);
	for (unsigned i = 0; i < 40000; i++) {
		put(fixture, (uint16_t)(1024 + i), false, 100, 900, ACK, text);
		if (i % 500)
			continue;
		run(fixture, 0);
		ss_stage_release(&fixture->frames.stage);
		run(fixture, 0);
		offered_forget(&fixture->frames);
	}
	counts = ss_requests_counts(fixture->requests);
	g_assert_cmpuint(counts.given_up, >, 10000);
	g_assert_cmpuint(counts.given_up, <, 20000);
}

/* ... also on one connection, whose client never waits for an answer. */
static void test_many_on_one_connection(struct fixture *fixture, gconstpointer data)
{
	const unsigned count = 30000;
	struct ss_held_counts counts;

	(void)data;
	for (unsigned i = 0; i < count; i++) {
		put(fixture, 4000, false, 100 * i, 900, ACK, GET);
		if (i % 500)
			continue;
		run(fixture, 0);
		ss_stage_release(&fixture->frames.stage);
		run(fixture, 0);
		offered_forget(&fixture->frames);
	}
	put(fixture, 4000, true, 900, 100 * count, ACK, ERROR);
	run(fixture, 0);
	counts = ss_requests_counts(fixture->requests);
	g_assert_cmpuint(counts.kept, ==, 1024);
	g_assert_cmpuint(counts.given_up, ==, count - 1024);
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
		{"/requests/interim", test_interim},
		{"/requests/other-protocols", test_other_protocols},
		{"/requests/until-the-end", test_until_the_end},
		{"/requests/slow-answer", test_slow_answer},
		{"/requests/release", test_release},
		{"/requests/many", test_many},
		{"/requests/many-on-one-connection", test_many_on_one_connection},
		{"/requests/others", test_others},
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
