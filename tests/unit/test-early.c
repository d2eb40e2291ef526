/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/early.c: what becomes of frames of pods of which it is not known yet whether they are meant.
 */
#include "early.h"

#include <glib.h>

#include "output/blocks.h"


#define SECOND 1000000000ull

struct fixture {
	uint64_t now_ns;
	struct ss_early *early;
	GByteArray *blocks;
	uint64_t again_ns;
};

static uint64_t utc_ns(void *user_data)
{
	return ((const struct fixture *)user_data)->now_ns;
}

static void set_up(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	fixture->now_ns = 1000 * SECOND;
	fixture->early = ss_early_new(utc_ns, fixture);
	fixture->blocks = g_byte_array_new();
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_early_free(fixture->early);
	g_byte_array_unref(fixture->blocks);
}

static void add_frame(struct fixture *fixture, uint32_t interface_id)
{
	ss_block_frame(fixture->blocks, &(struct ss_block_frame){.interface_id = interface_id,
								 .length = 4,
								 .time_ns = fixture->now_ns,
								 .data = "data"});
}

/* How many frames go on. */
static uint64_t admit(struct fixture *fixture)
{
	const struct ss_stage stage = ss_early_stage(fixture->early);
	uint64_t count = UINT64_MAX;
	size_t length;

	fixture->again_ns = 0;
	length = ss_stage_admit(&stage, fixture->blocks->data, fixture->blocks->len, 0,
				&fixture->again_ns);
	g_assert_cmpuint(length < fixture->blocks->len, ==, fixture->again_ns != 0);
	ss_block_walk(fixture->blocks->data, length, SIZE_MAX, &count);
	return count;
}

static void release(const struct fixture *fixture)
{
	const struct ss_stage stage = ss_early_stage(fixture->early);

	ss_stage_release(&stage);
}

static const uint8_t *frame(const struct fixture *fixture, uint64_t number)
{
	return fixture->blocks->data +
	       ss_block_walk(fixture->blocks->data, fixture->blocks->len, SIZE_MAX, &number);
}

static void assert_interface(const struct fixture *fixture, uint64_t number, uint32_t id)
{
	g_assert_cmphex(ss_block_type(frame(fixture, number)), !=, SS_BLOCK_LEFT_OUT);
	g_assert_cmpuint(ss_block_word(frame(fixture, number) + 8), ==, id);
}

static void assert_left_out(const struct fixture *fixture, uint64_t number)
{
	g_assert_cmphex(ss_block_type(frame(fixture, number)), ==, SS_BLOCK_LEFT_OUT);
}

static void test_frames_of_the_stream_pass(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	add_frame(fixture, 0);
	add_frame(fixture, 7);
	g_assert_cmpuint(admit(fixture), ==, 2);
	assert_interface(fixture, 1, 7);
}

static void test_meant(struct fixture *fixture, gconstpointer data)
{
	uint32_t number = ss_early_add(fixture->early);

	(void)data;
	add_frame(fixture, 3);
	add_frame(fixture, number);
	add_frame(fixture, 3);
	g_assert_cmpuint(admit(fixture), ==, 1);
	g_assert_cmpuint(ss_early_settle(fixture->early, number, 5), ==, 0);
	add_frame(fixture, number); /* of a program that began before */
	g_assert_cmpuint(admit(fixture), ==, 4);
	assert_interface(fixture, 1, 5);
	assert_interface(fixture, 2, 3);
	assert_interface(fixture, 3, 5);
	g_assert_cmpuint(ss_early_lost(fixture->early), ==, 0);
}

static void test_not_meant(struct fixture *fixture, gconstpointer data)
{
	uint32_t number = ss_early_add(fixture->early);

	(void)data;
	add_frame(fixture, number);
	add_frame(fixture, 3);
	g_assert_cmpuint(admit(fixture), ==, 0);
	ss_early_forget(fixture->early, number);
	g_assert_cmpuint(admit(fixture), ==, 2);
	assert_left_out(fixture, 0);
	assert_interface(fixture, 1, 3);
	g_assert_cmpuint(ss_early_lost(fixture->early), ==, 0);
}

static void test_two_that_differ(struct fixture *fixture, gconstpointer data)
{
	uint32_t one = ss_early_add(fixture->early), other = ss_early_add(fixture->early);

	(void)data;
	add_frame(fixture, one);
	add_frame(fixture, other);
	ss_early_settle(fixture->early, one, 1);
	g_assert_cmpuint(admit(fixture), ==, 1);
	ss_early_forget(fixture->early, other);
	g_assert_cmpuint(admit(fixture), ==, 2);
	assert_interface(fixture, 0, 1);
	assert_left_out(fixture, 1);
}

static void test_two_seconds_at_most(struct fixture *fixture, gconstpointer data)
{
	uint32_t number = ss_early_add(fixture->early);

	(void)data;
	add_frame(fixture, number);
	fixture->now_ns += SECOND;
	add_frame(fixture, number);
	g_assert_cmpuint(admit(fixture), ==, 0);
	g_assert_cmpuint(fixture->again_ns, ==, SECOND);
	fixture->now_ns += SECOND;
	g_assert_cmpuint(admit(fixture), ==, 1); /* the other one has time left */
	assert_left_out(fixture, 0);
	g_assert_cmpuint(ss_early_lost(fixture->early), ==, 0);
	g_assert_cmpuint(ss_early_settle(fixture->early, number, 5), ==, 1);
	g_assert_cmpuint(ss_early_lost(fixture->early), ==, 1);
	g_assert_cmpuint(admit(fixture), ==, 2);
	assert_interface(fixture, 1, 5);
}

static void test_released(struct fixture *fixture, gconstpointer data)
{
	uint32_t number = ss_early_add(fixture->early);

	(void)data;
	release(fixture); /* something else waited too long */
	add_frame(fixture, number);
	g_assert_cmpuint(admit(fixture), ==, 0);
	release(fixture);
	g_assert_cmpuint(admit(fixture), ==, 1);
	assert_left_out(fixture, 0);
	add_frame(fixture, number);
	g_assert_cmpuint(admit(fixture), ==, 1);
	g_assert_cmpuint(ss_early_settle(fixture->early, number, 5), ==, 1);
}

/* What was settled long ago is not kept for good; what nobody settled is. */
static void test_forgets(struct fixture *fixture, gconstpointer data)
{
	uint32_t old = ss_early_add(fixture->early), waits = ss_early_add(fixture->early);

	(void)data;
	ss_early_settle(fixture->early, old, 5);
	fixture->now_ns += 60 * SECOND;
	ss_early_add(fixture->early);
	add_frame(fixture, old);
	add_frame(fixture, waits);
	g_assert_cmpuint(admit(fixture), ==, 1);
	assert_left_out(fixture, 0);
}

int main(int argc, char **argv)
{
	const struct {
		const char *name;
		void (*test)(struct fixture *fixture, gconstpointer data);
	} tests[] = {
		{"/early/frames-of-the-stream-pass", test_frames_of_the_stream_pass},
		{"/early/meant", test_meant},
		{"/early/not-meant", test_not_meant},
		{"/early/two-that-differ", test_two_that_differ},
		{"/early/two-seconds-at-most", test_two_seconds_at_most},
		{"/early/released", test_released},
		{"/early/forgets", test_forgets},
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
