/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/twin.c: whose frames are left out, and for how long frames wait. */
#include "twin.h"

#include <string.h>

#include <glib.h>

#include "format/pcapng.h"
#include "output/blocks.h"

#define WINDOW_NS 100

struct story {
	uint64_t now_ns;
	uint16_t port; /* of the connection whose plaintext is shown */
	unsigned left_out;
};

static bool is_shown(const struct ss_endpoint *one, const struct ss_endpoint *other,
		     void *user_data)
{
	const struct story *story = user_data;

	return one->port == story->port || other->port == story->port;
}

static void left_out(uint32_t interface_id, void *user_data)
{
	g_assert_cmpuint(interface_id, ==, 1);
	((struct story *)user_data)->left_out++;
}

static uint64_t utc_ns(void *user_data)
{
	return ((struct story *)user_data)->now_ns;
}

static struct ss_twin *twin_new(struct story *story)
{
	const struct ss_twin_callbacks callbacks = {is_shown, left_out, utc_ns, story};
	struct ss_twin *twin = ss_twin_new(WINDOW_NS, &callbacks);
	const struct ss_stage stage = ss_twin_stage(twin);
	const struct ss_pod pod = {0};
	const struct ss_place place = {
		.interface_id = 1, .link_type = SS_LINKTYPE_RAW, .pod = &pod};

	ss_stage_interface(&stage, &place);
	return twin;
}

/* An IPv4 TCP segment from 10.0.0.1:port to 10.0.0.2:443. */
static void put_segment(GByteArray *bytes, uint32_t interface_id, uint64_t time_ns, uint16_t port)
{
	uint8_t packet[40] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
	const struct ss_block_frame frame = {.interface_id = interface_id,
					     .length = sizeof(packet),
					     .time_ns = time_ns,
					     .data = packet};

	packet[20] = (uint8_t)(port >> 8);
	packet[21] = (uint8_t)port;
	packet[22] = 1;
	packet[23] = 0xbb;
	packet[32] = 0x50;
	packet[33] = 0x10;
	ss_block_frame(bytes, &frame);
}

static unsigned count_left_out(const GByteArray *bytes)
{
	struct ss_blocks walk = ss_blocks(bytes->data, bytes->len, 0);
	unsigned found = 0;

	while (ss_blocks_next(&walk))
		found += ss_block_type(bytes->data + walk.at) == SS_BLOCK_LEFT_OUT;
	g_assert_cmpuint(walk.at, ==, bytes->len);
	return found;
}

static void test_only_what_is_shown(void)
{
	struct story story = {.now_ns = 1000, .port = 5000};
	struct ss_twin *twin = twin_new(&story);
	const struct ss_stage stage = ss_twin_stage(twin);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	uint64_t again_ns = 0;

	put_segment(bytes, 1, 10, 5000);
	put_segment(bytes, 1, 20, 5001);
	put_segment(bytes, 0, 30, 5000); /* an interface of no pod */
	put_segment(bytes, 9, 40, 5000);
	g_assert_cmpuint(ss_stage_admit(&stage, bytes->data, bytes->len, 0, &again_ns), ==,
			 bytes->len);
	g_assert_cmpuint(story.left_out, ==, 1);
	g_assert_cmpuint(count_left_out(bytes), ==, 1);
	ss_twin_free(twin);
}

static void test_frames_wait(void)
{
	struct story story = {.now_ns = 1000, .port = 5000};
	struct ss_twin *twin = twin_new(&story);
	const struct ss_stage stage = ss_twin_stage(twin);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	uint64_t again_ns = 0;
	size_t admitted;

	put_segment(bytes, 1, 900, 5001);
	put_segment(bytes, 1, 930, 5000);
	admitted = ss_stage_admit(&stage, bytes->data, bytes->len, 0, &again_ns);
	g_assert_cmpuint(admitted, ==, bytes->len / 2);
	g_assert_cmpuint(again_ns, ==, 30);
	ss_stage_release(&stage);
	g_assert_cmpuint(
		ss_stage_admit(&stage, bytes->data + admitted, bytes->len - admitted, 0, &again_ns),
		==, bytes->len - admitted);
	g_assert_cmpuint(story.left_out, ==, 1);
	ss_twin_free(twin);
}

/* Another stage may have left it out before: it is not counted twice. */
static void test_what_is_left_out_already(void)
{
	struct story story = {.now_ns = 1000, .port = 5000};
	struct ss_twin *twin = twin_new(&story);
	const struct ss_stage stage = ss_twin_stage(twin);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	const uint32_t type = GUINT32_TO_LE(SS_BLOCK_LEFT_OUT);
	uint64_t again_ns;

	put_segment(bytes, 1, 10, 5000);
	memcpy(bytes->data, &type, sizeof(type));
	g_assert_cmpuint(ss_stage_admit(&stage, bytes->data, bytes->len, 0, &again_ns), ==,
			 bytes->len);
	g_assert_cmpuint(story.left_out, ==, 0);
	ss_twin_free(twin);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/twin/only-what-is-shown", test_only_what_is_shown);
	g_test_add_func("/twin/frames-wait", test_frames_wait);
	g_test_add_func("/twin/what-is-left-out-already", test_what_is_left_out_already);
	return g_test_run();
}
