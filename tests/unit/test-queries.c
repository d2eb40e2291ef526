/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS messages as a judge leaves them, offered to the stage: which frames come out. */
#include "queries.h"

#include "offered.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define CLIENT "10.0.0.2"
#define SERVER "10.0.0.3"

struct fixture {
	struct ss_queries *queries;
	struct offered frames;
};

static void set_up(struct fixture *fixture, gconstpointer data)
{
	const struct ss_held_callbacks callbacks = offered_callbacks(&fixture->frames);

	(void)data;
	fixture->queries = ss_queries_new(&callbacks);
	offered_init(&fixture->frames, ss_queries_stage(fixture->queries));
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_queries_free(fixture->queries);
	offered_deinit(&fixture->frames);
}

static struct packet packet_of(bool answer, uint16_t port, const GByteArray *payload)
{
	return (struct packet){
		.from = answer ? SERVER : CLIENT,
		.to = answer ? CLIENT : SERVER,
		.from_port = answer ? 53 : port,
		.to_port = answer ? port : 53,
		.payload = payload->data,
		.length = payload->len,
	};
}

static GByteArray *message_of(bool answer, uint16_t id)
{
	return dns_message(&(struct dns){
		.id = id, .answer = answer, .rcode = answer ? 3 : 0, .name = "a.test", .type = 1});
}

static void put(struct fixture *fixture, bool answer, uint16_t port, uint16_t id, enum said said)
{
	g_autoptr(GByteArray) message = message_of(answer, id);
	struct packet packet = packet_of(answer, port, message);

	offered_put_judged(&fixture->frames, packet, said);
}

/* Messages with their length in front, in one segment. */
static void put_segment(struct fixture *fixture, bool answer, uint32_t sequence,
			const uint16_t *ids, size_t count, enum said said)
{
	g_autoptr(GByteArray) stream = g_byte_array_new();
	struct packet packet;

	for (size_t i = 0; i < count; i++) {
		g_autoptr(GByteArray) message = message_of(answer, ids[i]);

		dns_put(stream, message->len, 2);
		g_byte_array_append(stream, message->data, message->len);
	}
	packet = packet_of(answer, 4000, stream);
	packet.flags = 0x18;
	packet.sequence = sequence;
	offered_put_judged(&fixture->frames, packet, said);
}

static void run(struct fixture *fixture, unsigned ms)
{
	offered_run(&fixture->frames, ms);
}

static void assert_kept(const struct fixture *fixture, const char *kept)
{
	offered_assert_kept(&fixture->frames, kept);
}

/* Of two under way one has the wanted answer. */
static void test_wanted_answer(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, false, 4000, 1, NO);
	put(fixture, false, 4000, 2, NO);
	put(fixture, false, 4001, 1, NO);
	run(fixture, 0);
	assert_kept(fixture, "");
	put(fixture, true, 4000, 2, NO);
	put(fixture, true, 4000, 1, YES);
	put(fixture, true, 4001, 1, NO);
	run(fixture, 0);
	assert_kept(fixture, "ynnnyn");
	g_assert_cmpint(fixture->frames.left_out, ==, 0);
	g_assert_cmpint(fixture->frames.taken_back, ==, 1);
	g_assert_cmpuint(ss_queries_counts(fixture->queries).kept, ==, 1);
}

static void test_repeated_query(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, false, 4000, 1, NO);
	put(fixture, false, 4000, 1, NO);
	put(fixture, true, 4000, 1, YES);
	put(fixture, false, 4000, 1, NO);
	put(fixture, true, 4000, 1, NO);
	run(fixture, 0);
	assert_kept(fixture, "yyynn");
}

/* The ring is not held up; the query goes before its answer, and says so. */
static void test_late_answer(struct fixture *fixture, gconstpointer data)
{
	const GByteArray *block;

	(void)data;
	put(fixture, false, 4000, 1, NO);
	put(fixture, false, 4000, 2, NO);
	run(fixture, 6000);
	assert_kept(fixture, "nn");
	put(fixture, true, 4000, 1, YES);
	put(fixture, true, 4000, 2, NO);
	run(fixture, 0);
	assert_kept(fixture, "nnyn");
	g_assert_cmpuint(fixture->frames.late->len, ==, 1);
	block = fixture->frames.late->pdata[0];
	g_assert_cmpuint(ss_block_time(block->data, block->len), ==, fixture->frames.now_ns);
	g_assert_nonnull(memmem(block->data, block->len, "sent 6.000000 s before", 22));
	g_assert_true(ss_block_is_context(block->data, block->len));
}

/* What comes behind a query waits with it, which is why --live shows it late: 5 s, and no more. */
static void test_behind_a_query(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, false, 4000, 1, NO);
	put(fixture, true, 4001, 2, YES);
	run(fixture, 4900);
	assert_kept(fixture, "");
	run(fixture, 200);
	assert_kept(fixture, "ny");
}

/* Of two queries in a segment one is enough. */
static void test_several_in_a_segment(struct fixture *fixture, gconstpointer data)
{
	static const uint16_t ids[] = {1, 2, 3};

	(void)data;
	put_segment(fixture, false, 1000, ids, 2, NO);
	put_segment(fixture, false, 1068, ids + 2, 1, NO);
	put_segment(fixture, true, 9000, ids, 1, NO);
	run(fixture, 0);
	assert_kept(fixture, "");
	put_segment(fixture, true, 9034, ids + 1, 2, YES);
	run(fixture, 0);
	assert_kept(fixture, "yyny");
	g_assert_cmpuint(ss_queries_counts(fixture->queries).kept, ==, 2);
}

/* The last segment is the one that is judged. */
static void test_answer_in_pieces(struct fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) message = message_of(true, 1), stream = g_byte_array_new();
	struct packet packet;
	uint16_t id = 1;

	(void)data;
	dns_put(stream, message->len, 2);
	g_byte_array_append(stream, message->data, message->len);
	put_segment(fixture, false, 1000, &id, 1, NO);
	packet = packet_of(true, 4000, stream);
	packet.flags = 0x18;
	packet.sequence = 9000;
	packet.length = 1;
	offered_put_judged(&fixture->frames, packet, NO);
	packet.payload++;
	packet.sequence++;
	packet.length = stream->len - 1;
	offered_put_judged(&fixture->frames, packet, YES);
	run(fixture, 0);
	assert_kept(fixture, "yny");
}

static void test_answer_in_fragments(struct fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) message = message_of(true, 1);
	struct packet packet;

	(void)data;
	put(fixture, false, 4000, 1, NO);
	packet = packet_of(true, 4000, message);
	packet.fragment_id = 77;
	packet.fragment = 0x2000;
	packet.length = 16;
	offered_put_judged(&fixture->frames, packet, NO);
	packet.fragment = 3;
	packet.payload += 16;
	packet.length = message->len - 16;
	offered_put_judged(&fixture->frames, packet, YES);
	run(fixture, 0);
	assert_kept(fixture, "yny");
}

/* An error that quotes a query is none. */
static void test_icmp_error(struct fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) message = message_of(false, 1), quoted = g_byte_array_new();
	struct packet packet;

	(void)data;
	dns_put(quoted, 0x03030000, 4);
	dns_put(quoted, 0, 4);
	packet = packet_of(false, 4000, message);
	packet.raw = true;
	dns_put_packet(quoted, &packet);
	packet = packet_of(true, 4000, quoted);
	packet.protocol = 1;
	put(fixture, false, 4000, 1, NO);
	offered_put_judged(&fixture->frames, packet, NO);
	put(fixture, true, 4000, 1, YES);
	run(fixture, 0);
	assert_kept(fixture, "yny");
}

/* It waits for nothing: mDNS is answered from elsewhere. */
static void test_multicast(struct fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) message = message_of(false, 0);
	struct packet packet = packet_of(false, 5353, message);

	(void)data;
	packet.to = "224.0.0.251";
	packet.to_port = 5353;
	offered_put_judged(&fixture->frames, packet, NO);
	packet.from = "fe80::1";
	packet.to = "ff02::fb";
	offered_put_judged(&fixture->frames, packet, NO);
	run(fixture, 0);
	assert_kept(fixture, "nn");
}

static void test_never_answered(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, false, 4000, 1, NO);
	run(fixture, 61000);
	put(fixture, true, 4000, 1, YES);
	run(fixture, 0);
	assert_kept(fixture, "ny");
	g_assert_cmpuint(fixture->frames.late->len, ==, 0);
	g_assert_cmpuint(ss_queries_counts(fixture->queries).given_up, ==, 0);
}

/* More than are remembered: the oldest are given up, and counted. */
static void test_many(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	for (unsigned i = 0; i < 70000; i++) {
		put(fixture, false, (uint16_t)(4000 + i / 50000), (uint16_t)(i % 50000), NO);
		if (i % 1000 == 0)
			run(fixture, 0);
	}
	ss_stage_release(&fixture->frames.stage);
	run(fixture, 0);
	g_assert_cmpuint(ss_queries_counts(fixture->queries).given_up, ==, 70000 - 65536);
	put(fixture, true, 4000, 0, YES);
	put(fixture, true, 4001, 0, YES);
	run(fixture, 0);
	g_assert_cmpuint(fixture->frames.late->len, ==, 1);
}

/* What the judge did not decide in time is not marked. */
static void test_undecided(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, false, 4000, 1, YES);
	run(fixture, 0);
	assert_kept(fixture, "y");
}

static void test_wanted_query(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, false, 4000, 1, YES);
	put(fixture, false, 4000, 2, NO);
	put(fixture, true, 4000, 2, NO);
	put(fixture, true, 4000, 1, NO);
	put(fixture, true, 4000, 1, NO);
	put(fixture, true, 4001, 1, NO);
	put(fixture, false, 4000, 1, NO);
	put(fixture, true, 4000, 1, NO);
	run(fixture, 0);
	assert_kept(fixture, "ynnyynnn");
	g_assert_cmpuint(ss_queries_counts(fixture->queries).kept, ==, 1);
}

/* As with a filter on the question's name. */
static void test_both_halves_match(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put(fixture, false, 4000, 1, YES);
	put(fixture, true, 4000, 1, YES);
	put(fixture, false, 4000, 2, NO);
	put(fixture, true, 4000, 2, YES);
	put(fixture, false, 4000, 3, YES);
	put(fixture, true, 4000, 3, NO);
	run(fixture, 0);
	assert_kept(fixture, "yyyyyy");
	g_assert_cmpint(fixture->frames.taken_back, ==, 2);
	g_assert_cmpuint(ss_queries_counts(fixture->queries).kept, ==, 3);
}

/* In the middle of a datagram nothing ends. */
static void test_answer_in_three_fragments(struct fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) message = message_of(true, 1);
	struct packet packet = packet_of(true, 4000, message);

	(void)data;
	put(fixture, false, 4000, 1, NO);
	packet.fragment_id = 77;
	for (uint16_t i = 0; i < 3; i++) {
		packet.fragment = i < 2 ? 0x2000 | i : i;
		packet.length = i < 2 ? 8 : message->len - 16;
		offered_put_judged(&fixture->frames, packet, i < 2 ? NO : YES);
		packet.payload += 8;
	}
	run(fixture, 0);
	assert_kept(fixture, "ynny");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*test)(struct fixture *fixture, gconstpointer data);
	} tests[] = {
		{"/queries/wanted-answer", test_wanted_answer},
		{"/queries/repeated-query", test_repeated_query},
		{"/queries/late-answer", test_late_answer},
		{"/queries/behind-a-query", test_behind_a_query},
		{"/queries/several-in-a-segment", test_several_in_a_segment},
		{"/queries/answer-in-pieces", test_answer_in_pieces},
		{"/queries/answer-in-fragments", test_answer_in_fragments},
		{"/queries/icmp-error", test_icmp_error},
		{"/queries/multicast", test_multicast},
		{"/queries/never-answered", test_never_answered},
		{"/queries/many", test_many},
		{"/queries/undecided", test_undecided},
		{"/queries/wanted-query", test_wanted_query},
		{"/queries/both-halves-match", test_both_halves_match},
		{"/queries/answer-in-three-fragments", test_answer_in_three_fragments},
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, struct fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
