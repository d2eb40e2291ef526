/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A day of DNS: fifty exchanges a second of thousands of clients, each with a name of its own,
 * which go well, fail in every way, or never end. Names say what is to become of the exchange.
 */
#include "failures.h"
#include "queries.h"

#include "soak.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define TIMEOUT (2000 * MS)
#define CLIENTS 4000u

#define SYN     0x02u
#define SYN_ACK 0x12u
#define DATA    0x18u
#define FIN     0x11u
#define RST     0x14u

#define NXDOMAIN 3
#define SERVFAIL 2
#define BADVERS  16 /* only EDNS can say so */

struct exchange {
	uint32_t number;
	uint16_t id;
	struct packet query, answer; /* ends */
	const char *name;
	uint16_t type;
};

typedef void (*player)(struct soak *soak, const struct exchange *exchange, unsigned step);

static void put_message(struct soak *soak, const struct dns *dns, struct packet packet,
			bool selected)
{
	g_autoptr(GByteArray) message = dns_message(dns);

	packet.payload = message->data;
	packet.length = message->len;
	soak_put(soak, packet, selected);
}

static void ask(struct soak *soak, const struct exchange *exchange)
{
	put_message(
		soak,
		&(struct dns){.id = exchange->id, .name = exchange->name, .type = exchange->type},
		exchange->query, false);
}

static struct dns answer_of(const struct exchange *exchange, uint16_t rcode)
{
	return (struct dns){.id = exchange->id,
			    .answer = true,
			    .rcode = rcode,
			    .name = exchange->name,
			    .type = exchange->type};
}

static void answer(struct soak *soak, const struct exchange *exchange, uint16_t rcode)
{
	struct dns dns = answer_of(exchange, rcode);

	put_message(soak, &dns, exchange->answer, rcode != 0);
}

static unsigned latency_ms(const struct exchange *exchange)
{
	return soak_spread(exchange->number, 100);
}

/* --- What becomes of exchanges --- */

static void play_answered(struct soak *soak, const struct exchange *exchange, unsigned step,
			  uint16_t rcode)
{
	if (step > 0) {
		answer(soak, exchange, rcode);
		return;
	}
	ask(soak, exchange);
	soak_plan(soak, exchange->number, 1, latency_ms(exchange));
}

static void play_good(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	play_answered(soak, exchange, step, 0);
}

static void play_nxdomain(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	play_answered(soak, exchange, step, NXDOMAIN);
}

static void play_servfail(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	play_answered(soak, exchange, step, SERVFAIL);
}

static void play_badvers(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	play_answered(soak, exchange, step, BADVERS);
}

static void play_truncated(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	struct dns dns = answer_of(exchange, 0);

	dns.truncated = true;
	if (step > 0)
		put_message(soak, &dns, exchange->answer, false);
	else
		play_good(soak, exchange, step);
}

static void play_silent(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	(void)step;
	ask(soak, exchange);
}

static void play_repeated(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	if (step == 2) {
		answer(soak, exchange, 0);
		return;
	}
	ask(soak, exchange);
	soak_plan(soak, exchange->number, step + 1, 900);
}

/* Twice: the second one is no news. */
static void play_late(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	if (step == 0)
		ask(soak, exchange);
	else
		answer(soak, exchange, 0);
	if (step < 2)
		soak_plan(soak, exchange->number, step + 1, 3000);
}

static void play_stray(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	(void)step;
	answer(soak, exchange, SERVFAIL);
}

static void play_search(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	g_autofree char *tried = g_strdup_printf("%s.svc.test", exchange->name);
	struct exchange first = *exchange;

	first.name = tried;
	switch (step) {
	case 0:
		ask(soak, &first);
		break;
	case 1:
		answer(soak, &first, NXDOMAIN);
		break;
	case 2:
		ask(soak, exchange);
		break;
	default:
		answer(soak, exchange, 0);
		return;
	}
	soak_plan(soak, exchange->number, step + 1, 40);
}

static void play_unreachable(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	g_autoptr(GByteArray) quoted = g_byte_array_new(), message = NULL;
	struct packet query = exchange->query;

	if (step == 0) {
		play_good(soak, exchange, step);
		return;
	}
	message = dns_message(
		&(struct dns){.id = exchange->id, .name = exchange->name, .type = exchange->type});
	query.payload = message->data;
	query.length = message->len;
	query.raw = true;
	dns_put(quoted, 3u << 24 | 3u << 16, 4);
	dns_put(quoted, 0, 4);
	dns_put_packet(quoted, &query);
	soak_put(soak,
		 (struct packet){exchange->answer.from, exchange->answer.to,
				 .interface_id = query.interface_id, .raw = exchange->query.raw,
				 .protocol = 1, .payload = quoted->data, .length = quoted->len},
		 false);
}

/* TCP. */

static void put_segment(struct soak *soak, const struct exchange *exchange, bool back,
			uint32_t sequence, uint8_t flags)
{
	struct packet packet = back ? exchange->answer : exchange->query;

	packet.sequence = sequence;
	packet.flags = flags;
	soak_put(soak, packet, false);
}

/* The message in two segments, or only the first of them. */
static void put_stream(struct soak *soak, const struct exchange *exchange, const struct dns *dns,
		       bool whole)
{
	g_autoptr(GByteArray) message = dns_message(dns), stream = g_byte_array_new();
	struct packet packet = dns->answer ? exchange->answer : exchange->query;

	dns_put(stream, message->len, 2);
	g_byte_array_append(stream, message->data, message->len);
	packet.flags = DATA;
	packet.sequence = 100;
	packet.payload = stream->data;
	packet.length = 9;
	soak_put(soak, packet, false);
	if (!whole)
		return;
	packet.sequence += 9;
	packet.payload += 9;
	packet.length = stream->len - 9;
	soak_put(soak, packet, dns->rcode != 0);
}

static void play_refused(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	put_segment(soak, exchange, step > 0, step ? 0 : 99, step ? RST : SYN);
	if (step == 0)
		soak_plan(soak, exchange->number, 1, latency_ms(exchange));
}

static void play_connection(struct soak *soak, const struct exchange *exchange, unsigned step,
			    uint16_t rcode, bool ends)
{
	const struct dns query = {
		.id = exchange->id, .name = exchange->name, .type = exchange->type};
	const struct dns reply = answer_of(exchange, rcode);

	switch (step) {
	case 0:
		put_segment(soak, exchange, false, 99, SYN);
		put_segment(soak, exchange, true, 99, SYN_ACK);
		break;
	case 1:
		put_stream(soak, exchange, &query, true);
		break;
	case 2:
		put_stream(soak, exchange, &reply, true);
		break;
	default:
		put_segment(soak, exchange, true, 200, FIN);
		put_segment(soak, exchange, false, 200, FIN);
		return;
	}
	if (step < 2 || ends)
		soak_plan(soak, exchange->number, step + 1, latency_ms(exchange));
}

static void play_stream(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	play_connection(soak, exchange, step, 0, true);
}

static void play_broken_stream(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	play_connection(soak, exchange, step, SERVFAIL, true);
}

static void play_endless_stream(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	play_connection(soak, exchange, step, 0, false);
}

/* The rest of the query was never seen. */
static void play_torn_stream(struct soak *soak, const struct exchange *exchange, unsigned step)
{
	const struct dns query = {
		.id = exchange->id, .name = exchange->name, .type = exchange->type};

	(void)step;
	put_segment(soak, exchange, false, 99, SYN);
	put_segment(soak, exchange, true, 99, SYN_ACK);
	put_stream(soak, exchange, &query, false);
}

/* --- The timetable --- */

static const struct kind {
	const char *name;
	player play;
	unsigned share;         /* of a thousand */
	const char *events[2];  /* that tell of it */
	unsigned fine;          /* exchanges that went well */
	unsigned kept;          /* frames of the failure */
	unsigned is_judged_bad; /* exchanges with an answer that a filter on codes selects ... */
	unsigned kept_judged;   /* ... and frames of these */
} kinds[] = {
	{"good", play_good, 700, .fine = 1},
	{"nxdomain", play_nxdomain, 40, {"NXDOMAIN"}, 0, 2, 1, 2},
	{"servfail", play_servfail, 20, {"SERVFAIL"}, 0, 2, 1, 2},
	{"badvers", play_badvers, 10, {"BADVERS"}, 0, 2, 1, 2},
	{"truncated", play_truncated, 20, {"truncated"}, 0, 2},
	{"silent", play_silent, 20, {"timeout"}, 0, 1},
	{"late", play_late, 10, {"timeout", "slow"}, 0, 3},
	{"unreachable", play_unreachable, 10, {"unreachable"}, 0, 2},
	{"refused", play_refused, 10, {"connection refused"}, 0, 2},
	{"stray", play_stray, 5, {"SERVFAIL"}, 0, 1, 0, 1},
	{"brokenstream", play_broken_stream, 10, {"SERVFAIL"}, 0, 4, 1, 2},
	{"tornstream", play_torn_stream, 5, .kept = 1},
	{"repeated", play_repeated, 30, .fine = 1},
	{"search", play_search, 50, .fine = 2, .is_judged_bad = 1, .kept_judged = 2},
	{"stream", play_stream, 50, .fine = 1},
	{"endless", play_endless_stream, 10, .fine = 1},
};

static unsigned kind_of(uint32_t number)
{
	unsigned share = soak_spread(number, 1000), i = 0;

	for (; share >= kinds[i].share; i++)
		share -= kinds[i].share;
	return i;
}

/* One in eight by IPv6; where ICMP comes back it is that of IPv4. */
static void play(struct soak *soak, uint32_t number, unsigned step)
{
	const struct kind *kind = &kinds[kind_of(number)];
	bool six = number % 8 == 0 && kind->play != play_unreachable;
	uint16_t port = (uint16_t)(1024 + number % 60000);
	char client[32], name[64];
	const char *server = six ? "fd00::53" : "10.96.0.10";
	const struct exchange exchange = {
		.number = number,
		.id = (uint16_t)(number * 7),
		.query = {client, server, port, 53, .interface_id = six, .raw = six},
		.answer = {server, client, 53, port, .interface_id = six, .raw = six},
		.name = name,
		.type = number % 3 == 0 ? 28 : 1,
	};

	g_snprintf(client, sizeof(client), six ? "fd00::%x:%x" : "10.0.%u.%u",
		   1 + number % CLIENTS / 250, 1 + number % CLIENTS % 250);
	g_snprintf(name, sizeof(name), "%s-%u.soak.test", kind->name, number);
	kind->play(soak, &exchange, step);
}

/* --- Failures --- */

struct fixture {
	struct soak soak;
	struct ss_failures *failures;
	uint64_t told[G_N_ELEMENTS(kinds)][2]; /* as in the kind's events */
};

/* Of what the name says. */
static void event(const struct ss_event *event, void *user_data)
{
	struct fixture *fixture = user_data;
	const char *failure = event->message + strlen("DNS ");
	const char *name = strstr(failure, ": ");
	unsigned kind = 0;

	g_assert_cmpstr(event->event, ==, "dns-failure");
	g_assert_cmpstr(event->namespace, ==, "production");
	g_assert_nonnull(name);
	name += 2;
	if (g_str_has_prefix(name, "no question"))
		name = "refused-";
	while (kind < G_N_ELEMENTS(kinds) &&
	       !(g_str_has_prefix(name, kinds[kind].name) && name[strlen(kinds[kind].name)] == '-'))
		kind++;
	g_assert_cmpuint(kind, <, G_N_ELEMENTS(kinds));
	for (unsigned i = 0; i < 2; i++) {
		const char *expected = kinds[kind].events[i];

		if (expected && g_str_has_prefix(failure, expected) &&
		    failure[strlen(expected)] == ':') {
			fixture->told[kind][i]++;
			return;
		}
	}
	g_error("not expected: %s", event->message);
}

static void left_out(uint32_t interface_id, void *user_data)
{
	offered_left_out(interface_id, &((struct fixture *)user_data)->soak.frames);
}

static void count_kinds(const struct soak *soak, uint64_t counts[G_N_ELEMENTS(kinds)])
{
	memset(counts, 0, sizeof(counts[0]) * G_N_ELEMENTS(kinds));
	for (uint32_t number = 0; number < soak->exchanges; number++)
		counts[kind_of(number)]++;
}

/* Each exchange counts once, as what became of it at last. */
static void assert_summary(const struct ss_failures *failures,
			   const uint64_t counts[G_N_ELEMENTS(kinds)])
{
	static const struct {
		const char *event, *words;
	} failing[] = {
		{"NXDOMAIN", "NXDOMAIN"},          {"SERVFAIL", "with another error"},
		{"truncated", "truncated"},        {"slow", "too slow"},
		{"timeout", "without answer"},     {"unreachable", "unreachable"},
		{"connection refused", "refused"},
	};
	uint64_t sums[G_N_ELEMENTS(failing)] = {0}, fine = 0, bad = 0, searched = 0;
	g_autofree char *text = ss_failures_summary(failures);
	g_autoptr(GString) expected = g_string_new(NULL);

	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
		const char *last = kinds[i].events[1] ? kinds[i].events[1] : kinds[i].events[0];

		fine += counts[i] * kinds[i].fine;
		searched += kinds[i].play == play_search ? counts[i] : 0;
		if (g_strcmp0(last, "BADVERS") == 0)
			last = "SERVFAIL";
		bad += last ? counts[i] : 0;
		for (unsigned j = 0; j < G_N_ELEMENTS(failing); j++)
			sums[j] += g_strcmp0(last, failing[j].event) == 0 ? counts[i] : 0;
	}
	g_string_append_printf(expected, "DNS: %" G_GUINT64_FORMAT " exchanges went well, ", fine);
	g_string_append_printf(expected, "%" G_GUINT64_FORMAT " failed", bad);
	for (unsigned j = 0; j < G_N_ELEMENTS(failing); j++)
		g_string_append_printf(expected, "%s%" G_GUINT64_FORMAT " %s", j ? ", " : ": ",
				       sums[j], failing[j].words);
	g_string_append_printf(expected,
			       "; %" G_GUINT64_FORMAT
			       " names were only tried on the way through a search list",
			       searched);
	g_assert_cmpstr(text, ==, expected->str);
}

static void test_failures(void)
{
	struct fixture fixture = {.soak = {.play = play}};
	const struct ss_failures_options options = {
		.timeout_ns = TIMEOUT,
		.searches_are_fine = true,
		.event = event,
		.left_out = left_out,
		.user_data = &fixture,
	};
	uint64_t counts[G_N_ELEMENTS(kinds)], kept = 0;

	fixture.failures = ss_failures_new(&options);
	soak_init(&fixture.soak, ss_failures_stage(fixture.failures));
	soak_run(&fixture.soak, 120);
	count_kinds(&fixture.soak, counts);
	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
		for (unsigned j = 0; j < 2; j++)
			g_assert_cmpuint(fixture.told[i][j], ==,
					 kinds[i].events[j] ? counts[i] : 0);
		kept += kinds[i].kept * counts[i];
	}
	g_assert_cmpuint(fixture.soak.written, ==, kept);
	g_assert_cmpint(fixture.soak.frames.left_out, ==, (int)(fixture.soak.put - kept));
	assert_summary(fixture.failures, counts);
	soak_assert_memory(&fixture.soak, SOAK_GROWTH, 1u << 20);
	ss_failures_free(fixture.failures);
	soak_deinit(&fixture.soak);
}

/* --- The other half, for a filter on response codes --- */

static void test_queries(void)
{
	struct soak soak = {.play = play, .is_judged = true};
	const struct ss_held_callbacks callbacks = offered_callbacks(&soak.frames);
	struct ss_queries *queries = ss_queries_new(&callbacks);
	uint64_t counts[G_N_ELEMENTS(kinds)], kept = 0, kept_frames = 0;
	struct ss_held_counts found;

	soak_init(&soak, ss_queries_stage(queries));
	soak_run(&soak, 120);
	count_kinds(&soak, counts);
	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
		kept += kinds[i].is_judged_bad * counts[i];
		kept_frames += kinds[i].kept_judged * counts[i];
	}
	found = ss_queries_counts(queries);
	g_assert_cmpuint(found.kept, ==, kept);
	g_assert_cmpuint(found.given_up, ==, 0);
	g_assert_cmpuint(soak.written + soak.late, ==, kept_frames);
	soak_assert_memory(&soak, SOAK_GROWTH, 1u << 20);
	ss_queries_free(queries);
	soak_deinit(&soak);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/soak-dns/failures", test_failures);
	g_test_add_func("/soak-dns/queries", test_queries);
	return g_test_run();
}
