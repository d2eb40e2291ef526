/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of made connections, some of which match: which are wanted, and as what. */
#include "turns.h"

#include "dns-frames.h"
#include "output/block.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define CLIENT "10.0.0.2"
#define SERVER "10.0.0.3"
#define HELLO  "\26\3\3"
#define DATA   "\27\3\3"

struct fixture {
	struct ss_turns *turns;
	GString *story; /* the frames that came out: their letter; small: context */
};

static void wanted(GByteArray *block, bool is_context, void *user_data)
{
	struct fixture *fixture = user_data;
	/* The letter is the frame's last byte, and there are no options behind it. */
	uint32_t length = ss_block_word(block->data + 20);
	char letter = (char)block->data[28 + length - 1];

	g_string_append_c(fixture->story, is_context ? g_ascii_tolower(letter) : letter);
	g_byte_array_unref(block);
}

static void open_turns(struct fixture *fixture, bool exchanges)
{
	fixture->turns = ss_turns_new(exchanges, wanted, fixture);
	fixture->story = g_string_new(NULL);
}

static void close_turns(struct fixture *fixture, const char *story)
{
	g_assert_cmpstr(fixture->story->str, ==, story);
	g_assert_cmpuint(ss_turns_given_up(fixture->turns), ==, 0);
	ss_turns_free(fixture->turns);
	g_string_free(fixture->story, TRUE);
}

static void take(struct fixture *fixture, uint16_t port, bool back, uint8_t flags,
		 const char *begin, char letter, bool matches)
{
	g_autofree char *payload = g_strdup_printf("%s%c", begin, letter);
	g_autoptr(GByteArray) frame = g_byte_array_new();
	GByteArray *block = g_byte_array_new();
	const struct packet packet = {
		.from = back ? SERVER : CLIENT,
		.to = back ? CLIENT : SERVER,
		.from_port = back ? 443 : port,
		.to_port = back ? port : 443,
		.flags = flags,
		.raw = true,
		.payload = (const uint8_t *)payload,
		.length = strlen(payload),
	};

	dns_put_packet(frame, &packet);
	ss_block_frame(block, &(struct ss_block_frame){.data = frame->data, .length = frame->len});
	ss_turns_take(fixture->turns, block, matches);
}

/* Handshakes S and H. */
static void begin(struct fixture *fixture, uint16_t port)
{
	take(fixture, port, false, 0x02, HELLO, 'S', false);
	take(fixture, port, true, 0x18, HELLO, 'H', false);
}

static void test_exchange(void)
{
	struct fixture fixture;

	open_turns(&fixture, true);
	begin(&fixture, 4000);
	take(&fixture, 4000, false, 0x18, DATA, 'A', false); /* answered otherwise */
	take(&fixture, 4000, true, 0x18, DATA, 'B', false);
	take(&fixture, 4000, false, 0x18, DATA, 'C', false);
	take(&fixture, 4000, false, 0x18, DATA, 'D', false);
	take(&fixture, 4000, true, 0x18, DATA, 'E', false);
	take(&fixture, 4000, true, 0x18, DATA, 'F', true);
	take(&fixture, 4000, true, 0x18, DATA, 'G', false); /* still of the exchange */
	take(&fixture, 4000, false, 0x18, DATA, 'I', false);
	take(&fixture, 4000, true, 0x18, DATA, 'J', true); /* the handshakes are there */
	close_turns(&fixture, "shcdEFGiJ");
}

static void test_request(void)
{
	struct fixture fixture;

	open_turns(&fixture, true);
	begin(&fixture, 4000);
	take(&fixture, 4000, false, 0x18, DATA, 'A', true);
	take(&fixture, 4000, true, 0x18, DATA, 'B', false);
	take(&fixture, 4000, true, 0x18, DATA, 'C', false);
	take(&fixture, 4000, false, 0x18, DATA, 'D', false);
	take(&fixture, 4000, true, 0x18, DATA, 'E', false);
	close_turns(&fixture, "shAbc");
}

static void test_one_side(void)
{
	struct fixture fixture;

	open_turns(&fixture, false);
	begin(&fixture, 4000);
	take(&fixture, 4000, false, 0x18, DATA, 'A', false);
	take(&fixture, 4000, true, 0x18, DATA, 'B', false);
	take(&fixture, 4000, true, 0x18, DATA, 'C', true);
	take(&fixture, 4000, false, 0x18, DATA, 'D', false);
	close_turns(&fixture, "shBC");
}

static void test_connections_apart(void)
{
	struct fixture fixture;

	open_turns(&fixture, true);
	begin(&fixture, 4000);
	begin(&fixture, 4001);
	take(&fixture, 4000, false, 0x18, DATA, 'A', false);
	take(&fixture, 4001, false, 0x18, DATA, 'B', false);
	take(&fixture, 4000, true, 0x18, DATA, 'C', false);
	take(&fixture, 4001, true, 0x18, DATA, 'D', true);
	/* The port once more. */
	begin(&fixture, 4001);
	take(&fixture, 4001, true, 0x18, DATA, 'E', false);
	close_turns(&fixture, "shbD");
}

/* A handshake that matches is not only context; an end belongs to what it ends. */
static void test_ends(void)
{
	struct fixture fixture;

	open_turns(&fixture, true);
	take(&fixture, 4000, false, 0x02, HELLO, 'S', true);
	take(&fixture, 4000, true, 0x11, DATA, 'F', false);
	take(&fixture, 4001, false, 0x02, HELLO, 'T', false);
	take(&fixture, 4001, true, 0x11, DATA, 'G', false);
	close_turns(&fixture, "Sf");
}

static void test_memory_is_bounded(void)
{
	g_autofree char *large = g_strnfill(60000, 'x');
	struct fixture fixture = {.turns = ss_turns_new(true, wanted, &fixture),
				  .story = g_string_new(NULL)};

	for (int i = 0; i < 1000; i++)
		take(&fixture, (uint16_t)(4000 + i % 3), false, 0x18, large, 'A', false);
	g_assert_cmpuint(ss_turns_given_up(fixture.turns), >, 300);
	g_assert_cmpuint(ss_turns_given_up(fixture.turns), <, 1000);
	g_assert_cmpuint(fixture.story->len, ==, 0);
	ss_turns_free(fixture.turns);
	g_string_free(fixture.story, TRUE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/turns/exchange", test_exchange);
	g_test_add_func("/turns/request", test_request);
	g_test_add_func("/turns/one-side", test_one_side);
	g_test_add_func("/turns/connections-apart", test_connections_apart);
	g_test_add_func("/turns/ends", test_ends);
	g_test_add_func("/turns/memory-is-bounded", test_memory_is_bounded);
	return g_test_run();
}
