/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames offered to the judge, whose tshark is the installed one, or a script that misbehaves. */
#include "judge.h"

#include <glib/gstdio.h>
#include <signal.h>

#include "dns-frames.h"
#include "log.h"
#include "output/block.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define API    "10.0.0.2"
#define SERVER "10.0.0.3"

struct fixture {
	struct ss_loop *loop;
	struct ss_stream *stream;
	struct ss_judge *judge;
	GByteArray *blocks; /* all that were offered so far */
	size_t from;        /* what is held begins here */
	GArray *starts;     /* guint, of each frame */
	char *folder, *path;
	unsigned complaints;
};

static void complain(enum ss_log_level level, const char *message, void *user_data)
{
	(void)message;
	((struct fixture *)user_data)->complaints += level == SS_LOG_WARNING;
}

static void offer(void *user_data)
{
	struct fixture *fixture = user_data;
	const struct ss_stage stage = ss_judge_stage(fixture->judge);
	uint64_t again_ns = 0;

	fixture->from += ss_stage_admit(&stage, fixture->blocks->data + fixture->from,
					fixture->blocks->len - fixture->from, 0, &again_ns);
}

static void release(struct fixture *fixture)
{
	const struct ss_stage stage = ss_judge_stage(fixture->judge);

	ss_stage_release(&stage);
}

static void set_up(struct fixture *fixture, gconstpointer data)
{
	const struct ss_output_options options = {.live_fd = -1, .discard = true};
	struct ss_output *output;
	struct ss_error error = {0};
	uint32_t id;

	(void)data;
	signal(SIGPIPE, SIG_IGN);
	fixture->loop = ss_loop_new();
	g_assert_cmpint(ss_output_new(&options, ss_stream_output_counters, &fixture->stream,
				      &output, &error),
			==, 0);
	fixture->stream = ss_stream_new(output, NULL);
	g_assert_cmpint(ss_stream_interface(fixture->stream,
					    ss_interface_new("one", SS_LINKTYPE_ETHERNET), &id,
					    &error),
			==, 0);
	fixture->blocks = g_byte_array_new();
	fixture->starts = g_array_new(FALSE, FALSE, sizeof(guint));
	fixture->path = g_strdup(g_getenv("PATH"));
	fixture->folder = g_dir_make_tmp("judge-XXXXXX", NULL);
	ss_log_set_callback(complain, fixture);
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *script = g_build_filename(fixture->folder, "tshark", NULL);
	struct ss_error error = {0};

	(void)data;
	ss_judge_free(fixture->judge);
	g_assert_cmpint(ss_stream_close(fixture->stream, &error), ==, 0);
	ss_loop_free(fixture->loop);
	g_byte_array_unref(fixture->blocks);
	g_array_unref(fixture->starts);
	g_setenv("PATH", fixture->path, TRUE);
	g_unlink(script);
	g_rmdir(fixture->folder);
	g_free(fixture->folder);
	g_free(fixture->path);
	ss_log_set_callback(NULL, NULL);
}

/* A shell script in the place of tshark. */
static void use_script(struct fixture *fixture, const char *text)
{
	g_autofree char *script = g_build_filename(fixture->folder, "tshark", NULL);
	g_autofree char *content = g_strdup_printf("#!/bin/sh\n%s\n", text);
	g_autofree char *path = g_strdup_printf("%s:%s", fixture->folder, fixture->path);

	g_assert_true(g_file_set_contents_full(script, content, -1, G_FILE_SET_CONTENTS_NONE, 0755,
					       NULL));
	g_setenv("PATH", path, TRUE);
}

static bool has_tshark(void)
{
	g_autofree char *program = g_find_program_in_path("tshark");

	if (!program)
		g_test_skip("tshark is not installed");
	return program;
}

static int start(struct fixture *fixture, const char *filter, bool all, const char *other_half)
{
	const char *const fields[] = {other_half, NULL};
	const struct ss_judge_context context = {
		.loop = fixture->loop,
		.stream = fixture->stream,
		.filter = filter,
		.all = all,
		.fields = fields,
		.retry = offer,
		.user_data = fixture,
	};
	struct ss_error error = {0};

	return ss_judge_new(&context, &fixture->judge, &error);
}

static void put_packet(struct fixture *fixture, const struct packet *packet)
{
	guint start_at = dns_put_block(fixture->blocks, packet);

	g_array_append_val(fixture->starts, start_at);
}

static void put_query(struct fixture *fixture, const char *name)
{
	const struct dns dns = {.id = 1, .name = name, .type = 1};
	g_autoptr(GByteArray) message = dns_message(&dns);

	put_packet(fixture, &(struct packet){.from = API,
					     .to = SERVER,
					     .from_port = 4000,
					     .to_port = 53,
					     .time_ns = 1000,
					     .payload = message->data,
					     .length = message->len});
}

/* Inside of IP in IP: not plain. */
static void put_tunnelled(struct fixture *fixture, bool back, const char *text)
{
	g_autoptr(GByteArray) inner = g_byte_array_new();

	dns_put_packet(inner, &(struct packet){.from = back ? SERVER : API,
					       .to = back ? API : SERVER,
					       .from_port = back ? 80 : 4000,
					       .to_port = back ? 4000 : 80,
					       .sequence = 1,
					       .flags = 0x18,
					       .raw = true,
					       .payload = (const uint8_t *)text,
					       .length = strlen(text)});
	put_packet(fixture, &(struct packet){.from = "10.1.0.1",
					     .to = "10.1.0.2",
					     .protocol = 4,
					     .time_ns = 1000,
					     .payload = inner->data,
					     .length = inner->len});
}

/* A letter per frame: y it is written, n it is left out, ? it waits. */
static void assert_decided(const struct fixture *fixture, const char *decided)
{
	g_autoptr(GString) found = g_string_new(NULL);

	for (guint i = 0; i < fixture->starts->len; i++) {
		guint at = g_array_index(fixture->starts, guint, i);
		uint32_t type = ss_block_type(fixture->blocks->data + at);

		g_string_append_c(found, at >= fixture->from         ? '?'
					 : type == SS_BLOCK_LEFT_OUT ? 'n'
								     : 'y');
	}
	g_assert_cmpstr(found->str, ==, decided);
}

static void test_matches(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	if (!has_tshark())
		return;
	g_assert_cmpint(start(fixture, "dns.qry.name == \"b.example\"", true, NULL), ==, 0);
	put_query(fixture, "a.example");
	put_query(fixture, "b.example");
	offer(fixture);
	assert_decided(fixture, "??");
	put_query(fixture, "c.example");
	ss_judge_finish(fixture->judge);
	assert_decided(fixture, "nyn");
	/* Later ones, by the same tshark. */
	put_query(fixture, "b.example");
	ss_judge_finish(fixture->judge);
	assert_decided(fixture, "nyny");
	g_assert_cmpuint(ss_judge_undecided(fixture->judge), ==, 0);
	g_assert_cmpuint(ss_stream_counters(fixture->stream, 0)->unmatched, ==, 2);
	g_assert_cmpuint(fixture->complaints, ==, 0);
}

static void test_only_what_is_not_plain(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	if (!has_tshark())
		return;
	g_assert_cmpint(start(fixture, "http.response", false, "http.request"), ==, 0);
	put_query(fixture, "a.example"); /* the kernel has decided that */
	offer(fixture);
	assert_decided(fixture, "y");
	put_tunnelled(fixture, true, "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
	put_tunnelled(fixture, false, "nothing of the kind");
	put_query(fixture, "a.example");
	ss_judge_finish(fixture->judge);
	assert_decided(fixture, "yyny");
}

/* Undecided frames are written, counted, and told once. */
static void assert_given_up(struct fixture *fixture)
{
	put_query(fixture, "a.example");
	put_query(fixture, "b.example");
	offer(fixture);
	ss_judge_finish(fixture->judge);
	put_query(fixture, "c.example");
	offer(fixture);
	assert_decided(fixture, "yyy");
	g_assert_cmpuint(ss_judge_undecided(fixture->judge), ==, 3);
	g_assert_cmpuint(fixture->complaints, ==, 1);
}

static void test_it_ends(struct fixture *fixture, gconstpointer script)
{
	use_script(fixture, script);
	g_assert_cmpint(start(fixture, "dns", true, NULL), ==, 0);
	assert_given_up(fixture);
}

static void test_not_installed(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	g_setenv("PATH", fixture->folder, TRUE);
	g_assert_cmpint(start(fixture, "dns", true, NULL), ==, -ENOENT);
	/* Not needed at once: only when something has to be decided. */
	g_assert_cmpint(start(fixture, "dns", false, NULL), ==, 0);
	put_tunnelled(fixture, false, "x");
	offer(fixture);
	assert_decided(fixture, "y");
	g_assert_cmpuint(ss_judge_undecided(fixture->judge), ==, 1);
	g_assert_cmpuint(fixture->complaints, ==, 1);
}

/* Frames wait as long as they may; then they are written. */
static void test_it_is_slow(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	use_script(fixture, "exec sleep 1000");
	g_assert_cmpint(start(fixture, "dns", true, NULL), ==, 0);
	put_query(fixture, "a.example");
	put_query(fixture, "b.example");
	offer(fixture);
	offer(fixture);
	assert_decided(fixture, "??");
	release(fixture);
	offer(fixture);
	assert_decided(fixture, "yy");
	/* From now on, too, it is waited for. */
	put_query(fixture, "c.example");
	offer(fixture);
	assert_decided(fixture, "yy?");
	g_assert_cmpuint(ss_judge_undecided(fixture->judge), ==, 2);
	g_assert_cmpuint(fixture->complaints, ==, 1);
}

/* More than its pipe and our memory take: the rest is not looked at before. */
static void test_much_waits(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	use_script(fixture, "exec sleep 1000");
	g_assert_cmpint(start(fixture, "dns", true, NULL), ==, 0);
	for (int i = 0; i < 80000; i++)
		put_query(fixture, "a.example");
	offer(fixture);
	g_assert_cmpuint(fixture->from, ==, 0);
	release(fixture);
	offer(fixture);
	g_assert_cmpuint(fixture->from, ==, fixture->blocks->len);
	g_assert_cmpuint(ss_judge_undecided(fixture->judge), ==, 80000);
}

/* As much, and somebody who answers. */
static void test_much_is_decided(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	if (!has_tshark())
		return;
	g_assert_cmpint(start(fixture, "dns.qry.name == \"b.example\"", true, NULL), ==, 0);
	for (int i = 0; i < 20000; i++)
		put_query(fixture, i % 100 ? "a.example" : "b.example");
	ss_judge_finish(fixture->judge);
	g_assert_cmpuint(fixture->from, ==, fixture->blocks->len);
	g_assert_cmpuint(ss_judge_undecided(fixture->judge), ==, 0);
	g_assert_cmpuint(ss_stream_counters(fixture->stream, 0)->unmatched, ==, 20000 - 200);
}

#define ADD(name, data, test)                                                                      \
	g_test_add("/judge/" name, struct fixture, data, set_up, test, tear_down)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("matches", NULL, test_matches);
	ADD("only-what-is-not-plain", NULL, test_only_what_is_not_plain);
	ADD("it-ends-at-once", "exit 1", test_it_ends);
	ADD("it-is-killed", "head -c 100 >/dev/null; kill -9 $$", test_it_ends);
	ADD("it-answers-words", "echo hello; exec cat >/dev/null", test_it_ends);
	ADD("it-answers-zero", "echo 0; exec cat >/dev/null", test_it_ends);
	ADD("it-answers-too-much", "echo 4000000000; exec cat >/dev/null", test_it_ends);
	ADD("it-answers-below-zero", "echo -1; exec cat >/dev/null", test_it_ends);
	ADD("it-has-no-end-of-line", "yes | tr -d '\\n'", test_it_ends);
	ADD("not-installed", NULL, test_not_installed);
	ADD("it-is-slow", NULL, test_it_is_slow);
	ADD("much-waits", NULL, test_much_waits);
	ADD("much-is-decided", NULL, test_much_is_decided);
	return g_test_run();
}
