/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP messages as a judge leaves them, offered to the stage: which frames come out. */
#include "partners.h"

#include "offered.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define CLIENT "10.0.0.2"
#define SERVER "10.0.0.3"

#define ACK 0x10u
#define FIN 0x11u
#define RST 0x14u

struct fixture {
	struct ss_partners *partners;
	struct offered frames;
	uint32_t next[2]; /* sequence numbers of both sides */
};

static void set_up(struct fixture *fixture, gconstpointer data)
{
	const struct ss_held_callbacks callbacks = offered_callbacks(&fixture->frames);

	(void)data;
	fixture->partners = ss_partners_new(&callbacks);
	offered_init(&fixture->frames, ss_partners_stage(fixture->partners));
	fixture->next[0] = 100;
	fixture->next[1] = 9000;
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_partners_free(fixture->partners);
	offered_deinit(&fixture->frames);
}

static void put_flags(struct fixture *fixture, bool back, uint8_t flags, const char *text,
		      enum said said)
{
	offered_put_judged(&fixture->frames,
			   (struct packet){
				   .from = back ? SERVER : CLIENT,
				   .to = back ? CLIENT : SERVER,
				   .from_port = back ? 80 : 4000,
				   .to_port = back ? 4000 : 80,
				   .sequence = fixture->next[back],
				   .acknowledgement = fixture->next[!back],
				   .flags = flags,
				   .payload = (const uint8_t *)text,
				   .length = strlen(text),
			   },
			   said);
	fixture->next[back] += (uint32_t)strlen(text);
}

static void ask(struct fixture *fixture, const char *text, enum said said)
{
	put_flags(fixture, false, ACK, text, said);
}

static void answer(struct fixture *fixture, const char *text, enum said said)
{
	put_flags(fixture, true, ACK, text, said);
}

static void run(struct fixture *fixture, unsigned ms)
{
	offered_run(&fixture->frames, ms);
}

/* A letter per frame that went on: y it is written, c as context, n left out. */
static void assert_kept(const struct fixture *fixture, const char *kept)
{
	const struct offered *frames = &fixture->frames;
	g_autoptr(GString) found = g_string_new(NULL);
	int context = 0;

	for (guint i = 0; i < frames->starts->len; i++) {
		guint start = g_array_index(frames->starts, guint, i);
		const uint8_t *block = frames->blocks->data + start;
		bool is_context = ss_block_is_context(block, ss_block_word(block + 4));

		if (start >= frames->from)
			break;
		if (ss_block_type(block) == SS_BLOCK_LEFT_OUT) {
			g_string_append_c(found, 'n');
		} else {
			g_string_append_c(found, is_context ? 'c' : 'y');
			context += is_context;
		}
	}
	g_assert_cmpstr(found->str, ==, kept);
	g_assert_cmpint(frames->left_out, ==, 0);
	g_assert_cmpint(frames->taken_back, ==, context + (int)frames->late->len);
}

static void assert_counts(const struct fixture *fixture, uint64_t kept, uint64_t cut,
			  uint64_t given_up)
{
	struct ss_held_counts counts = ss_partners_counts(fixture->partners);

	g_assert_cmpuint(counts.kept, ==, kept);
	g_assert_cmpuint(counts.cut, ==, cut);
	g_assert_cmpuint(counts.given_up, ==, given_up);
}

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define LONG "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"

static void test_responses(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, NO);
	answer(fixture, OK, NO);
	ask(fixture, GET, NO);
	answer(fixture, OK, YES);
	ask(fixture, GET, NO);
	answer(fixture, OK, NO);
	run(fixture, 0);
	assert_kept(fixture, "nncynn");
	assert_counts(fixture, 1, 0, 0);
}

static void test_requests(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, YES);
	answer(fixture, LONG, NO);
	run(fixture, 0);
	assert_kept(fixture, "yc");
	answer(fixture, "abc", NO);
	answer(fixture, "def", NO);
	ask(fixture, GET, NO);
	answer(fixture, OK, NO);
	run(fixture, 0);
	assert_kept(fixture, "ycccnn");
}

/* The frame that completes a message is selected: what came before it waits for that. */
static void test_segments(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, POST, NO);
	ask(fixture, "abc", NO);
	ask(fixture, "def", NO);
	answer(fixture, "HTTP/1.1 100 Continue\r\n\r\n", NO);
	answer(fixture, LONG, NO);
	answer(fixture, "abc", NO);
	run(fixture, 0);
	assert_kept(fixture, "");
	answer(fixture, "def", YES);
	run(fixture, 0);
	assert_kept(fixture, "ccccccy");
}

static void test_pipelining(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, NO);
	ask(fixture, GET GET, NO);
	ask(fixture, GET, NO);
	answer(fixture, OK, NO);
	answer(fixture, OK OK, YES);
	answer(fixture, OK, NO);
	run(fixture, 0);
	assert_kept(fixture, "ncnnyn");
}

/* The kernel keeps responses back that can't match. */
static void test_responses_that_nobody_saw(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, NO);
	fixture->next[1] += 500;
	ask(fixture, GET, NO);
	fixture->next[1] += 500;
	ask(fixture, GET, NO);
	answer(fixture, OK, YES);
	run(fixture, 0);
	assert_kept(fixture, "nncy");
	/* Of requests that did not wait any may be the one. */
	ask(fixture, GET, NO);
	ask(fixture, GET, NO);
	fixture->next[1] += 500;
	answer(fixture, OK, YES);
	run(fixture, 0);
	assert_kept(fixture, "nncyccy");
}

static void test_until_the_end(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, NO);
	answer(fixture, "HTTP/1.0 200 OK\r\n\r\nabc", NO);
	answer(fixture, GET, NO);
	put_flags(fixture, true, FIN, "", YES);
	run(fixture, 0);
	assert_kept(fixture, "cccy");
	ask(fixture, GET, NO);
	put_flags(fixture, true, RST, "", NO);
	run(fixture, 0);
	assert_kept(fixture, "cccynn");
}

/* After an upgrade it is something else; in a tunnel it may be. */
static void test_other_protocols(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, YES);
	answer(fixture, "HTTP/1.1 101 OK\r\n\r\n", NO);
	ask(fixture, GET, NO);
	answer(fixture, LONG, YES);
	run(fixture, 0);
	assert_kept(fixture, "ycny");
}

static void test_tunnel(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, "CONNECT a:1 HTTP/1.1\r\n\r\n", NO);
	answer(fixture, "HTTP/1.1 200 OK\r\n\r\n", NO);
	ask(fixture, "\x16\3\1", NO);
	answer(fixture, "\x16\3\1", NO);
	ask(fixture, GET, NO);
	answer(fixture, OK, YES);
	run(fixture, 0);
	assert_kept(fixture, "nnnncy");
}

/* Somebody else has left it out: a mesh, for example. */
static void test_what_is_gone(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, YES);
	ss_block_set_type(fixture->frames.blocks->data, SS_BLOCK_LEFT_OUT);
	answer(fixture, OK, YES);
	run(fixture, 0);
	assert_kept(fixture, "ny");
}

static void test_a_response_without_request(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	answer(fixture, LONG, NO);
	answer(fixture, "abcdef", YES);
	ask(fixture, GET, NO);
	answer(fixture, OK, NO);
	run(fixture, 0);
	assert_kept(fixture, "cynn");
}

/* It leaves the ring, and is written when its answer comes. */
static void test_slow(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, NO);
	run(fixture, 80);
	assert_kept(fixture, "");
	run(fixture, 60);
	assert_kept(fixture, "n");
	answer(fixture, OK, YES);
	run(fixture, 0);
	assert_kept(fixture, "ny");
	g_assert_cmpuint(fixture->frames.late->len, ==, 1);
	/* One that nobody answers. */
	ask(fixture, GET, NO);
	run(fixture, 200);
	fixture->frames.now_ns += 700000 * MS;
	run(fixture, 0);
	assert_kept(fixture, "nyn");
	assert_counts(fixture, 1, 0, 1);
}

/* Longer than what waits: its beginning and what is selected. */
static void test_long(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *filler = g_strnfill(60000, 'x');

	(void)data;
	ask(fixture, GET, NO);
	answer(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 6000000\r\n\r\n", NO);
	for (int i = 0; i < 99; i++)
		answer(fixture, filler, NO);
	answer(fixture, filler, YES);
	run(fixture, 200);
	g_assert_cmpuint(fixture->frames.from, ==, fixture->frames.blocks->len);
	g_assert_cmpint(fixture->frames.taken_back, >, 60);
	g_assert_cmpint(fixture->frames.taken_back, <, 80);
	ask(fixture, GET, NO);
	answer(fixture, OK, NO);
	run(fixture, 200);
	assert_counts(fixture, 1, 1, 0);
}

/* As on a busy server whose answers are slow. */
static void test_too_many(struct fixture *fixture, gconstpointer data)
{
	struct ss_held_counts counts;

	(void)data;
	for (unsigned i = 0; i < 200000; i++) {
		offered_put_judged(&fixture->frames,
				   (struct packet){
					   .from = CLIENT,
					   .to = SERVER,
					   .from_port = (uint16_t)i,
					   .to_port = (uint16_t)(80 + (i >> 16)),
					   .sequence = 1,
					   .acknowledgement = 1,
					   .flags = ACK,
					   .payload = (const uint8_t *)GET,
					   .length = strlen(GET),
				   },
				   NO);
	}
	run(fixture, 200);
	g_assert_cmpuint(fixture->frames.from, ==, fixture->frames.blocks->len);
	counts = ss_partners_counts(fixture->partners);
	g_assert_cmpuint(counts.given_up, ==, 200000 - 65536);
}

/* Clients that never wait, on many connections; their requests are selected. */
static void test_too_many_selected(struct fixture *fixture, gconstpointer data)
{
	struct ss_held_counts counts;

	(void)data;
	for (unsigned i = 0; i < 200000; i++) {
		offered_put_judged(&fixture->frames,
				   (struct packet){
					   .from = CLIENT,
					   .to = SERVER,
					   .from_port = (uint16_t)(4000 + i % 400),
					   .to_port = 80,
					   .sequence = i / 400 * (uint32_t)strlen(GET),
					   .acknowledgement = 1,
					   .flags = ACK,
					   .payload = (const uint8_t *)GET,
					   .length = strlen(GET),
				   },
				   YES);
		if (i % 400 == 0) {
			run(fixture, 0);
			offered_forget(&fixture->frames);
		}
	}
	counts = ss_partners_counts(fixture->partners);
	g_assert_cmpuint(counts.kept, ==, counts.given_up);
	g_assert_cmpuint(counts.given_up, >=, 200000 - 131072 - 400);
	g_assert_cmpuint(counts.given_up, <=, 200000 - 131072);
}

#define ADD(name, test) g_test_add("/partners/" name, struct fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("responses", test_responses);
	ADD("requests", test_requests);
	ADD("segments", test_segments);
	ADD("pipelining", test_pipelining);
	ADD("responses-that-nobody-saw", test_responses_that_nobody_saw);
	ADD("until-the-end", test_until_the_end);
	ADD("other-protocols", test_other_protocols);
	ADD("tunnel", test_tunnel);
	ADD("what-is-gone", test_what_is_gone);
	ADD("a-response-without-request", test_a_response_without_request);
	ADD("slow", test_slow);
	ADD("long", test_long);
	ADD("too-many", test_too_many);
	ADD("too-many-selected", test_too_many_selected);
	return g_test_run();
}
