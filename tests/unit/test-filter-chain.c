/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters one after the other, in the kernel: what all accept is accepted, nothing else. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <glib.h>

#include "filter/chain.h"
#include "filter/filter.h"
#include "format/pcapng.h"
#include "insn.h"

static struct ss_filter_body emit(const char *expression, enum ss_filter_access access)
{
	const struct ss_emit_options options = {
		.link_type = SS_LINKTYPE_ETHERNET, .access = access, .slots_fd = -1};
	struct ss_filter_body body = {0};
	struct ss_filter *filter;

	g_assert_cmpint(ss_filter_new(expression, &filter, NULL), ==, 0);
	g_assert_cmpint(ss_filter_emit(filter, &options, &body.insns, &body.count, NULL), ==, 0);
	ss_filter_free(filter);
	return body;
}

/* UDP from port 1234 to port 53, 10.0.0.1 to 10.0.0.2. */
static const uint8_t frame[] = {
	2, 0,  0, 0, 0, 1,  2, 0, 0, 0, 0,    2, 8,  0, 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0,
	0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0xd2, 0, 53, 0, 12,   0, 0, 1,  2, 3, 4, 0, 0,  0,  0,
};

/* Returns what the program says about the frame; -EPERM: it may not be loaded here. */
static int judge(const struct bpf_insn *insns, size_t count)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	ss_autofd int fd =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "chain", "GPL", insns, count, NULL);

	if (fd < 0)
		return fd;
	g_assert_cmpint(bpf_prog_test_run_opts(fd, &run), ==, 0);
	return (int)run.retval;
}

static void test_kernel(void)
{
	static const struct {
		const char *filters[3];
		int accepts;
	} rows[] = {
		{{"udp", "port 53", "host 10.0.0.1"}, 1},
		{{"udp", "port 54", "host 10.0.0.1"}, 0},
		{{"udp", "port 53", "host 10.0.0.3"}, 0},
		{{"tcp", "port 53", "host 10.0.0.1"}, 0},
		{{"udp", "ether[40:4] != 0", "port 53"}, 1},
		{{"ether[2000] = 1", "udp", "udp"}, 0}, /* past the end: the load itself rejects */
		{{"udp", "ether[2000] = 1", "udp"}, 0},
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows) * 2; i++) {
		const char *const *filters = rows[i / 2].filters;
		struct ss_filter_body bodies[3];
		g_autofree struct bpf_insn *chain = NULL;
		size_t count;
		int verdict;

		for (guint j = 0; j < G_N_ELEMENTS(bodies); j++)
			bodies[j] =
				emit(filters[j], i % 2 ? SS_FILTER_LD_ABS : SS_FILTER_LOAD_BYTES);
		g_assert_cmpint(ss_filter_chain(bodies, 3, &chain, &count, NULL), ==, 0);
		verdict = judge(chain, count);
		for (guint j = 0; j < G_N_ELEMENTS(bodies); j++)
			g_free(bodies[j].insns);
		if (verdict == -EPERM) {
			if (g_getenv("CI"))
				g_error("cannot load BPF programs: CI must run this as root");
			g_test_skip("needs root, or CAP_BPF and CAP_NET_ADMIN");
			return;
		}
		g_test_message("%s | %s | %s", filters[0], filters[1], filters[2]);
		g_assert_cmpint(verdict, ==, rows[i / 2].accepts);
	}
}

static void test_one_is_itself(void)
{
	struct ss_filter_body body = emit("port 53", SS_FILTER_LD_ABS);
	g_autofree struct bpf_insn *chain = NULL;
	size_t count;

	g_assert_cmpint(ss_filter_chain(&body, 1, &chain, &count, NULL), ==, 0);
	g_assert_cmpuint(count, ==, body.count);
	g_assert_cmpint(memcmp(chain, body.insns, count * sizeof(*chain)), ==, 0);
	g_free(body.insns);
}

static void test_too_long(void)
{
	g_autofree struct bpf_insn *long_one = g_new0(struct bpf_insn, SS_FILTER_BODY_MAX - 2);
	const struct ss_filter_body bodies[] = {{long_one, SS_FILTER_BODY_MAX - 2}, {long_one, 1}};
	struct bpf_insn *chain;
	struct ss_error error = {0};
	size_t count;

	g_assert_cmpint(ss_filter_chain(bodies, 2, &chain, &count, &error), ==, -E2BIG);
	g_assert_nonnull(strstr(error.message, "at most 32000"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-chain/kernel", test_kernel);
	g_test_add_func("/filter-chain/one-is-itself", test_one_is_itself);
	g_test_add_func("/filter-chain/too-long", test_too_long);
	return g_test_run();
}
