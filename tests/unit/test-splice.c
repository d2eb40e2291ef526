/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter body in the place of the stub: what moves, what is refused, what the kernel says. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <glib.h>

#include "filter/filter.h"
#include "insn.h"

/* A main function that calls the stub twice (what calls it once: test-inline.c), and a stub of four
 * instructions. */
#define STUB 10u
static void make_program(struct bpf_insn ret_program[STUB + 4])
{
	const struct bpf_insn program[STUB + 4] = {
		SS_MOV(BPF_REG_6, BPF_REG_1),
		SS_CALL_SUB(STUB - 2),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 5),
		/* Its second half would be a call, if it were an instruction. */
		ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_7, 0, 0, 1),
		ss_insn(0, 0, 0, 0, 0),
		SS_MOV(BPF_REG_1, BPF_REG_6),
		SS_CALL_SUB(STUB - 7),
		SS_EXIT(),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0),
		SS_EXIT(),
		SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 1),
		SS_JUMP(0),
		SS_EXIT(),
	};

	memcpy(ret_program, program, sizeof(program));
}

static void assert_refused(const struct bpf_insn *program, size_t count,
			   const struct bpf_insn *body, size_t body_count, const char *part)
{
	struct ss_error error = {0};
	struct bpf_insn *spliced = NULL;
	size_t spliced_count = 0;

	g_assert_cmpint(ss_filter_splice(program, count, body, body_count, false, &spliced,
					 &spliced_count, &error),
			<, 0);
	if (!strstr(error.message, part))
		g_error("'%s' not in: %s", part, error.message);
	g_assert_null(spliced);
	g_assert_cmpuint(spliced_count, ==, 0);
}

static void assert_same(const struct bpf_insn *a, const struct bpf_insn *b, size_t count)
{
	g_assert_cmpint(memcmp(a, b, count * sizeof(*a)), ==, 0);
}

static void test_longer_body(void)
{
	g_autofree struct bpf_insn *body = g_new(struct bpf_insn, 6), *spliced = NULL;
	struct bpf_insn program[STUB + 4];
	size_t count = 0;

	make_program(program);
	for (guint i = 0; i < 5; i++)
		body[i] = SS_ALUW_IMM(BPF_MOV, BPF_REG_0, i);
	body[5] = SS_EXIT();
	g_assert_cmpint(ss_filter_splice(program, STUB + 4, body, 6, false, &spliced, &count, NULL),
			==, 0);
	g_assert_cmpuint(count, ==, STUB + 6);
	assert_same(spliced, program, STUB);
	assert_same(spliced + STUB, body, 6);
}

/* As long as before, at least: libbpf's line information of the stub must stay inside. */
static void test_shorter_body(void)
{
	const struct bpf_insn body[] = {SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 7), SS_EXIT()};
	g_autofree struct bpf_insn *spliced = NULL;
	struct bpf_insn program[STUB + 4];
	size_t count = 0;

	make_program(program);
	g_assert_cmpint(ss_filter_splice(program, STUB + 4, body, 2, false, &spliced, &count, NULL),
			==, 0);
	g_assert_cmpuint(count, ==, STUB + 4);
	g_assert_cmpuint(spliced[STUB].code, ==, BPF_JMP | BPF_JA);
	g_assert_cmpuint(spliced[STUB + 1].code, ==, BPF_JMP | BPF_JA);
	assert_same(spliced + STUB + 2, body, 2);
}

/* Of one call nothing is left, nor of the stub. */
static void test_one_call(void)
{
	const struct bpf_insn body[] = {SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 7), SS_EXIT()};
	g_autofree struct bpf_insn *spliced = NULL;
	struct bpf_insn program[STUB + 4];
	size_t count = 0;

	make_program(program);
	program[6] = SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0);
	g_assert_cmpint(ss_filter_splice(program, STUB + 4, body, 2, false, &spliced, &count, NULL),
			==, 0);
	g_assert_cmpuint(count, ==, STUB + 1);
	assert_same(spliced, program, 1);
	assert_same(spliced + 1, body, 1);
	g_assert_cmpuint(spliced[2].code, ==, BPF_JMP | BPF_JA);
	assert_same(spliced + 3, program + 2, STUB - 2);
	g_clear_pointer(&spliced, g_free);
	g_assert_cmpint(ss_filter_splice(program, STUB + 4, body, 2, true, &spliced, &count, NULL),
			==, 0);
	g_assert_cmpuint(count, ==, STUB + 4);
	assert_same(spliced, program, STUB);
}

/* No filter: no call either. What only looks like a call stays. */
static void test_no_body(void)
{
	const struct bpf_insn accept = SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1);
	g_autofree struct bpf_insn *spliced = NULL;
	struct bpf_insn program[STUB + 4];
	size_t count = 0;

	make_program(program);
	program[4] = SS_CALL_SUB(1);
	g_assert_cmpint(ss_filter_splice(program, STUB + 4, NULL, 0, false, &spliced, &count, NULL),
			==, 0);
	g_assert_cmpuint(count, ==, STUB);
	program[1] = accept;
	program[6] = accept;
	assert_same(spliced, program, STUB);
}

static void test_no_stub(void)
{
	const struct bpf_insn body[] = {SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 7), SS_EXIT()};

	assert_refused(body, 2, body, 2, "no filter stub");
	assert_refused(body, 0, body, 2, "no filter stub");
	assert_refused(body, 2, NULL, 0, "no filter stub");
}

/* Each row breaks one instruction of the program. */
static void test_misplaced_stub(void)
{
	const struct bpf_insn body[] = {SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 7), SS_EXIT()};
	const struct {
		size_t at;
		struct bpf_insn insn;
	} rows[] = {
		{1, SS_CALL_SUB(STUB - 1)},                   /* two subprograms */
		{1, SS_CALL_SUB((uint32_t)-2)},               /* before main */
		{1, SS_CALL_SUB(0x7fffffff)},                 /* far outside */
		{2, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 8)},  /* main jumps into the stub */
		{2, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, -4)}, /* and before itself */
		{3, ss_insn(BPF_LD | BPF_IMM | BPF_DW, 7, BPF_PSEUDO_FUNC, 0, 6)}, /* callback */
		{9, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0)},  /* main runs into the stub */
		{11, SS_JUMP(-5)},                        /* the stub jumps into main */
		{13, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0)}, /* the stub runs over the end */
		{13, SS_JUMP(0)},
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct bpf_insn program[STUB + 4];

		make_program(program);
		program[rows[i].at] = rows[i].insn;
		assert_refused(program, STUB + 4, body, 2, "no filter stub");
	}
}

static void test_bad_body(void)
{
	g_autofree struct bpf_insn *body = g_new0(struct bpf_insn, SS_FILTER_BODY_MAX + 1);
	struct bpf_insn program[STUB + 4];

	make_program(program);
	for (guint i = 0; i < SS_FILTER_BODY_MAX; i++)
		body[i] = SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0);
	body[SS_FILTER_BODY_MAX] = SS_EXIT();
	assert_refused(program, STUB + 4, body, SS_FILTER_BODY_MAX + 1, "at most 32000");
	assert_refused(program, STUB + 4, body, 5, "lead outside");
	assert_refused(program, STUB + 4, body, 0, "lead outside");
}

/* What libbpf hands to the kernel with the program: types of both functions, a line for each
 * instruction of the stub. */
static int load(const struct bpf_insn *insns, size_t count)
{
	bool stub = count > STUB;
	struct btf *btf = btf__new_empty();
	int number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int pointer = btf__add_ptr(btf, btf__add_struct(btf, "__sk_buff", 0));
	int prototype = btf__add_func_proto(btf, number);
	struct bpf_func_info functions[2] = {0};
	struct bpf_line_info lines[5] = {0};
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	int fd;

	btf__add_func_param(btf, "skb", pointer);
	functions[0].type_id = (__u32)btf__add_func(btf, "main", BTF_FUNC_GLOBAL, prototype);
	functions[1].type_id = (__u32)btf__add_func(btf, "filter", BTF_FUNC_STATIC, prototype);
	functions[1].insn_off = STUB;
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
		lines[i].insn_off = i == 0 ? 0 : STUB + i - 1;
		lines[i].file_name_off = (__u32)btf__add_str(btf, "frames.bpf.c");
		lines[i].line_off = lines[i].file_name_off;
		lines[i].line_col = (i + 1) << 10;
	}
	fd = btf__load_into_kernel(btf);
	if (fd == 0) {
		options.prog_btf_fd = (__u32)btf__fd(btf);
		options.func_info = functions;
		options.func_info_cnt = stub ? 2 : 1;
		options.func_info_rec_size = sizeof(functions[0]);
		options.line_info = lines;
		options.line_info_cnt = stub ? G_N_ELEMENTS(lines) : 1;
		options.line_info_rec_size = sizeof(lines[0]);
		fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "splice", "GPL", insns, count,
				   &options);
	}
	btf__free(btf);
	return fd;
}

static void test_kernel(void)
{
	static const char *const expressions[] = {"", "tcp port 80"};
	struct bpf_insn program[STUB + 4];
	ss_autofd int plain = -1;

	make_program(program);
	plain = load(program, STUB + 4);
	if (plain == -EPERM) {
		if (g_getenv("CI"))
			g_error("cannot load BPF programs: CI must run this as root");
		g_test_skip("needs root, or CAP_BPF and CAP_NET_ADMIN");
		return;
	}
	g_assert_cmpint(plain, >=, 0);
	for (guint i = 0; i < G_N_ELEMENTS(expressions); i++) {
		const struct ss_emit_options options = {
			1, SS_FILTER_LD_ABS, -1, 65535, false, -1, false};
		g_autofree struct bpf_insn *body = NULL, *spliced = NULL;
		struct ss_filter *filter = NULL;
		size_t body_count = 0, count = 0;

		g_assert_cmpint(ss_filter_new(expressions[i], &filter, NULL), ==, 0);
		if (!ss_filter_is_empty(filter))
			g_assert_cmpint(ss_filter_emit(filter, &options, &body, &body_count, NULL),
					==, 0);
		g_assert_cmpint(ss_filter_splice(program, STUB + 4, body, body_count, false,
						 &spliced, &count, NULL),
				==, 0);
		ss_autofd int fd = load(spliced, count);

		g_assert_cmpint(fd, >=, 0);
		ss_filter_free(filter);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/splice/longer-body", test_longer_body);
	g_test_add_func("/splice/shorter-body", test_shorter_body);
	g_test_add_func("/splice/one-call", test_one_call);
	g_test_add_func("/splice/no-body", test_no_body);
	g_test_add_func("/splice/no-stub", test_no_stub);
	g_test_add_func("/splice/misplaced-stub", test_misplaced_stub);
	g_test_add_func("/splice/bad-body", test_bad_body);
	g_test_add_func("/splice/kernel", test_kernel);
	return g_test_run();
}
