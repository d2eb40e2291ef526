/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/http2.h"

#include <string.h>

#include <glib.h>

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define PING                                                                                       \
	"\0\0\x08\6\0\0\0\0\0"                                                                     \
	"pingpong"
#define HEADERS "\0\0\1\1\5\0\0\0\7\x82"

static void test_find(void)
{
	g_assert_cmpint(ss_http2_frame_find(BYTES(HEADERS)), ==, 0);
	g_assert_cmpint(ss_http2_frame_find(BYTES("text" HEADERS)), ==, 4);
	g_assert_cmpint(ss_http2_frame_find(BYTES("\0\0\0\0\0\0\0" HEADERS)), ==, 7);
	g_assert_cmpint(ss_http2_frame_find(BYTES("xy" PING HEADERS)), ==, 2);
	g_assert_cmpint(ss_http2_frame_find(BYTES("no frame in here at all")), ==, -1);
	g_assert_cmpint(ss_http2_frame_find(BYTES("\0\0\1\1\5\0\0")), ==, -1);
	/* What follows is none: neither is this. */
	g_assert_cmpint(ss_http2_frame_find(BYTES("\0\0\1\1\5\0\0\0\7\x82"
						  "\0\0\1\1\5\0\0\0\0")),
			==, -1);
}

static void test_track(void)
{
	static const char bytes[] = SS_HTTP2_PREFACE PING HEADERS;

	for (size_t cut = 3; cut < sizeof(bytes) - 1; cut++) {
		struct ss_http2_track track = {0};

		g_assert_true(ss_http2_track_take(&track, (const uint8_t *)bytes, cut));
		g_assert_true(ss_http2_track_take(&track, (const uint8_t *)bytes + cut,
						  sizeof(bytes) - 1 - cut));
		g_assert_cmpuint(track.left, ==, 0);
		g_assert_cmpuint(track.header_length, ==, 0);
	}
}

static void test_track_within(void)
{
	struct ss_http2_track track = {0};

	g_assert_true(ss_http2_track_take(&track, BYTES("\0\0\x08\6\0\0\0\0\0pin")));
	g_assert_cmpuint(track.left, ==, 5);
	g_assert_true(ss_http2_track_take(&track, BYTES("gpong\0\0")));
	g_assert_cmpuint(track.left, ==, 0);
	g_assert_cmpuint(track.header_length, ==, 2);
	g_assert_false(ss_http2_track_take(&track, BYTES("\1\1\5\0\0\0\0"))); /* stream 0 */
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls/http2/find", test_find);
	g_test_add_func("/tls/http2/track", test_track);
	g_test_add_func("/tls/http2/track-within", test_track_within);
	return g_test_run();
}
