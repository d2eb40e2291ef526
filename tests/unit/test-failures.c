/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS exchanges as frames, offered to the stage: which come out, and what is told. */
#include "failures.h"

#include "offered.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define TIMEOUT (2000 * MS)

#define CLIENT "10.0.0.2"
#define SERVER "10.96.0.10"

struct fixture {
	struct ss_failures *failures;
	struct offered frames;
	GString *events; /* "NXDOMAIN a.b\n" */
};

static void event(const struct ss_event *event, void *user_data)
{
	struct fixture *fixture = user_data;
	const char *end = strstr(event->message, ", server ");

	g_assert_cmpstr(event->event, ==, "dns-failure");
	g_assert_true(g_str_has_prefix(event->message, "DNS "));
	g_string_append_len(fixture->events, event->message + 4, end - event->message - 4);
	g_string_append_c(fixture->events, '\n');
}

static void left_out(uint32_t interface_id, void *user_data)
{
	offered_left_out(interface_id, &((struct fixture *)user_data)->frames);
}

enum nxdomain { FAILS, IS_FINE, MAY_BE_A_SEARCH };

static void set_up(struct fixture *fixture, gconstpointer nxdomain)
{
	const struct ss_failures_options options = {
		.timeout_ns = TIMEOUT,
		.nxdomain_is_fine = GPOINTER_TO_INT(nxdomain) == IS_FINE,
		.searches_are_fine = GPOINTER_TO_INT(nxdomain) == MAY_BE_A_SEARCH,
		.event = event,
		.left_out = left_out,
		.user_data = fixture,
	};

	fixture->failures = ss_failures_new(&options);
	offered_init(&fixture->frames, ss_failures_stage(fixture->failures));
	fixture->events = g_string_new(NULL);
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_failures_free(fixture->failures);
	offered_deinit(&fixture->frames);
	g_string_free(fixture->events, TRUE);
}

static void put(struct fixture *fixture, struct packet packet)
{
	offered_put(&fixture->frames, packet);
}

static void run(struct fixture *fixture, unsigned ms)
{
	offered_run(&fixture->frames, ms);
}

static void put_dns(struct fixture *fixture, const struct dns *dns, struct packet packet)
{
	g_autoptr(GByteArray) message = dns_message(dns);

	packet.payload = message->data;
	packet.length = message->len;
	put(fixture, packet);
}

static struct packet question(uint16_t port)
{
	return (struct packet){CLIENT, SERVER, port, 53};
}

static struct packet reply(uint16_t port)
{
	return (struct packet){SERVER, CLIENT, 53, port};
}

static void ask(struct fixture *fixture, uint16_t port, uint16_t id, const char *name)
{
	put_dns(fixture, &(struct dns){.id = id, .name = name, .type = 1}, question(port));
}

static void answer(struct fixture *fixture, uint16_t port, uint16_t id, const char *name,
		   uint16_t rcode)
{
	put_dns(fixture,
		&(struct dns){.id = id, .answer = true, .rcode = rcode, .name = name, .type = 1},
		reply(port));
}

static void assert_kept(const struct fixture *fixture, const char *kept, const char *events)
{
	offered_assert_kept(&fixture->frames, kept);
	g_assert_cmpstr(fixture->events->str, ==, events);
}

static void test_codes(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "good.test");
	ask(fixture, 4001, 1, "nx.test");
	answer(fixture, 4001, 1, "NX.test", 3); /* names have no case */
	ask(fixture, 4002, 2, "broken.test");
	answer(fixture, 4000, 1, "good.test", 0);
	answer(fixture, 4002, 2, "broken.test", 2);
	ask(fixture, 4003, 3, "no.test");
	answer(fixture, 4003, 3, "no.test", 5);
	run(fixture, 0);
	assert_kept(fixture, "nyyynyyy",
		    "NXDOMAIN: nx.test A\nSERVFAIL: broken.test A\nREFUSED: no.test A\n");
}

/* The header says NOERROR, or something else than what is meant: the rest is in EDNS. */
static void test_extended_codes(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "old.test");
	answer(fixture, 4000, 1, "old.test", 16);
	ask(fixture, 4001, 2, "cookie.test");
	answer(fixture, 4001, 2, "cookie.test", 23);
	ask(fixture, 4002, 3, "new.test");
	answer(fixture, 4002, 3, "new.test", 3200);
	ask(fixture, 4003, 4, "good.test");
	answer(fixture, 4003, 4, "good.test", 0);
	run(fixture, 0);
	assert_kept(fixture, "yyyyyynn",
		    "BADVERS: old.test A\nBADCOOKIE: cookie.test A\nRCODE3200: new.test A\n");
}

/* Of ndots:5: the client finds the name at last. */
static void test_search_that_ends_well(struct fixture *fixture, gconstpointer data)
{
	static const char *const names[] = {"api.prod.svc.cluster.local.prod.svc.cluster.local",
					    "api.prod.svc.cluster.local.svc.cluster.local",
					    "api.prod.svc.cluster.local"};
	uint16_t id;

	(void)data;
	for (id = 0; id < 3; id++) {
		ask(fixture, 4000, id, names[id]);
		run(fixture, 20);
		answer(fixture, 4000, id, names[id], id < 2 ? 3 : 0);
		run(fixture, 20);
	}
	assert_kept(fixture, "nnnnnn", "");
	/* Under another suffix of the list. */
	ask(fixture, 4000, 10, "db.prod.svc.cluster.local");
	answer(fixture, 4000, 10, "db.prod.svc.cluster.local", 3);
	answer(fixture, 4000, 10, "db.prod.svc.cluster.local", 3); /* once more */
	ask(fixture, 4001, 11, "DB.svc.cluster.local");
	answer(fixture, 4001, 11, "DB.svc.cluster.local", 0);
	answer(fixture, 4000, 10, "db.prod.svc.cluster.local",
	       3); /* once more, now that it is found */
	run(fixture, 20);
	assert_kept(fixture, "nnnnnnnnnnnn", "");
}

/* Told after a moment, each name. */
static void test_search_that_fails(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "api.prod.svc");
	answer(fixture, 4000, 1, "api.prod.svc", 3);
	ask(fixture, 4000, 2, "api");
	answer(fixture, 4000, 2, "api", 3);
	run(fixture, 500);
	assert_kept(fixture, "", "");
	run(fixture, 600);
	assert_kept(fixture, "yyyy", "NXDOMAIN: api.prod.svc A\nNXDOMAIN: api A\n");
}

/* What is found is another name, of another client, or of another type. */
static void test_search_of_others(struct fixture *fixture, gconstpointer data)
{
	const struct dns other_type = {.id = 2, .answer = true, .name = "api", .type = 28};
	struct packet other_client = reply(4000);

	(void)data;
	other_client.to = "10.0.0.77";
	ask(fixture, 4000, 1, "api.prod.svc");
	answer(fixture, 4000, 1, "api.prod.svc", 3);
	answer(fixture, 4000, 2, "ap", 0);
	answer(fixture, 4000, 2, "prod.svc", 0);
	answer(fixture, 4000, 2, "other.svc", 0);
	answer(fixture, 4000, 2, "api.prod.svc.local", 0);
	put_dns(fixture, &other_type, reply(4000));
	put_dns(fixture, &(struct dns){.id = 2, .answer = true, .name = "api", .type = 1},
		other_client);
	run(fixture, 1200);
	assert_kept(fixture, "yynnnnnn", "NXDOMAIN: api.prod.svc A\n");
}

/* No more room to wait in. */
static void test_search_and_release(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "api.prod.svc");
	answer(fixture, 4000, 1, "api.prod.svc", 3);
	run(fixture, 0);
	ss_stage_release(&fixture->frames.stage);
	run(fixture, 0);
	assert_kept(fixture, "yy", "NXDOMAIN: api.prod.svc A\n");
}

static void test_nxdomain_is_fine(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4001, 1, "nx.test");
	answer(fixture, 4001, 1, "nx.test", 3);
	ask(fixture, 4002, 1, "broken.test");
	answer(fixture, 4002, 1, "broken.test", 2);
	run(fixture, 0);
	assert_kept(fixture, "nnyy", "SERVFAIL: broken.test A\n");
}

/* What comes behind an undecided query waits with it, so that the order stays. */
static void test_timeout(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "drop.test");
	run(fixture, 500);
	ask(fixture, 4001, 7, "nx.test");
	answer(fixture, 4001, 7, "nx.test", 3);
	run(fixture, 500);
	ask(fixture, 4000, 1, "drop.test"); /* once more, before the time is over */
	run(fixture, 500);
	assert_kept(fixture, "", "NXDOMAIN: nx.test A\n");
	run(fixture, 500);
	assert_kept(fixture, "yyyy", "NXDOMAIN: nx.test A\ntimeout: drop.test A\n");
	run(fixture, 100);
	answer(fixture, 4000, 1, "drop.test", 0);
	run(fixture, 0);
	assert_kept(fixture, "yyyyy",
		    "NXDOMAIN: nx.test A\ntimeout: drop.test A\nslow: drop.test A\n");
	g_assert_cmpint(fixture->frames.left_out, ==, 0);
}

/* It counts once, and what comes again is no news. */
static void test_late_twice(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *text = NULL;

	(void)data;
	ask(fixture, 4000, 1, "late.test");
	ask(fixture, 4001, 1, "gone.test");
	run(fixture, 2100);
	answer(fixture, 4001, 1, "gone.test", 3);
	for (int i = 0; i < 2; i++)
		answer(fixture, 4000, 1, "late.test", 0);
	run(fixture, 0);
	assert_kept(fixture, "yyyyy",
		    "timeout: late.test A\ntimeout: gone.test A\n"
		    "NXDOMAIN: gone.test A\nslow: late.test A\n");
	text = ss_failures_summary(fixture->failures);
	g_assert_cmpstr(text, ==, "DNS: 0 exchanges went well, 2 failed: 1 NXDOMAIN, 1 too slow");
}

/* While nobody looks, no time passes: the answer may be in the ring already. */
static void test_stall(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "good.test");
	run(fixture, 0);
	answer(fixture, 4000, 1, "good.test", 0);
	fixture->frames.now_ns += 10 * TIMEOUT;
	run(fixture, 0);
	assert_kept(fixture, "nn", "");
}

static void test_truncated(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "big.test");
	put_dns(fixture,
		&(struct dns){
			.id = 1, .answer = true, .truncated = true, .name = "big.test", .type = 1},
		reply(4000));
	run(fixture, 0);
	assert_kept(fixture, "yy", "truncated: big.test A\n");
}

/* One socket, one id, two questions; and one question of two sockets. */
static void test_same_id(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "one.test");
	ask(fixture, 4000, 1, "two.test");
	ask(fixture, 4001, 1, "one.test");
	answer(fixture, 4000, 1, "two.test", 0);
	answer(fixture, 4001, 1, "one.test", 0);
	answer(fixture, 4000, 1, "one.test", 3);
	run(fixture, 0);
	assert_kept(fixture, "ynnnny", "NXDOMAIN: one.test A\n");
}

/* Asked twice, answered twice. */
static void test_repeated(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "nx.test");
	ask(fixture, 4000, 1, "nx.test");
	answer(fixture, 4000, 1, "nx.test", 3);
	answer(fixture, 4000, 1, "nx.test", 3);
	ask(fixture, 4001, 1, "good.test");
	ask(fixture, 4001, 1, "good.test");
	answer(fixture, 4001, 1, "good.test", 0);
	answer(fixture, 4001, 1, "good.test", 0);
	run(fixture, 0);
	assert_kept(fixture, "yyyynnnn", "NXDOMAIN: nx.test A\n");
}

/* Its query was before the capture. */
static void test_stray_answers(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	answer(fixture, 4000, 1, "nx.test", 3);
	answer(fixture, 4001, 1, "good.test", 0);
	answer(fixture, 4002, 1, NULL, 1); /* not even the question was understood */
	run(fixture, 0);
	assert_kept(fixture, "yny", "NXDOMAIN: nx.test A\nFORMERR: no question\n");
}

static void test_answer_without_question(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4002, 1, "odd.test");
	answer(fixture, 4002, 1, NULL, 1);
	run(fixture, 0);
	assert_kept(fixture, "yy", "FORMERR: odd.test A\n");
}

static void test_ipv6_and_raw(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put_dns(fixture, &(struct dns){.id = 1, .name = "six.test", .type = 28},
		(struct packet){"fd00::2", "fd00::53", 4000, 53, .interface_id = 1, .raw = true});
	put_dns(fixture,
		&(struct dns){.id = 1, .answer = true, .rcode = 16, .name = "six.test", .type = 28},
		(struct packet){"fd00::53", "fd00::2", 53, 4000, .interface_id = 1, .raw = true});
	run(fixture, 0);
	assert_kept(fixture, "yy", "BADVERS: six.test AAAA\n");
}

/* The host sees the pod's query, too: it is another exchange. */
static void test_places(struct fixture *fixture, gconstpointer data)
{
	struct packet query = question(4000), back = reply(4000);

	(void)data;
	put_dns(fixture, &(struct dns){.id = 1, .name = "nx.test", .type = 1}, query);
	query.interface_id = back.interface_id = 2;
	put_dns(fixture, &(struct dns){.id = 1, .name = "nx.test", .type = 1}, query);
	put_dns(fixture,
		&(struct dns){.id = 1, .answer = true, .rcode = 3, .name = "nx.test", .type = 1},
		back);
	run(fixture, 100);
	assert_kept(fixture, "", "NXDOMAIN: nx.test A\n");
	run(fixture, TIMEOUT / MS);
	assert_kept(fixture, "yyy", "NXDOMAIN: nx.test A\ntimeout: nx.test A\n");
}

/* TCP. */

static void put_stream(struct fixture *fixture, bool back, uint32_t sequence, const uint8_t *bytes,
		       size_t length)
{
	struct packet packet = back ? reply(5000) : question(5000);

	packet.flags = 0x18;
	packet.sequence = sequence;
	packet.payload = bytes;
	packet.length = length;
	put(fixture, packet);
}

static void append_message(GByteArray *stream, const struct dns *dns)
{
	g_autoptr(GByteArray) message = dns_message(dns);

	dns_put(stream, message->len, 2);
	g_byte_array_append(stream, message->data, message->len);
}

static void put_flags(struct fixture *fixture, bool back, uint8_t flags, uint32_t sequence)
{
	struct packet packet = back ? reply(5000) : question(5000);

	packet.flags = flags;
	packet.sequence = sequence;
	put(fixture, packet);
}

/* Two queries in one segment; answers in pieces, the length alone first. */
static void test_tcp(struct fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) queries = g_byte_array_new(), answers = g_byte_array_new();
	guint second;

	(void)data;
	append_message(queries, &(struct dns){.id = 1, .name = "good.test", .type = 1});
	append_message(queries, &(struct dns){.id = 2, .name = "nx.test", .type = 1});
	append_message(answers,
		       &(struct dns){.id = 1, .answer = true, .name = "good.test", .type = 1});
	second = answers->len;
	append_message(
		answers,
		&(struct dns){.id = 2, .answer = true, .rcode = 3, .name = "nx.test", .type = 1});
	put_flags(fixture, false, 0x02, 99);
	put_flags(fixture, true, 0x12, 499);
	put_flags(fixture, false, 0x10, 100);
	put_stream(fixture, false, 100, queries->data, queries->len);
	put_stream(fixture, true, 500, answers->data, second);
	put_stream(fixture, true, 500 + second, answers->data + second, 2);
	put_stream(fixture, true, 500 + second, answers->data + second, 2); /* once more */
	put_stream(fixture, true, 502 + second, answers->data + second + 2, 9);
	put_stream(fixture, true, 511 + second, answers->data + second + 11,
		   answers->len - second - 11);
	put_flags(fixture, true, 0x11, 500 + answers->len);
	run(fixture, 0);
	assert_kept(fixture, "nnnynynyyn", "NXDOMAIN: nx.test A\n");
}

static void test_tcp_refused(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	put_flags(fixture, false, 0x02, 99);
	put_flags(fixture, true, 0x14, 0);
	run(fixture, 0);
	assert_kept(fixture, "yy", "connection refused: no question\n");
}

/* Not DNS, or not from its beginning: nothing waits for it. */
static void test_tcp_nonsense(struct fixture *fixture, gconstpointer data)
{
	static const uint8_t text[] = "GET / HTTP/1.1\r\n\r\n";

	(void)data;
	put_stream(fixture, false, 100, text, sizeof(text));
	put_stream(fixture, true, 100, text, 1);
	put_stream(fixture, true, 200, text, 16);
	run(fixture, 0);
	g_assert_cmpuint(fixture->frames.from, ==, fixture->frames.blocks->len);
	g_assert_cmpint(fixture->frames.left_out, >=, 2);
}

/* An answer whose middle was lost: given up after a while, and shown. */
static void test_tcp_torn(struct fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	(void)data;
	append_message(bytes, &(struct dns){.id = 1, .name = "torn.test", .type = 1});
	put_flags(fixture, false, 0x02, 99);
	put_flags(fixture, true, 0x12, 499);
	put_stream(fixture, false, 100, bytes->data, 16);
	run(fixture, 100);
	assert_kept(fixture, "nn", "");
	run(fixture, 600 + TIMEOUT / MS);
	assert_kept(fixture, "nny", "");
}

/* The kernel's answer where nobody listens, or kube-proxy's where no pod is ready. */
static void test_unreachable(struct fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) quoted = g_byte_array_new(), message = NULL;
	struct packet query = question(4000);

	(void)data;
	message = dns_message(&(struct dns){.id = 9, .name = "api.test", .type = 1});
	query.payload = message->data;
	query.length = message->len;
	query.raw = true;
	dns_put(quoted, 3u << 24 | 3u << 16, 4);
	dns_put(quoted, 0, 4);
	dns_put_packet(quoted, &query);
	ask(fixture, 4000, 9, "api.test");
	put(fixture, (struct packet){SERVER, CLIENT, .protocol = 1, .payload = quoted->data,
				     .length = quoted->len});
	run(fixture, 0);
	assert_kept(fixture, "yy", "unreachable: api.test A\n");
}

static void test_fragments(struct fixture *fixture, gconstpointer data)
{
	static const uint8_t rest[64];

	(void)data;
	for (uint16_t i = 0; i < 2; i++) {
		const struct dns dns = {i, true, .rcode = i ? 2 : 0, .name = "big.test", .type = 1};
		struct packet first = reply(4000), later = reply(4000);

		ask(fixture, 4000, i, "big.test");
		first.fragment = 0x2000;
		later.fragment = 100;
		first.fragment_id = later.fragment_id = (uint16_t)(77 + i);
		put_dns(fixture, &dns, first);
		later.payload = rest;
		later.length = sizeof(rest);
		put(fixture, later);
	}
	run(fixture, 0);
	assert_kept(fixture, "nnnyyy", "SERVFAIL: big.test A\n");
}

/* A ring that is half full: what can't be decided is written. The verdict comes all the same. */
static void test_release(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ask(fixture, 4000, 1, "good.test");
	ask(fixture, 4001, 1, "nx.test");
	run(fixture, 0);
	assert_kept(fixture, "", "");
	ss_stage_release(&fixture->frames.stage);
	run(fixture, 0);
	assert_kept(fixture, "yy", "");
	answer(fixture, 4000, 1, "good.test", 0);
	answer(fixture, 4001, 1, "nx.test", 3);
	run(fixture, 0);
	assert_kept(fixture, "yyny", "NXDOMAIN: nx.test A\n");
}

static void test_cut_frames(struct fixture *fixture, gconstpointer data)
{
	struct packet query = question(4000);

	(void)data;
	query.captured = 13; /* the header, and one byte of the name */
	put_dns(fixture, &(struct dns){.id = 1, .name = "nx.test", .type = 1}, query);
	query = reply(4000);
	query.captured = 13;
	put_dns(fixture,
		&(struct dns){.id = 1, .answer = true, .rcode = 3, .name = "nx.test", .type = 1},
		query);
	query = question(4001);
	query.captured = 5;
	put_dns(fixture, &(struct dns){.id = 1, .name = "nx.test", .type = 1}, query);
	run(fixture, 0);
	assert_kept(fixture, "yyn", "NXDOMAIN: no question\n");
}

/* A day of it does not grow. */
static void test_many(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	for (unsigned i = 0; i < 200000; i++) {
		if (i % 1000 == 0) {
			run(fixture, 20);
			offered_forget(&fixture->frames);
		}
		ask(fixture, (uint16_t)i, (uint16_t)(i >> 8), "same.test");
		answer(fixture, (uint16_t)i, (uint16_t)(i >> 8), "same.test", i % 1000 ? 0 : 3);
	}
	run(fixture, 0);
	g_assert_cmpint(fixture->frames.left_out, ==, 2 * (200000 - 200));
}

/* A client that never changes port and id costs no more than others. */
static void test_always_same_id(struct fixture *fixture, gconstpointer data)
{
	const unsigned count = 50000;

	(void)data;
	for (unsigned i = 0; i < count; i++) {
		g_autofree char *name = g_strdup_printf("n%u.test", i);

		ask(fixture, 4000, 0, name);
		answer(fixture, 4000, 0, name, 0);
		if (i % 1000)
			continue;
		run(fixture, 20);
		offered_forget(&fixture->frames);
	}
	run(fixture, 0);
	g_assert_cmpint(fixture->frames.left_out, ==, (int)(2 * count));
}

/* Nor do thousands of names that are not there, while others are found. */
static void test_many_searches(struct fixture *fixture, gconstpointer data)
{
	const unsigned count = 20000;

	(void)data;
	for (unsigned i = 0; i < count; i++) {
		g_autofree char *missing = g_strdup_printf("n%u.test.svc", i);
		uint16_t port = (uint16_t)(1024 + i);

		ask(fixture, port, 0, missing);
		answer(fixture, port, 0, missing, 3);
		ask(fixture, port, 1, "good.test");
		answer(fixture, port, 1, "good.test", 0);
		if (i % 100 == 0)
			run(fixture, 20);
	}
	run(fixture, 1200);
	g_assert_cmpint(fixture->frames.left_out, ==, (int)(2 * count));
}

static void test_summary(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *before = ss_failures_summary(fixture->failures), *text = NULL;

	(void)data;
	g_assert_null(before);
	ask(fixture, 4000, 1, "nx.test");
	answer(fixture, 4000, 1, "nx.test", 3);
	ask(fixture, 4001, 1, "good.test");
	answer(fixture, 4001, 1, "good.test", 0);
	run(fixture, 0);
	text = ss_failures_summary(fixture->failures);
	g_assert_cmpstr(text, ==, "DNS: 1 exchanges went well, 1 failed: 1 NXDOMAIN");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(struct fixture *fixture, gconstpointer data);
		enum nxdomain nxdomain;
	} tests[] = {
		{"/failures/codes", test_codes},
		{"/failures/extended-codes", test_extended_codes},
		{"/failures/nxdomain-is-fine", test_nxdomain_is_fine, IS_FINE},
		{"/failures/search-that-ends-well", test_search_that_ends_well, MAY_BE_A_SEARCH},
		{"/failures/search-that-fails", test_search_that_fails, MAY_BE_A_SEARCH},
		{"/failures/search-of-others", test_search_of_others, MAY_BE_A_SEARCH},
		{"/failures/search-and-release", test_search_and_release, MAY_BE_A_SEARCH},
		{"/failures/timeout", test_timeout},
		{"/failures/late-twice", test_late_twice},
		{"/failures/stall", test_stall},
		{"/failures/truncated", test_truncated},
		{"/failures/same-id", test_same_id},
		{"/failures/repeated", test_repeated},
		{"/failures/stray-answers", test_stray_answers},
		{"/failures/answer-without-question", test_answer_without_question},
		{"/failures/ipv6-and-raw", test_ipv6_and_raw},
		{"/failures/places", test_places},
		{"/failures/tcp", test_tcp},
		{"/failures/tcp-refused", test_tcp_refused},
		{"/failures/tcp-nonsense", test_tcp_nonsense},
		{"/failures/tcp-torn", test_tcp_torn},
		{"/failures/unreachable", test_unreachable},
		{"/failures/fragments", test_fragments},
		{"/failures/release", test_release},
		{"/failures/cut-frames", test_cut_frames},
		{"/failures/many", test_many},
		{"/failures/always-same-id", test_always_same_id},
		{"/failures/many-searches", test_many_searches, MAY_BE_A_SEARCH},
		{"/failures/summary", test_summary},
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, struct fixture, GINT_TO_POINTER(tests[i].nxdomain),
			   set_up, tests[i].test, tear_down);
	return g_test_run();
}
