/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters that somebody wrote: what they say about frames, and why others are refused. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <glib.h>

#include "blocks.h"
#include "filter/chain.h"
#include "filter/filter.h"
#include "filter/object.h"
#include "insn.h"

/* UDP from port 1234 to port 53, 10.0.0.1 to 10.0.0.2. */
static const uint8_t frame[] = {
	2, 0,  0, 0, 0, 1,  2, 0, 0, 0, 0,    2, 8,  0, 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0,
	0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0xd2, 0, 53, 0, 12,   0, 0, 1,  2, 3, 4, 0, 0,  0,  0,
};

static char *object_path(const char *kind)
{
	if (strchr(kind, '/'))
		return g_strdup(kind);
	return g_strdup_printf("%s/object-%s.bpf.o", TEST_OBJECTS, kind);
}

/* Opens and loads. */
static int take(const char *kind, struct ss_filter_object **ret_object, struct ss_error *error)
{
	g_autofree char *path = object_path(kind);
	int r = ss_filter_object_open(path, ret_object, error);

	if (r < 0)
		return r;
	r = ss_filter_object_load(*ret_object, error);
	if (r < 0)
		ss_filter_object_free(*ret_object);
	return r;
}

static bool is_unprivileged(int r)
{
	if (r != -EPERM)
		return false;
	if (g_getenv("CI"))
		g_error("cannot load BPF programs: CI must run this as root");
	g_test_skip("needs root, or CAP_BPF and CAP_NET_ADMIN");
	return true;
}

static int run(int fd)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	g_assert_cmpint(bpf_prog_test_run_opts(fd, &options), ==, 0);
	return (int)options.retval;
}

/* The body in a program of our own type, behind a filter that accepts the frame. */
static int load_body(const struct ss_filter_object *object, enum bpf_prog_type type,
		     enum bpf_attach_type attach_type)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach_type);
	const struct ss_emit_options emit_options = {
		.link_type = SS_LINKTYPE_ETHERNET, .access = SS_FILTER_LOAD_BYTES, .slots_fd = -1};
	g_autofree struct bpf_insn *chain = NULL;
	struct ss_filter_body bodies[2] = {0};
	struct ss_filter *filter;
	size_t count;
	int fd;

	g_assert_cmpint(ss_filter_new("udp", &filter, NULL), ==, 0);
	g_assert_cmpint(
		ss_filter_emit(filter, &emit_options, &bodies[0].insns, &bodies[0].count, NULL), ==,
		0);
	ss_filter_free(filter);
	ss_filter_object_body(object, &bodies[1].insns, &bodies[1].count);
	g_assert_cmpint(ss_filter_chain(bodies, 2, &chain, &count, NULL), ==, 0);
	fd = bpf_prog_load(type, "object", "GPL", chain, count, &options);
	g_free(bodies[0].insns);
	g_free(bodies[1].insns);
	return fd;
}

static void test_accepted(void)
{
	static const struct {
		const char *kind;
		int first, second; /* what it says about the frame, twice */
	} rows[] = {
		{"PORT", 1, 1},
		{"RODATA", 1, 1},
		{"COUNTER", 1, 0},
		{TEST_SAMPLE, 0, 0},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct ss_filter_object *object;
		struct ss_error error = {0};
		int r = take(rows[i].kind, &object, &error);

		if (is_unprivileged(r))
			return;
		g_test_message("%s: %s", rows[i].kind, error.message);
		g_assert_cmpint(r, ==, 0);
		ss_autofd int fd = load_body(object, BPF_PROG_TYPE_SCHED_CLS, 0);
		ss_autofd int cgroup =
			load_body(object, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS);

		g_assert_cmpint(fd, >=, 0);
		g_assert_cmpint(cgroup, >=, 0);
		g_assert_cmpint(run(fd), ==, rows[i].first);
		g_assert_cmpint(run(fd), ==, rows[i].second);
		ss_filter_object_free(object);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *kind, *says;
	} rows[] = {
		{"OTHER_SECTION", "section 'tc'"},
		{"TWO", "(first, second)"},
		{"NOTHING", "no function in section"},
		{"POINTER", "must return int"},
		{"WIDE", "must return int"},
		{"NO_ARGUMENT", "must take one argument"},
		{"NO_DEBUG", "compile it with -g"},
		{"CALL", "static __always_inline"},
		{"CALLBACK", "static __always_inline"},
		{"TAIL_CALL", "bpf_tail_call()"},
		{"STORE", "bpf_skb_store_bytes()"},
		{"LEGACY", "ss_ip_bytes()"},
		{"ENDLESS", "the kernel does not accept"},
		{"WRITES", "the kernel does not accept"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct ss_filter_object *object;
		struct ss_error error = {0};
		int r = take(rows[i].kind, &object, &error);

		if (is_unprivileged(r))
			return;
		g_test_message("%s: %s", rows[i].kind, error.message);
		g_assert_cmpint(r, ==, -EINVAL);
		g_assert_nonnull(strstr(error.message, rows[i].says));
		g_assert_nonnull(strstr(error.message, rows[i].kind));
	}
}

static void test_files(void)
{
	autoscratch folder = scratch_new();
	static const struct {
		const char *name, *contents, *says;
	} rows[] = {
		{"missing.o", NULL, "No such file"},
		{"text.o", "int filter;", "no BPF object file"},
		{"empty.o", "", "no BPF object file"},
		{"cut.o", "\177ELF\2\1\1", "no BPF object file"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_build_filename(folder, rows[i].name, NULL);
		struct ss_filter_object *object;
		struct ss_error error = {0};

		if (rows[i].contents)
			g_assert_true(g_file_set_contents(path, rows[i].contents, -1, NULL));
		g_assert_cmpint(ss_filter_object_open(path, &object, &error), <, 0);
		g_test_message("%s", error.message);
		g_assert_nonnull(strstr(error.message, rows[i].says));
	}
	struct ss_filter_object *object;
	struct ss_error error = {0};

	g_assert_cmpint(ss_filter_object_open(folder, &object, &error), <, 0);
	g_assert_cmpint(ss_filter_object_open("/proc/self/exe", &object, &error), <, 0);
	g_test_message("%s", error.message);
	g_assert_nonnull(strstr(error.message, "no BPF object file"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-object/accepted", test_accepted);
	g_test_add_func("/filter-object/refused", test_refused);
	g_test_add_func("/filter-object/files", test_files);
	return g_test_run();
}
