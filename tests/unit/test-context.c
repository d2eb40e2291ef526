/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of HTTP exchanges offered to the stage: which are marked. */
#include "context.h"

#include "dns-frames.h"
#include "format/metadata.h"
#include "output/blocks.h"
#include "tests/offer.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define CLIENT "10.0.0.2"
#define SERVER "10.0.0.3"
#define GET    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define ERROR  "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nabc"
#define BODY   "any bytes"

/* A frame with option 2989, as those of pods have. */
static void put(GByteArray *blocks, uint16_t port, bool back, const char *text)
{
	g_autoptr(GByteArray) frame = g_byte_array_new();
	const struct packet packet = {
		.from = back ? SERVER : CLIENT,
		.to = back ? CLIENT : SERVER,
		.from_port = back ? 80 : port,
		.to_port = back ? port : 80,
		.flags = 0x10,
		.payload = (const uint8_t *)text,
		.length = strlen(text),
	};

	dns_put_packet(frame, &packet);
	ss_block_frame(blocks, &(struct ss_block_frame){
				       .data = frame->data,
				       .length = frame->len,
				       .metadata = "\1\1\1",
				       .metadata_length = 3,
			       });
}

static void mark(struct ss_context *context, GByteArray *blocks)
{
	const struct ss_stage stage = ss_context_stage(context);

	offer(&stage, blocks->data, blocks->len, 0);
}

/* A letter per frame: x it is marked. */
static void assert_marks(struct ss_context *context, GByteArray *blocks, const char *marks)
{
	g_autoptr(GString) found = g_string_new(NULL);
	struct ss_blocks walk = ss_blocks(blocks->data, blocks->len, 0);

	mark(context, blocks);
	while (ss_blocks_next(&walk)) {
		const uint8_t *end = blocks->data + walk.at + walk.size;
		bool marked = memmem(end - 24, 24, "ST\201\1\1", 5);

		g_assert_true(marked || memmem(end - 24, 24, "ST\1\1\1", 5));
		g_string_append_c(found, marked ? 'x' : '.');
	}
	g_assert_cmpstr(found->str, ==, marks);
	g_byte_array_set_size(blocks, 0);
}

static struct ss_context *make(bool requests)
{
	struct ss_context *context = ss_context_new(requests);
	const struct ss_stage stage = ss_context_stage(context);

	add_place(&stage, (struct ss_place){.link_type = SS_LINKTYPE_ETHERNET, .owner = 7});
	return context;
}

static void put_exchange(GByteArray *blocks, uint16_t port)
{
	put(blocks, port, false, GET);
	put(blocks, port, false, BODY);
	put(blocks, port, true, ERROR);
	put(blocks, port, true, BODY);
	put(blocks, port, true, "");
}

static void test_requests(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	struct ss_context *context = make(true);

	put_exchange(blocks, 4000);
	put_exchange(blocks, 4001);
	put(blocks, 4000, false, BODY);
	put(blocks, 4001, true, BODY);
	assert_marks(context, blocks, "xx...xx...x.");
	ss_context_free(context);
}

static void test_responses(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	struct ss_context *context = make(false);

	put_exchange(blocks, 4000);
	/* Of a connection whose beginning nobody saw. */
	put(blocks, 4001, true, BODY);
	assert_marks(context, blocks, "..xxx.");
	ss_context_free(context);
}

/* A mark of an earlier capture goes. */
static void test_again(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	struct ss_context *context = make(true), *other = make(false);
	g_autoptr(GByteArray) copy = NULL;

	put_exchange(blocks, 4000);
	mark(context, blocks);
	copy = g_byte_array_append(g_byte_array_new(), blocks->data, blocks->len);
	assert_marks(other, copy, "..xxx");
	ss_context_free(context);
	ss_context_free(other);
}

static void test_body_like_a_request(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	struct ss_context *context = make(true);

	put(blocks, 4000, false, GET);
	put(blocks, 4000, true, ERROR);
	put(blocks, 4000, true, "GET it while it lasts");
	put(blocks, 4000, true, BODY);
	/* The client's port is a server's now. */
	put(blocks, 4000, false, ERROR);
	assert_marks(context, blocks, "x....");
	ss_context_free(context);
}

static void test_not_to_be_written(void)
{
	g_autoptr(GByteArray) blocks = g_byte_array_new();
	struct ss_context *context = make(true);
	uint32_t type = GUINT32_TO_LE(SS_BLOCK_LEFT_OUT);

	put(blocks, 4000, false, GET);
	memcpy(blocks->data, &type, sizeof(type));
	assert_marks(context, blocks, ".");
	ss_context_free(context);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/context/requests", test_requests);
	g_test_add_func("/context/responses", test_responses);
	g_test_add_func("/context/again", test_again);
	g_test_add_func("/context/body-like-a-request", test_body_like_a_request);
	g_test_add_func("/context/not-to-be-written", test_not_to_be_written);
	return g_test_run();
}
