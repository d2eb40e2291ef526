/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP messages as a judge leaves them, offered to the stage: which frames come out. */
#include "partners.h"

#include "dns-frames.h"
#include "format/metadata.h"
#include "output/block.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MS 1000000ull

#define CLIENT "10.0.0.2"
#define SERVER "10.0.0.3"

/* What the judge said; or somebody before it has left the frame out. */
enum said { YES, NO, GONE };

#define ACK 0x10u
#define FIN 0x11u
#define RST 0x14u

struct fixture {
	struct ss_partners *partners;
	GByteArray *blocks; /* all that were offered so far */
	size_t from;        /* what is held begins here */
	uint64_t now_ns;
	GArray *starts;  /* guint, of each frame */
	GPtrArray *late; /* GByteArray */
	int left_out, taken_back;
	uint32_t next[2]; /* sequence numbers of both sides */
};

static void left_out(uint32_t interface_id, void *user_data)
{
	g_assert_cmpuint(interface_id, ==, 0);
	((struct fixture *)user_data)->left_out++;
}

static void taken_back(uint32_t interface_id, uint32_t length, void *user_data)
{
	g_assert_cmpuint(interface_id, ==, 0);
	g_assert_cmpuint(length, >=, 54);
	((struct fixture *)user_data)->taken_back++;
}

static void late(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data)
{
	struct fixture *fixture = user_data;

	g_assert_cmpuint(interface_id, ==, 0);
	g_assert_cmpuint(time_ns, ==, ss_block_time(block->data, block->len));
	g_assert_cmpuint(ss_block_type(block->data), ==, SS_PCAPNG_EPB);
	g_assert_true(ss_block_is_context(block->data, block->len));
	fixture->left_out--;
	g_ptr_array_add(fixture->late, block);
}

static void set_up(struct fixture *fixture, gconstpointer data)
{
	const struct ss_partners_callbacks callbacks = {left_out, late, taken_back, fixture};

	(void)data;
	fixture->partners = ss_partners_new(&callbacks);
	ss_partners_interface(fixture->partners, 0, SS_LINKTYPE_ETHERNET, 7);
	fixture->blocks = g_byte_array_new();
	fixture->starts = g_array_new(FALSE, FALSE, sizeof(guint));
	fixture->late = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
	fixture->now_ns = 1000 * MS;
	fixture->next[0] = 100;
	fixture->next[1] = 9000;
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_partners_free(fixture->partners);
	g_byte_array_unref(fixture->blocks);
	g_array_unref(fixture->starts);
	g_ptr_array_unref(fixture->late);
}

static void put_packet(struct fixture *fixture, const struct packet *packet, enum said said)
{
	static const uint8_t direction[] = {SS_METADATA_DIRECTION, 1, 1};
	g_autoptr(GByteArray) frame = g_byte_array_new();
	guint start = fixture->blocks->len;

	dns_put_packet(frame, packet);
	ss_block_frame(fixture->blocks, &(struct ss_block_frame){
						.length = frame->len,
						.time_ns = fixture->now_ns,
						.data = frame->data,
						.metadata = direction,
						.metadata_length = sizeof(direction),
					});
	ss_block_set_context(fixture->blocks->data + start, fixture->blocks->len - start,
			     said == NO);
	if (said != YES)
		ss_block_set_type(fixture->blocks->data + start, SS_BLOCK_LEFT_OUT);
	g_array_append_val(fixture->starts, start);
}

static void put_flags(struct fixture *fixture, bool back, uint8_t flags, const char *text,
		      enum said said)
{
	put_packet(fixture,
		   &(struct packet){
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
	for (unsigned passed = 0; passed <= ms; passed += 20) {
		uint64_t again_ns = 0;
		size_t length = fixture->blocks->len - fixture->from;

		if (passed)
			fixture->now_ns += 20 * MS;
		fixture->from +=
			ss_partners_admit(fixture->partners, fixture->blocks->data + fixture->from,
					  length, fixture->now_ns, &again_ns);
		g_assert_true(fixture->from == fixture->blocks->len || again_ns);
	}
}

/* A letter per frame: y it is written, c as context, n left out. Those that wait are not there. */
static void assert_kept(const struct fixture *fixture, const char *kept)
{
	g_autoptr(GString) found = g_string_new(NULL);
	int context = 0;

	for (guint i = 0; i < fixture->starts->len; i++) {
		const uint8_t *block =
			fixture->blocks->data + g_array_index(fixture->starts, guint, i);

		if (block >= fixture->blocks->data + fixture->from)
			break;
		if (ss_block_type(block) == SS_BLOCK_LEFT_OUT) {
			g_string_append_c(found, 'n');
		} else if (ss_block_is_context(block, ss_block_word(block + 4))) {
			g_string_append_c(found, 'c');
			context++;
		} else {
			g_string_append_c(found, 'y');
		}
	}
	g_assert_cmpstr(found->str, ==, kept);
	g_assert_cmpint(fixture->left_out, ==, 0);
	g_assert_cmpint(fixture->taken_back, ==, context + (int)fixture->late->len);
}

static void assert_counts(const struct fixture *fixture, uint64_t kept, uint64_t cut,
			  uint64_t given_up)
{
	struct ss_partners_counts counts;

	ss_partners_count(fixture->partners, &counts);
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

/* After CONNECT or an upgrade it is something else. */
static void test_other_protocols(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, "CONNECT a:1 HTTP/1.1\r\n\r\n", YES);
	answer(fixture, "HTTP/1.1 200 OK\r\n\r\n", NO);
	ask(fixture, GET, NO);
	answer(fixture, LONG, YES);
	run(fixture, 0);
	assert_kept(fixture, "ycny");
}

/* Somebody else has left it out: a mesh, for example. */
static void test_what_is_gone(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, GET, GONE);
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
	g_assert_cmpuint(fixture->late->len, ==, 1);
	/* One that nobody answers. */
	ask(fixture, GET, NO);
	run(fixture, 200);
	fixture->now_ns += 700000 * MS;
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
	g_assert_cmpuint(fixture->from, ==, fixture->blocks->len);
	g_assert_cmpint(fixture->taken_back, >, 60);
	g_assert_cmpint(fixture->taken_back, <, 80);
	ask(fixture, GET, NO);
	answer(fixture, OK, NO);
	run(fixture, 200);
	assert_counts(fixture, 1, 1, 0);
}

/* As on a busy server whose answers are slow. */
static void test_too_many(struct fixture *fixture, gconstpointer data)
{
	struct ss_partners_counts counts;

	(void)data;
	for (unsigned i = 0; i < 200000; i++) {
		put_packet(fixture,
			   &(struct packet){
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
	g_assert_cmpuint(fixture->from, ==, fixture->blocks->len);
	ss_partners_count(fixture->partners, &counts);
	g_assert_cmpuint(counts.given_up, ==, 200000 - 65536);
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
	ADD("what-is-gone", test_what_is_gone);
	ADD("a-response-without-request", test_a_response_without_request);
	ADD("slow", test_slow);
	ADD("long", test_long);
	ADD("too-many", test_too_many);
	return g_test_run();
}
