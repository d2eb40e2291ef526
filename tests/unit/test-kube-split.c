/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists and watches cut into objects, in pieces of every size. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "kube/split.h"

struct result {
	GString *objects; /* one after another, a bar after each */
	size_t skipped;
};

static void on_object(const char *text, size_t length, void *user_data)
{
	struct result *result = user_data;

	g_string_append_len(result->objects, text, (gssize)length);
	g_string_append_c(result->objects, '|');
}

static void on_skipped(size_t length, void *user_data)
{
	((struct result *)user_data)->skipped += length;
}

/* The same whatever the pieces: returns what the feed and the end say, the first that is wrong. */
static int cut(enum ss_kube_split_mode mode, const char *text, size_t limit, const char *objects,
	       size_t skipped, const char *envelope)
{
	int r = 0;

	for (size_t piece = 1; piece <= strlen(text); piece++) {
		struct result result = {.objects = g_string_new(NULL)};
		const struct ss_kube_split_callbacks callbacks = {on_object, on_skipped, &result};
		struct ss_kube_split *split = ss_kube_split_new(mode, limit, &callbacks);

		for (size_t i = 0; i < strlen(text); i += piece)
			ss_kube_split_feed(split, text + i, MIN(piece, strlen(text) - i));
		r = ss_kube_split_end(split);
		g_assert_cmpstr(result.objects->str, ==, objects);
		g_assert_cmpuint(result.skipped, ==, skipped);
		if (envelope)
			g_assert_cmpstr(ss_kube_split_envelope(split)->str, ==, envelope);
		ss_kube_split_free(split);
		g_string_free(result.objects, TRUE);
	}
	return r;
}

static void test_watch(void)
{
	g_assert_cmpint(cut(SS_SPLIT_STREAM, "{\"a\":{}}\n{\"b\":\"}{\\\"\"}\r\n\n{}", 100,
			    "{\"a\":{}}|{\"b\":\"}{\\\"\"}|{}|", 0, NULL),
			==, 0);
}

static void test_watch_cut(void)
{
	g_assert_cmpint(cut(SS_SPLIT_STREAM, "{}\n{\"a\":[1,", 100, "{}|", 0, NULL), ==, -EBADMSG);
}

static void test_watch_of_something_else(void)
{
	g_assert_cmpint(cut(SS_SPLIT_STREAM, "{}\n<html>{}", 100, "{}|", 0, NULL), ==, -EBADMSG);
	g_assert_cmpint(cut(SS_SPLIT_STREAM, "]", 100, "", 0, NULL), ==, -EBADMSG);
}

static void test_list(void)
{
	g_assert_cmpint(
		cut(SS_SPLIT_LIST,
		    "{\"kind\":\"items\",\"items\":[{\"items\":[{}]} , {\"b\":2}],\"metadata\":"
		    "{\"items\":[{\"c\":3}]}}",
		    100, "{\"items\":[{}]}|{\"b\":2}|", 0,
		    "{\"kind\":\"items\",\"items\":[],\"metadata\":{\"items\":[{\"c\":3}]}}"),
		==, 0);
}

static void test_list_without_items(void)
{
	g_assert_cmpint(cut(SS_SPLIT_LIST, "{\"items\":null,\"metadata\":{}}\n", 100, "", 0,
			    "{\"items\":null,\"metadata\":{}}\n"),
			==, 0);
}

static void test_list_cut(void)
{
	g_assert_cmpint(cut(SS_SPLIT_LIST, "{\"items\":[{\"a\":1},{\"b\"", 100, "{\"a\":1}|", 0,
			    "{\"items\":["),
			==, -EBADMSG);
	g_assert_cmpint(cut(SS_SPLIT_LIST, "{\"items\":[{\"a\":1}]", 100, "{\"a\":1}|", 0, NULL),
			==, -EBADMSG);
}

static void test_list_followed_by_more(void)
{
	g_assert_cmpint(cut(SS_SPLIT_LIST, "{\"items\":[]}{}", 100, "", 0, NULL), ==, -EBADMSG);
}

static void test_too_large(void)
{
	g_assert_cmpint(cut(SS_SPLIT_LIST, "{\"items\":[{\"a\":12345},{\"b\":2}]}", 8, "{\"b\":2}|",
			    11, "{\"items\":[]}"),
			==, 0);
}

static void test_envelope_too_large(void)
{
	const struct ss_kube_split_callbacks callbacks = {on_object, on_skipped, NULL};
	struct ss_kube_split *split = ss_kube_split_new(SS_SPLIT_LIST, 100, &callbacks);
	g_autofree char *filler = g_strnfill(1 << 20, 'x');
	int r = ss_kube_split_feed(split, "{\"a\":\"", 6);

	g_assert_cmpint(r, ==, 0);
	g_assert_cmpint(ss_kube_split_feed(split, filler, 1 << 20), ==, -EFBIG);
	g_assert_cmpint(ss_kube_split_feed(split, "\"}", 2), ==, -EFBIG);
	g_assert_cmpint(ss_kube_split_end(split), ==, -EFBIG);
	ss_kube_split_free(split);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kube-split/watch", test_watch);
	g_test_add_func("/kube-split/watch-cut", test_watch_cut);
	g_test_add_func("/kube-split/watch-of-something-else", test_watch_of_something_else);
	g_test_add_func("/kube-split/list", test_list);
	g_test_add_func("/kube-split/list-without-items", test_list_without_items);
	g_test_add_func("/kube-split/list-cut", test_list_cut);
	g_test_add_func("/kube-split/list-followed-by-more", test_list_followed_by_more);
	g_test_add_func("/kube-split/too-large", test_too_large);
	g_test_add_func("/kube-split/envelope-too-large", test_envelope_too_large);
	return g_test_run();
}
