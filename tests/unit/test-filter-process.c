/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests on the process of a frame, in the real kernel: what it knows of it, and what it does not.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#define TAG_PROTOCOL 0x8100
#include "filter-frames.h"

#include "format/owner.h"

/* Processes. */
enum {
	NOBODY, /* not known */
	CURL,
	ENVOY,
	LONG,  /* the longest name */
	BLIND, /* told without a name */
	UNTOLD,
	PROCESSES
};

static uint64_t process_of(int who)
{
	return who ? 1000u + (uint32_t)who + ((uint64_t)77 << 32) : 0;
}

static int told_new(void)
{
	static const char *const names[PROCESSES] = {
		[CURL] = "curl", [ENVOY] = "envoy", [LONG] = "fifteen-letters", [BLIND] = ""};
	int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "told", sizeof(uint64_t),
				sizeof(struct ss_owner_told), 64, NULL);

	for (int who = 0; who < PROCESSES; who++) {
		struct ss_owner_told told = {.state = 1};
		uint64_t process = process_of(who);

		if (!names[who])
			continue;
		g_strlcpy(told.comm, names[who], sizeof(told.comm));
		g_assert_cmpint(bpf_map_update_elem(fd, &process, &told, BPF_ANY), ==, 0);
	}
	return fd;
}

static GBytes *some_frame(void)
{
	GByteArray *frame = g_byte_array_new();

	put(frame,
	    ADDRESSES "0800 45000028 0000 4000 4006 0000 0a000001 0a000002 d431 0050 00000001"
		      "00000000 5002 7210 0000 0000");
	return g_byte_array_free_to_bytes(frame);
}

/* A letter per process. */
static char *accepted_of(const char *text, int told)
{
	const struct ss_emit_options options = {
		.link_type = link_type_of(HOOK_CGROUP),
		.access = access_of(HOOK_CGROUP),
		.slots_fd = -1,
		.snap_len = 262144,
		.owners = true,
		.told_fd = told,
	};
	GString *accepted = g_string_new(NULL);
	g_autoptr(GBytes) frame = some_frame();
	struct ss_filter *filter = NULL;
	struct ss_error error = {0};
	struct bpf_insn *body = NULL;
	size_t count;

	if (ss_filter_new(text, &filter, &error) < 0)
		g_error("'%s': %s", text, error.message);
	g_assert_true(ss_filter_asks_owner(filter));
	g_assert_cmpint(ss_filter_emit(filter, &options, &body, &count, &error), ==, 0);
	for (int who = 0; who < PROCESSES; who++) {
		g_autoptr(GArray) insns = g_array_new(FALSE, FALSE, sizeof(struct bpf_insn));
		const struct bpf_insn process[] = {
			ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_2, 0, 0,
				(uint32_t)process_of(who)),
			ss_insn(0, 0, 0, 0, (uint32_t)(process_of(who) >> 32)),
		};
		ss_autofd int fd = -1;

		g_array_append_vals(insns, process, G_N_ELEMENTS(process));
		g_array_append_vals(insns, body, (guint)count);
		fd = load_for(HOOK_CGROUP, (const void *)insns->data, insns->len);
		if (fd < 0)
			g_error("'%s' does not load: %s", text, g_strerror(-fd));
		g_string_append_c(accepted, run(fd, frame) ? '1' : '0');
	}
	g_free(body);
	ss_filter_free(filter);
	return g_string_free(accepted, FALSE);
}

static void test_bounds(void)
{
	static const struct {
		const char *text, *accepted;
	} rows[] = {
		{"stratoshark.comm == \"curl\"", "010011"},
		{"stratoshark.comm == curl && tcp", "010011"},
		{"stratoshark.comm == curl && udp", "000000"},
		{"stratoshark.comm == curl || tcp.port == 80", "111111"},
		{"stratoshark.comm != \"curl\"", "001111"},
		{"!(stratoshark.comm == \"curl\")", "101111"},
		{"stratoshark.comm in {\"curl\", \"envoy\"}", "011011"},
		{"stratoshark.comm == \"fifteen-letters\"", "000111"},
		{"stratoshark.comm == \"fifteen-letter\"", "000011"},
		{"stratoshark.comm contains \"en\"", "001111"},
		{"stratoshark.comm contains \"letters\"", "000111"},
		{"stratoshark.comm contains \"l\"", "010111"},
		{"!(stratoshark.comm contains \"l\")", "101011"},
		{"stratoshark.pid", "011111"},
		{"stratoshark.pid == 1001", "010000"},
		{"stratoshark.pid != 1001", "001111"},
		{"!(stratoshark.pid == 1001)", "101111"},
		{"stratoshark.pid in {1002..1003, 1005}", "001101"},
		{"stratoshark.pid > 1003 && tcp.port == 80", "000011"},
		{"stratoshark.pid == 1001 || stratoshark.comm == envoy", "011011"},
		{"stratoshark.pid == 1001 && stratoshark.comm == curl", "010000"},
	};
	int told;

	if (!may_load())
		return;
	told = told_new();
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *accepted = accepted_of(rows[i].text, told);

		g_test_message("%s", rows[i].text);
		g_assert_cmpstr(accepted, ==, rows[i].accepted);
	}
	close(told);
}

/* Without CAP_PERFMON nobody tells names. */
static void test_no_names(void)
{
	g_autofree char *may = NULL, *must = NULL;

	if (!may_load())
		return;
	may = accepted_of("stratoshark.comm == \"curl\"", -1);
	must = accepted_of("!(stratoshark.comm == \"curl\")", -1);
	g_assert_cmpstr(may, ==, "011111");
	g_assert_cmpstr(must, ==, "111111");
}

/* What the kernel can't decide does not cost a look-up. */
static void test_not_asked(void)
{
	static const char *const texts[] = {
		"tcp.port == 80",
		"stratoshark.comm",
		"stratoshark.comm matches \"curl|wget\"",
		"stratoshark.comm > \"a\"",
		"stratoshark.comm == \"longer than any name\"",
		"stratoshark.comm == \"a\\x01\"",
		/* Needs all frames of the connection. */
		"stratoshark.comm == \"curl\" && http.request",
		"stratoshark.pid == 7 && tcp.analysis.flags",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		struct ss_filter *filter = NULL;
		struct ss_error error = {0};

		if (ss_filter_new(texts[i], &filter, &error) < 0)
			g_error("'%s': %s", texts[i], error.message);
		g_test_message("%s", texts[i]);
		g_assert_false(ss_filter_asks_owner(filter));
		g_assert_cmpint(ss_filter_rest(filter), ==, i ? SS_REST_ALL : SS_REST_UNPLAIN);
		ss_filter_free(filter);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/filter-process/bounds", test_bounds);
	g_test_add_func("/filter-process/no-names", test_no_names);
	g_test_add_func("/filter-process/not-asked", test_not_asked);
	return g_test_run();
}
