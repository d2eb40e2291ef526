/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "options.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)

static void durations(void)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"300s", 300 * SECOND},   {"5m", 300 * SECOND},
		{"1h30m", 5400 * SECOND}, {"7", 7 * SECOND},
		{"2.5s", 2500000000},     {"100ms", 100000000},
		{"1d", 86400 * SECOND},   {".5s", 500000000},
		{"1m30", 90 * SECOND},    {"36500d", SECOND * 86400 * 36500},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		uint64_t ns = 0;

		g_test_message("'%s'", good[i].text);
		g_assert_cmpint(ss_duration_parse(good[i].text, &ns), ==, 0);
		g_assert_cmpuint(ns, ==, good[i].ns);
	}
}

static void durations_that_are_none(void)
{
	static const char *const bad[] = {
		"",       "0",   "0s",  "-5s",  "+5s",   "5 s",           " 5s",
		"s",      "5x",  "5sm", "1h-5", "nan",   "inf",           "1e999s",
		"36501d", "5m,", ".s",  "...",  "1..5s", "0.0000000001s",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		uint64_t ns = 42;

		g_test_message("'%s'", bad[i]);
		g_assert_cmpint(ss_duration_parse(bad[i], &ns), ==, -EINVAL);
	}
}

static void sizes(void)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"1000000", 1000000}, {"100k", 100000},   {"100K", 100000},
		{"100M", 100000000},  {"1G", 1000000000}, {"100Mi", 100ull << 20},
		{"1GiB", 1ull << 30}, {"2MB", 2000000},   {"3m", 3000000},
		{"1Ti", 1ull << 40},  {"4096", 4096},     {"18446744073709551615", UINT64_MAX},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		uint64_t bytes = 0;

		g_test_message("'%s'", good[i].text);
		g_assert_cmpint(ss_size_parse(good[i].text, &bytes), ==, 0);
		g_assert_cmpuint(bytes, ==, good[i].bytes);
	}
}

static void sizes_that_are_none(void)
{
	static const char *const bad[] = {
		"18446744073709551616",
		"",
		"0",
		"0k",
		"-1",
		"+1",
		" 1",
		"1 k",
		"k",
		"1x",
		"1kk",
		"1Mib",
		"1MiBs",
		"1.5M",

		"99999999999999999999k",
		"18446744073709552k",
		"1E",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		uint64_t bytes = 42;

		g_test_message("'%s'", bad[i]);
		g_assert_cmpint(ss_size_parse(bad[i], &bytes), ==, -EINVAL);
		g_assert_cmpuint(bytes, ==, 42);
	}
}

/* Parses "words", separated by blanks. */
static int parse(struct ss_options *options, enum ss_command command, const char *words,
		 struct ss_error *error)
{
	g_auto(GStrv) argv = g_strsplit(words, " ", -1);
	int r;

	memset(error, 0, sizeof(*error));
	ss_options_init(options);
	r = ss_options_parse(options, command, (int)g_strv_length(argv), argv, error);
	g_assert_true((r < 0) == (error->message[0] != '\0'));
	return r;
}

static const char *text_at(const GPtrArray *array, guint i)
{
	g_assert_cmpuint(i, <, array->len);
	return array->pdata[i];
}

static void options_defaults(void)
{
	struct ss_options options;
	struct ss_error error;

	g_assert_cmpint(parse(&options, SS_COMMAND_CAPTURE, "capture", &error), ==, 0);
	g_assert_cmpuint(options.snap_len, ==, SS_DEFAULT_SNAPLEN);
	g_assert_cmpuint(options.buffer_bytes, ==, SS_DEFAULT_BUFFER_MIB << 20);
	g_assert_cmpint(options.attach, ==, SS_ATTACH_AUTO);
	g_assert_cmpint(options.mesh, ==, SS_MESH_AUTO);
	g_assert_cmpuint(options.duration_ns, ==, 0);
	g_assert_cmpuint(options.arguments->len, ==, 0);
	g_assert_null(options.output);
	g_assert_false(options.live || options.wait || options.quiet || options.help);
	ss_options_deinit(&options);
}

static void options_of_a_capture(void)
{
	struct ss_options options;
	struct ss_error error;

	g_assert_cmpint(
		parse(&options, SS_COMMAND_CAPTURE,
		      "capture --pod production/api -p db --namespace=dev -i eth0 -fudp "
		      "-w x.pcapng --duration 1m -c 5 -s 128 --attach veth --buffer-size 64 --mesh plain "
		      "--ring-size 1G --ring-files 3 --live --quiet rest",
		      &error),
		==, 0);
	g_assert_cmpuint(options.pods->len, ==, 2);
	g_assert_cmpstr(text_at(options.pods, 0), ==, "production/api");
	g_assert_cmpstr(text_at(options.pods, 1), ==, "db");
	g_assert_cmpstr(text_at(options.namespaces, 0), ==, "dev");
	g_assert_cmpstr(text_at(options.interfaces, 0), ==, "eth0");
	g_assert_cmpstr(text_at(options.arguments, 0), ==, "rest");
	g_assert_cmpstr(options.filter, ==, "udp");
	g_assert_cmpstr(options.output, ==, "x.pcapng");
	g_assert_cmpuint(options.duration_ns, ==, 60 * SECOND);
	g_assert_cmpuint(options.count, ==, 5);
	g_assert_cmpuint(options.snap_len, ==, 128);
	g_assert_cmpuint(options.buffer_bytes, ==, 64 << 20);
	g_assert_cmpuint(options.ring_bytes, ==, 1000000000);
	g_assert_cmpuint(options.ring_files, ==, 3);
	g_assert_cmpint(options.attach, ==, SS_ATTACH_VETH);
	g_assert_cmpint(options.mesh, ==, SS_MESH_PLAIN);
	g_assert_true(options.live && options.quiet);
	ss_options_deinit(&options);
}

/* What the extcap hands over must stay a value, whatever it looks like. */
static void options_values_like_options(void)
{
	struct ss_options options;
	struct ss_error error;

	g_assert_cmpint(
		parse(&options, SS_COMMAND_CAPTURE, "capture --filter=--help --pod=-w", &error), ==,
		0);
	g_assert_cmpstr(options.filter, ==, "--help");
	g_assert_cmpstr(text_at(options.pods, 0), ==, "-w");
	g_assert_false(options.help);
	ss_options_deinit(&options);

	g_assert_cmpint(parse(&options, SS_COMMAND_FILTER, "filter -- --help", &error), ==, 0);
	g_assert_cmpstr(text_at(options.arguments, 0), ==, "--help");
	g_assert_false(options.help);
	ss_options_deinit(&options);
}

static void options_last_value_wins(void)
{
	struct ss_options options;
	struct ss_error error;

	g_assert_cmpint(parse(&options, SS_COMMAND_CAPTURE,
			      "capture -f tcp -f udp --snaplen 64 --snaplen 0", &error),
			==, 0);
	g_assert_cmpstr(options.filter, ==, "udp");
	g_assert_cmpuint(options.snap_len, ==, SS_DEFAULT_SNAPLEN);
	ss_options_deinit(&options);
}

static void options_refused(void)
{
	static const struct {
		enum ss_command command;
		const char *words, *says;
	} bad[] = {
		{SS_COMMAND_CAPTURE, "capture --nonsense", "--nonsense"},
		{SS_COMMAND_CAPTURE, "capture -Z", "'-Z'"},
		{SS_COMMAND_CAPTURE, "capture -vZword", "'-Z'"},
		{SS_COMMAND_STATS, "stats -dash.pcapng", "'-d'"},
		{SS_COMMAND_CAPTURE, "capture --pod", "needs a value"},
		{SS_COMMAND_CAPTURE, "capture --duration soon", "5m"},
		{SS_COMMAND_CAPTURE, "capture --duration=", "5m"},
		{SS_COMMAND_CAPTURE, "capture --count -1", "whole number"},
		{SS_COMMAND_CAPTURE, "capture --count 1x", "whole number"},
		{SS_COMMAND_CAPTURE, "capture --snaplen 262145", "262144"},
		{SS_COMMAND_CAPTURE, "capture --buffer-size 1000000", "--buffer-size"},
		{SS_COMMAND_CAPTURE, "capture --attach magic", "auto,netns,veth,cgroup"},
		{SS_COMMAND_CAPTURE, "capture --mesh full", "auto,off,plain"},
		{SS_COMMAND_CAPTURE, "capture --ring-size big -w x", "100M"},
		{SS_COMMAND_CAPTURE, "capture --ring-size 1 -w x", "4096"},
		{SS_COMMAND_CAPTURE, "capture --ring-files 3 -w x", "--ring-size"},
		{SS_COMMAND_CAPTURE, "capture --ring-size 1M", "--output"},
		{SS_COMMAND_CAPTURE, "capture --ring-time 1m -w -", "--output"},
		{SS_COMMAND_CAPTURE, "capture --replay x --pod a", "--replay"},
		{SS_COMMAND_CAPTURE, "capture --format json", "--format"},
		{SS_COMMAND_CAPTURE, "capture --dns-timeout 1s", "--dns-failure-only"},
		{SS_COMMAND_CAPTURE, "capture --dns-nxdomain no", "--dns-failure-only"},
		{SS_COMMAND_CAPTURE, "capture --dns-failure-only --dns-nxdomain maybe",
		 "search,all,no"},
		{SS_COMMAND_CAPTURE, "capture --dns-failure-only --dns-timeout soon", "5m"},
		{SS_COMMAND_PODS, "pods --live", "--live"},
		{SS_COMMAND_PODS, "pods --format yaml", "table,json,names"},
		{SS_COMMAND_DOCTOR, "doctor --pod a", "--pod"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct ss_options options;
		struct ss_error error;

		g_test_message("%s", bad[i].words);
		g_assert_cmpint(parse(&options, bad[i].command, bad[i].words, &error), ==, -EINVAL);
		g_assert_nonnull(strstr(error.message, bad[i].says));
		ss_options_deinit(&options);
	}
}

/* The table's own promises, which getopt, the extcap and the documents rely on. */
static void table_is_sound(void)
{
	for (const struct ss_option *row = ss_option_table; row->name; row++) {
		g_test_message("--%s", row->name);
		for (const struct ss_option *other = ss_option_table; other != row; other++) {
			g_assert_cmpint(row->id, !=, other->id);
			g_assert_cmpstr(row->name, !=, other->name);
		}
		g_assert_true(!row->values || row->argument);
		if (!row->extcap_type)
			continue;
		g_assert_true(row->commands & SS_COMMAND_CAPTURE);
		g_assert_nonnull(row->extcap_display);
		g_assert_true(!row->argument == (strcmp(row->extcap_type, "boolflag") == 0));
		g_assert_true(!row->values == (strcmp(row->extcap_type, "selector") != 0));
		/* A sentence of the extcap protocol ends a value at "}". */
		g_assert_null(strpbrk(row->extcap_display, "{}\n"));
		g_assert_null(strpbrk(row->help, "{}\n"));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/duration/what-people-write", durations);
	g_test_add_func("/duration/refused", durations_that_are_none);
	g_test_add_func("/size/what-people-write", sizes);
	g_test_add_func("/size/refused", sizes_that_are_none);
	g_test_add_func("/options/defaults", options_defaults);
	g_test_add_func("/options/of-a-capture", options_of_a_capture);
	g_test_add_func("/options/values-like-options", options_values_like_options);
	g_test_add_func("/options/last-value-wins", options_last_value_wins);
	g_test_add_func("/options/refused", options_refused);
	g_test_add_func("/options/table-is-sound", table_is_sound);
	return g_test_run();
}
