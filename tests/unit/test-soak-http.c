/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A day of HTTP/1 for filters on response codes: fifty connections a second, some of which never
 * end, with requests whose response never comes.
 */
#include "partners.h"
#include "requests.h"

#include "soak.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SERVER   "10.96.0.80"
#define PATIENCE 600u /* seconds, of both stages */
#define PORTS    60000u

#define ACK 0x10u
#define FIN 0x11u
#define RST 0x14u

/* What may be said in connections. */
static const struct line {
	bool back, selected;
	bool is_unseen; /* the kernel keeps it back, unless tshark decides */
	uint8_t flags;
	const char *text;
} lines[] = {
	['g'] = {.flags = ACK, .text = "GET /items HTTP/1.1\r\nHost: soak.test\r\n\r\n"},
	['p'] = {.flags = ACK, .text = "POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n"},
	['b'] = {.flags = ACK, .text = "{body}"},
	['r'] = {.flags = RST, .text = ""},
	['F'] = {true, .is_unseen = true, .flags = ACK,
		 .text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	['E'] = {true, .selected = true, .flags = ACK,
		 .text = "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad"},
	['C'] = {true, .flags = FIN, .text = ""},
};

static const struct kind {
	const char *steps; /* of lines[]; or so many seconds of silence */
	unsigned share;    /* of a thousand */
	unsigned wanted;   /* exchanges */
	/* What the stages keep, in frames, and exchanges they give up: that which takes connections
	 * to end with the last response, and that which knows lengths. */
	unsigned kept_requests, kept_partners, given_up_requests, given_up_partners;
} kinds[] = {
	{"gFC", 450},
	{"gFgFgFC", 100},
	{"gEC", 100, 1, 3, 2},
	{"g8EC", 20, 1, 3, 2},
	{"gFgEgFC", 50, 1, 2, 2},
	{"pbbEC", 30, 1, 5, 4},
	{"gr", 50},
	{"g", 100, .given_up_requests = 1, .given_up_partners = 1},
	{"gF", 50, .given_up_requests = 1},
	{"gE", 50, 1, 2, 2},
};

static const struct kind *kind_of(uint32_t number)
{
	unsigned share = soak_spread(number, 1000);
	const struct kind *kind = kinds;

	for (; share >= kind->share; kind++)
		share -= kind->share;
	return kind;
}

static uint32_t length_before(const char *steps, unsigned step, bool back)
{
	size_t length = 0;

	for (unsigned i = 0; i < step; i++)
		if (!g_ascii_isdigit(steps[i]) && lines[(int)steps[i]].back == back)
			length += strlen(lines[(int)steps[i]].text);
	return (uint32_t)length;
}

static void plan_next(struct soak *soak, uint32_t number, const char *steps, unsigned next)
{
	if (g_ascii_isdigit(steps[next]))
		soak_plan(soak, number, next + 1, 1000 * (unsigned)(steps[next] - '0'));
	else if (steps[next])
		soak_plan(soak, number, next, soak_spread(number + next, 100));
}

/* No two connections of the day have the same ends. */
static void play(struct soak *soak, uint32_t number, unsigned step)
{
	const char *steps = kind_of(number)->steps;
	const struct line *now = &lines[(int)steps[step]];
	unsigned client_number = number % 50 * 80 + number / PORTS;
	uint16_t port = (uint16_t)(1024 + number % PORTS);
	uint32_t here = number + length_before(steps, step, now->back);
	uint32_t there = number + length_before(steps, step, !now->back);
	char client[32];

	plan_next(soak, number, steps, step + 1);
	if (now->is_unseen && !soak->is_judged)
		return;
	g_snprintf(client, sizeof(client), "10.0.%u.%u", 1 + client_number / 250,
		   1 + client_number % 250);
	soak_put(soak,
		 (struct packet){
			 .from = now->back ? SERVER : client,
			 .to = now->back ? client : SERVER,
			 .from_port = now->back ? 80 : port,
			 .to_port = now->back ? port : 80,
			 .sequence = here,
			 .acknowledgement = there,
			 .flags = now->flags,
			 .payload = (const uint8_t *)now->text,
			 .length = strlen(now->text),
		 },
		 now->selected);
}

/* What is known of connections that never end stays until as many others have come: in a short day
 * they are not that many yet. */
static void assert_memory(const struct soak *soak, size_t connections)
{
	soak_assert_memory(soak, soak_is_long() ? SOAK_GROWTH : connections,
			   connections + (2u << 20));
}

static void test_requests(void)
{
	struct soak soak = {.play = play};
	struct ss_held_callbacks callbacks = offered_callbacks(&soak.frames);
	struct ss_held_counts counts, expected = {0};
	struct ss_requests *requests;
	uint64_t kept = 0;

	callbacks.taken_back = NULL; /* nobody judges before */
	requests = ss_requests_new(&callbacks, NULL);
	soak_init(&soak, ss_requests_stage(requests));
	soak_run(&soak, PATIENCE + 10);
	for (uint32_t number = 0; number < soak.exchanges; number++) {
		const struct kind *kind = kind_of(number);

		expected.kept += kind->wanted;
		expected.given_up += kind->given_up_requests;
		kept += kind->kept_requests;
	}
	counts = ss_requests_counts(requests);
	g_assert_cmpuint(counts.given_up, ==, expected.given_up);
	g_assert_cmpuint(counts.kept, ==, expected.kept);
	g_assert_cmpuint(soak.written + soak.late, ==, kept);
	assert_memory(&soak, 16u << 20);
	ss_requests_free(requests);
	soak_deinit(&soak);
}

static void test_partners(void)
{
	struct soak soak = {.play = play, .is_judged = true};
	const struct ss_held_callbacks callbacks = offered_callbacks(&soak.frames);
	struct ss_held_counts counts, expected = {0};
	struct ss_partners *partners = ss_partners_new(&callbacks);
	uint64_t kept = 0;

	soak_init(&soak, ss_partners_stage(partners));
	soak_run(&soak, PATIENCE + 10);
	for (uint32_t number = 0; number < soak.exchanges; number++) {
		const struct kind *kind = kind_of(number);

		expected.kept += kind->wanted;
		expected.given_up += kind->given_up_partners;
		kept += kind->kept_partners;
	}
	counts = ss_partners_counts(partners);
	g_assert_cmpuint(counts.given_up, ==, expected.given_up);
	g_assert_cmpuint(counts.kept, ==, expected.kept);
	g_assert_cmpuint(counts.cut, ==, 0);
	g_assert_cmpuint(soak.written + soak.late, ==, kept);
	assert_memory(&soak, 80u << 20);
	ss_partners_free(partners);
	soak_deinit(&soak);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/soak-http/requests", test_requests);
	g_test_add_func("/soak-http/partners", test_partners);
	return g_test_run();
}
