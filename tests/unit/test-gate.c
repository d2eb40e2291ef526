/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/gate.c: what leaves, in which order, and who sees what once. */
#include "gate.h"

#include <string.h>

#include <glib.h>


#include "blocks.h"
#include "output/blocks.h"

/* What a test's items and frames did, as letters. */
static GString *story;
static uint64_t now_ns;

static int write_item(void *item, void *user_data)
{
	g_assert_true(user_data == &story);
	g_string_append(story, item);
	return *(const char *)item == 'X' ? -EIO : 0;
}

static void failed(int status, void *user_data)
{
	*(int *)user_data = status;
}

static uint64_t utc_ns(void *user_data)
{
	(void)user_data;
	return now_ns;
}

/* A stage that lets so many frames through, and counts what it is shown. */
struct stage {
	unsigned allowed, shown;
	bool released;
};

static size_t stage_admit(void *blocks, size_t length, uint64_t now, uint64_t *ret_again_ns,
			  void *user_data)
{
	struct stage *stage = user_data;
	uint64_t count = UINT64_MAX, some;
	size_t passed;

	(void)now;
	ss_block_walk(blocks, length, SIZE_MAX, &count);
	stage->shown += (unsigned)count;
	some = stage->released ? UINT64_MAX : stage->allowed;
	passed = ss_block_walk(blocks, length, SIZE_MAX, &some);
	stage->shown -= (unsigned)(count - some);
	stage->allowed -= stage->released ? 0 : (unsigned)some;
	*ret_again_ns = 7;
	return passed;
}

static void stage_release(void *user_data)
{
	((struct stage *)user_data)->released = true;
}

static void add_stage(struct ss_gate *gate, struct stage *stage)
{
	ss_gate_add_stage(gate, &(struct ss_stage){.admit = stage_admit,
						   .release = stage_release,
						   .user_data = stage});
}

static void queue(struct ss_gate *gate, uint64_t time_ns, const char *name)
{
	ss_gate_queue(gate, time_ns, g_strdup(name), write_item, g_free, &story);
}

/* Frames at 10, 20, 30 ... ns. */
static GByteArray *frames_new(unsigned count)
{
	GByteArray *bytes = g_byte_array_new();

	for (unsigned i = 1; i <= count; i++)
		put_frame(bytes, 0, i * 10, 60, 'a');
	return bytes;
}

/* Offers as the pump does: what was admitted is not offered again. Returns the rest. */
static void offer(struct ss_gate *gate, GByteArray *frames, uint64_t *ret_again_ns)
{
	struct ss_stage pump = ss_gate_stage(gate);
	size_t passed;

	*ret_again_ns = 0;
	while (frames->len) {
		uint64_t count = UINT64_MAX;

		passed = pump.admit(frames->data, frames->len, 0, ret_again_ns, pump.user_data);
		if (!passed)
			return;
		ss_block_walk(frames->data, passed, SIZE_MAX, &count);
		for (uint64_t i = 0; i < count; i++)
			g_string_append_c(story, '.');
		g_byte_array_remove_range(frames, 0, (guint)passed);
	}
}

static struct ss_gate *gate_new(int *status)
{
	if (story)
		g_string_free(story, TRUE);
	story = g_string_new(NULL);
	*status = 0;
	return ss_gate_new(failed, status);
}

static void test_items_between_frames(void)
{
	int status;
	struct ss_gate *gate = gate_new(&status);
	g_autoptr(GByteArray) frames = frames_new(3);
	uint64_t again_ns;

	queue(gate, 25, "B");
	queue(gate, 5, "A");
	queue(gate, 99, "C");
	offer(gate, frames, &again_ns);
	g_assert_cmpstr(story->str, ==, "A..B.");
	ss_gate_flush(gate, 98);
	g_assert_cmpstr(story->str, ==, "A..B.");
	ss_gate_flush(gate, 99);
	g_assert_cmpstr(story->str, ==, "A..B.C");
	ss_gate_free(gate);
}

static void test_an_item_is_before_a_frame_of_its_time(void)
{
	int status;
	struct ss_gate *gate = gate_new(&status);
	g_autoptr(GByteArray) frames = frames_new(3);
	uint64_t again_ns;

	queue(gate, 20, "A");
	offer(gate, frames, &again_ns);
	g_assert_cmpstr(story->str, ==, ".A..");
	ss_gate_free(gate);
}

static void test_equal_times_keep_their_order(void)
{
	int status;
	struct ss_gate *gate = gate_new(&status);

	queue(gate, 5, "A");
	queue(gate, 5, "B");
	queue(gate, 4, "0");
	ss_gate_flush(gate, UINT64_MAX);
	g_assert_cmpstr(story->str, ==, "0AB");
	ss_gate_free(gate);
}

static void test_stages_see_frames_once(void)
{
	int status;
	struct ss_gate *gate = gate_new(&status);
	struct stage first = {.allowed = 4}, second = {.allowed = 1};
	g_autoptr(GByteArray) frames = frames_new(5);
	uint64_t again_ns;

	add_stage(gate, &first);
	add_stage(gate, &second);
	offer(gate, frames, &again_ns);
	g_assert_cmpstr(story->str, ==, ".");
	g_assert_cmpuint(again_ns, ==, 7);
	second.allowed = 2;
	offer(gate, frames, &again_ns);
	g_assert_cmpstr(story->str, ==, "...");
	g_assert_cmpuint(first.shown, ==, 4);
	g_assert_cmpuint(second.shown, ==, 3);
	ss_gate_stage(gate).release(gate);
	offer(gate, frames, &again_ns);
	g_assert_cmpstr(story->str, ==, ".....");
	g_assert_cmpuint(first.shown, ==, 5);
	ss_gate_free(gate);
}

/* Frames wait for items that may come late; what comes later still is not stamped before them. */
static void test_window(void)
{
	int status;
	struct ss_gate *gate = gate_new(&status);
	g_autoptr(GByteArray) frames = frames_new(3);
	uint64_t again_ns;

	ss_gate_set_window(gate, 100, utc_ns, NULL);
	now_ns = 105;
	offer(gate, frames, &again_ns);
	g_assert_cmpstr(story->str, ==, "");
	g_assert_cmpuint(again_ns, ==, 5);
	now_ns = 120;
	queue(gate, 15, "A");
	offer(gate, frames, &again_ns);
	g_assert_cmpstr(story->str, ==, ".A.");
	g_assert_cmpuint(again_ns, ==, 10);
	g_assert_cmpuint(ss_gate_stamp(gate, 3), ==, 20);
	g_assert_cmpuint(ss_gate_stamp(gate, 23), ==, 23);
	ss_gate_stage(gate).release(gate);
	offer(gate, frames, &again_ns);
	g_assert_cmpstr(story->str, ==, ".A..");
	ss_gate_free(gate);
}

static void test_drained(void)
{
	int status;
	struct ss_gate *gate = gate_new(&status);
	struct ss_stage pump = ss_gate_stage(gate);

	queue(gate, 50, "A");
	queue(gate, 150, "B");
	ss_gate_set_window(gate, 100, utc_ns, NULL);
	now_ns = 200;
	pump.drained(gate);
	g_assert_cmpstr(story->str, ==, "A");
	ss_gate_set_window(gate, 0, NULL, NULL);
	pump.drained(gate);
	g_assert_cmpstr(story->str, ==, "AB");
	ss_gate_free(gate);
}

static void test_a_failed_write_is_told(void)
{
	int status;
	struct ss_gate *gate = gate_new(&status);

	queue(gate, 1, "X");
	ss_gate_flush(gate, 1);
	g_assert_cmpint(status, ==, -EIO);
	queue(gate, 2, "never written, but freed");
	ss_gate_free(gate);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gate/items-between-frames", test_items_between_frames);
	g_test_add_func("/gate/an-item-is-before-a-frame-of-its-time",
			test_an_item_is_before_a_frame_of_its_time);
	g_test_add_func("/gate/equal-times-keep-their-order", test_equal_times_keep_their_order);
	g_test_add_func("/gate/stages-see-frames-once", test_stages_see_frames_once);
	g_test_add_func("/gate/window", test_window);
	g_test_add_func("/gate/drained", test_drained);
	g_test_add_func("/gate/a-failed-write-is-told", test_a_failed_write_is_told);
	return g_test_run();
}
