/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of lo, about which the kernel has not asked the filter: which are left. */
#include "redirects.h"

#include "dns-frames.h"
#include "output/blocks.h"
#include "tests/offer.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define POD     "10.0.0.2"
#define SERVICE "10.96.0.7"

struct fixture {
	struct ss_stream *stream;
	struct ss_filter *filter;
	struct ss_redirects *redirects;
	struct ss_stage stage;
	GByteArray *blocks;
};

static void set_up(struct fixture *fixture, gconstpointer filter)
{
	const struct ss_output_options options = {.live_fd = -1, .discard = true};
	struct ss_error error = {0};
	struct ss_output *output;
	uint32_t id;

	g_assert_cmpint(ss_output_new(&options, ss_stream_output_counters, &fixture->stream,
				      &output, &error),
			==, 0);
	fixture->stream = ss_stream_new(output, NULL);
	for (int i = 0; i < 2; i++)
		g_assert_cmpint(ss_stream_interface(fixture->stream,
						    ss_interface_new("one", SS_LINKTYPE_ETHERNET),
						    &id, &error),
				==, 0);
	g_assert_cmpint(ss_filter_new(filter, &fixture->filter, &error), ==, 0);
	fixture->redirects = ss_redirects_new(fixture->filter, fixture->stream);
	fixture->stage = ss_redirects_stage(fixture->redirects);
	add_place(&fixture->stage, (struct ss_place){.interface_id = 1,
						     .link_type = SS_LINKTYPE_ETHERNET,
						     .is_lo = true});
	fixture->blocks = g_byte_array_new();
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	struct ss_error error = {0};

	(void)data;
	ss_redirects_free(fixture->redirects);
	ss_filter_free(fixture->filter);
	g_assert_cmpint(ss_stream_close(fixture->stream, &error), ==, 0);
	g_byte_array_unref(fixture->blocks);
}

static void put(struct fixture *fixture, uint32_t interface_id, const char *from, const char *to,
		uint16_t port, uint8_t flags)
{
	const struct packet packet = {
		.from = from,
		.to = to,
		.from_port = 40000,
		.to_port = port,
		.interface_id = interface_id,
		.flags = flags,
		.payload = (const uint8_t *)"x",
		.length = 1,
	};

	dns_put_block(fixture->blocks, &packet);
}

static void put_all(struct fixture *fixture)
{
	put(fixture, 1, POD, SERVICE, 443, 0x10);
	put(fixture, 1, POD, SERVICE, 80, 0x10);
	put(fixture, 1, "127.0.0.1", "127.0.0.1", 80, 0x10); /* the kernel has asked */
	put(fixture, 1, POD, SERVICE, 80, 0);                /* UDP, too */
	put(fixture, 0, POD, SERVICE, 80, 0x10);             /* not on lo, too */
	put(fixture, 1, "fd00::2", "fd00::3", 80, 0x10);
	put(fixture, 1, "fd00::2", "fd00::3", 443, 0x10);
}

/* A letter per frame: o it is open, n it is left out. */
static char *story(struct fixture *fixture, bool open)
{
	GString *text = g_string_new(NULL);
	const GByteArray *blocks = fixture->blocks;

	for (struct ss_blocks walk = ss_blocks(blocks->data, blocks->len, 0);
	     ss_blocks_next(&walk);) {
		const uint8_t *block = blocks->data + walk.at;
		bool is = open ? ss_redirects_is_open(fixture->redirects, block, walk.size)
			       : ss_block_type(block) == SS_BLOCK_LEFT_OUT;

		g_string_append_c(text, is ? (open ? 'o' : 'n') : '.');
	}
	return g_string_free(text, FALSE);
}

static void test_pcap_filter(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *open = NULL, *left_out = NULL;

	(void)data;
	put_all(fixture);
	open = story(fixture, true);
	g_assert_cmpstr(open, ==, "oo...oo");
	offer(&fixture->stage, fixture->blocks->data, fixture->blocks->len, 0);
	left_out = story(fixture, false);
	g_assert_cmpstr(left_out, ==, ".n...n.");
	g_assert_cmpuint(ss_stream_counters(fixture->stream, 1)->unmatched, ==, 2);
	g_assert_cmpuint(ss_stream_counters(fixture->stream, 0)->unmatched, ==, 0);
}

/* That is the judge's. */
static void test_display_filter(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *left_out = NULL;

	(void)data;
	put_all(fixture);
	offer(&fixture->stage, fixture->blocks->data, fixture->blocks->len, 0);
	left_out = story(fixture, false);
	g_assert_cmpstr(left_out, ==, ".......");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/redirects/pcap-filter", struct fixture, "tcp port 443", set_up,
		   test_pcap_filter, tear_down);
	g_test_add("/redirects/display-filter", struct fixture, "tcp.port == 443", set_up,
		   test_display_filter, tear_down);
	return g_test_run();
}
