/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A function in the place of its call: what is rewritten, when it stays a call, and that the kernel
 * can't tell them apart. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <glib.h>

#include "error.h"
#include "filter/inline.h"
#include "insn.h"
#include "seed.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define MOV(reg, imm) ss_insn(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, imm)

static struct bpf_insn *inlined(const struct bpf_insn *program, size_t count,
				const struct bpf_insn *body, size_t body_count, size_t *ret_count)
{
	struct bpf_insn *insns = NULL;

	*ret_count = 0;
	return ss_filter_inline(program, count, body, body_count, &insns, ret_count) ? insns : NULL;
}

static void assert_insns(const struct bpf_insn *insns, size_t count,
			 const struct bpf_insn *expected, size_t expected_count)
{
	g_assert_cmpuint(count, ==, expected_count);
	for (size_t i = 0; i < count; i++)
		if (memcmp(&insns[i], &expected[i], sizeof(*insns)) != 0)
			g_error("instruction %zu: code %02x dst %u src %u off %d imm %d", i,
				insns[i].code, insns[i].dst_reg, insns[i].src_reg, insns[i].off,
				insns[i].imm);
}

/* Returns become jumps; those of the caller that cross the place are longer, whichever way. */
static void test_jumps(void)
{
	const struct bpf_insn program[] = {
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 2),
		SS_CALL_SUB(3),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, -3),
		MOV(BPF_REG_0, 1),
		SS_EXIT(),
	};
	const struct bpf_insn body[] = {
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 7, 2),
		MOV(BPF_REG_0, 0),
		SS_EXIT(),
		/* The second half would be an exit, if it were an instruction. */
		ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_0, 0, 0, 1),
		SS_EXIT(),
		SS_EXIT(),
	};
	const struct bpf_insn expected[] = {
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 7),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 7, 2),
		MOV(BPF_REG_0, 0),
		SS_JUMP(3),
		ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_0, 0, 0, 1),
		SS_EXIT(),
		SS_JUMP(0),
		SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, -8),
		MOV(BPF_REG_0, 1),
		SS_EXIT(),
	};
	size_t count;
	g_autofree struct bpf_insn *insns =
		inlined(program, COUNT(program), body, COUNT(body), &count);

	assert_insns(insns, count, expected, COUNT(expected));
}

/* skb where the caller has it; registers that it does not need for the others. */
static void test_registers(void)
{
	const struct bpf_insn program[] = {
		SS_MOV(BPF_REG_8, BPF_REG_1),
		MOV(BPF_REG_6, 1),
		MOV(BPF_REG_7, 2),
		SS_CALL_SUB(4),
		SS_LDX(BPF_W, BPF_REG_1, BPF_REG_8, 0),
		SS_MOV(BPF_REG_0, BPF_REG_7),
		MOV(BPF_REG_6, 3),
		SS_EXIT(),
	};
	const struct bpf_insn body[] = {
		SS_MOV(BPF_REG_6, BPF_REG_1),
		SS_LDX(BPF_W, BPF_REG_7, BPF_REG_6, 4),
		ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_9, BPF_PSEUDO_MAP_IDX_VALUE, 0, 1),
		ss_insn(0, 0, 0, 0, 0),
		ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_7, BPF_REG_9, 0, 0),
		ss_insn(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_9, BPF_REG_7, 0, 0),
		SS_CALL(BPF_FUNC_ktime_get_ns),
		SS_EXIT(),
	};
	const struct bpf_insn expected[] = {
		SS_MOV(BPF_REG_8, BPF_REG_1),
		MOV(BPF_REG_6, 1),
		MOV(BPF_REG_7, 2),
		SS_MOV(BPF_REG_8, BPF_REG_1),
		SS_LDX(BPF_W, BPF_REG_6, BPF_REG_8, 4),
		ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_9, BPF_PSEUDO_MAP_IDX_VALUE, 0, 1),
		ss_insn(0, 0, 0, 0, 0),
		ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_6, BPF_REG_9, 0, 0),
		ss_insn(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_9, BPF_REG_6, 0, 0),
		SS_CALL(BPF_FUNC_ktime_get_ns),
		SS_JUMP(0),
		SS_LDX(BPF_W, BPF_REG_1, BPF_REG_8, 0),
		SS_MOV(BPF_REG_0, BPF_REG_7),
		MOV(BPF_REG_6, 3),
		SS_EXIT(),
	};
	size_t count;
	g_autofree struct bpf_insn *insns =
		inlined(program, COUNT(program), body, COUNT(body), &count);

	assert_insns(insns, count, expected, COUNT(expected));
}

/* Where there are not enough registers they are saved, above the body's stack. */
static void test_saves(void)
{
	const struct bpf_insn program[] = {
		SS_MOV(BPF_REG_6, BPF_REG_1),
		MOV(BPF_REG_9, 2),
		SS_ST_IMM(BPF_B, BPF_REG_10, -9, 0),
		SS_CALL_SUB(4),
		SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, -9),
		SS_LDX(BPF_W, BPF_REG_1, BPF_REG_6, 0),
		SS_MOV(BPF_REG_0, BPF_REG_9),
		SS_EXIT(),
	};
	const struct bpf_insn body[] = {
		SS_MOV(BPF_REG_6, BPF_REG_1),
		MOV(BPF_REG_7, 0),
		MOV(BPF_REG_8, 0),
		MOV(BPF_REG_9, 0),
		MOV(BPF_REG_6, 0), /* skb no more */
		SS_STX(BPF_DW, BPF_REG_10, BPF_REG_6, -8),
		SS_MOV(BPF_REG_2, BPF_REG_10),
		SS_ADD_IMM(BPF_REG_2, (uint32_t)-16),
		SS_LDX(BPF_DW, BPF_REG_0, BPF_REG_10, -8),
		SS_EXIT(),
	};
	const struct bpf_insn expected[] = {
		SS_MOV(BPF_REG_6, BPF_REG_1),
		MOV(BPF_REG_9, 2),
		SS_ST_IMM(BPF_B, BPF_REG_10, -9, 0),
		SS_STX(BPF_DW, BPF_REG_10, BPF_REG_6, -24),
		SS_STX(BPF_DW, BPF_REG_10, BPF_REG_9, -32),
		SS_MOV(BPF_REG_6, BPF_REG_1),
		MOV(BPF_REG_7, 0),
		MOV(BPF_REG_8, 0),
		MOV(BPF_REG_9, 0),
		MOV(BPF_REG_6, 0),
		SS_STX(BPF_DW, BPF_REG_10, BPF_REG_6, -40),
		SS_MOV(BPF_REG_2, BPF_REG_10),
		SS_ADD_IMM(BPF_REG_2, (uint32_t)-48),
		SS_LDX(BPF_DW, BPF_REG_0, BPF_REG_10, -40),
		SS_JUMP(0),
		SS_LDX(BPF_DW, BPF_REG_6, BPF_REG_10, -24),
		SS_LDX(BPF_DW, BPF_REG_9, BPF_REG_10, -32),
		SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, -9),
		SS_LDX(BPF_W, BPF_REG_1, BPF_REG_6, 0),
		SS_MOV(BPF_REG_0, BPF_REG_9),
		SS_EXIT(),
	};
	size_t count;
	g_autofree struct bpf_insn *insns =
		inlined(program, COUNT(program), body, COUNT(body), &count);

	assert_insns(insns, count, expected, COUNT(expected));
}

/* A caller that needs nothing more, with its stack below. */
#define CALLER(depth)                                                                              \
	{                                                                                          \
		SS_ST_IMM(BPF_DW, BPF_REG_10, depth, 0), SS_CALL_SUB(1), SS_EXIT()                 \
	}

/* Each row is a body that is called. */
static void test_calls_that_stay(void)
{
	const struct bpf_insn program[] = CALLER(-256);
	const struct {
		const char *what;
		struct bpf_insn body[4];
	} rows[] = {
		{"returns by itself", {SS_MOV(BPF_REG_6, BPF_REG_1), SS_LD_ABS(BPF_W, 0)}},
		{"the same", {SS_MOV(BPF_REG_6, BPF_REG_1), SS_LD_IND(BPF_W, BPF_REG_1, 0)}},
		{"calls a function", {SS_CALL_SUB(1), SS_EXIT()}},
		{"calls functions", {SS_CALL_SUB(2), SS_CALL_SUB(1), SS_EXIT()}},
		{"names a function",
		 {ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_FUNC, 0, 1)}},
		{"a kernel function",
		 {ss_insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, 1)}},
		{"a long jump", {ss_insn(BPF_JMP32 | BPF_JA, 0, 0, 0, 1)}},
		{"may_goto", {ss_insn(BPF_JMP | 0xe0, 0, 0, 1, 0)}},
		{"much stack", {SS_ST_IMM(BPF_DW, BPF_REG_10, -264, 0)}},
		{"what is not its stack", {SS_ST_IMM(BPF_DW, BPF_REG_10, 0, 0)}},
		{"the same", {SS_MOV(BPF_REG_2, BPF_REG_10), SS_ADD_IMM(BPF_REG_2, 8)}},
		{"an address kept", {SS_MOV(BPF_REG_2, BPF_REG_10), MOV(BPF_REG_0, 0)}},
		{"an address with less",
		 {SS_MOV(BPF_REG_2, BPF_REG_10), SS_ADD_IMM(BPF_REG_3, (uint32_t)-8)}},
		{"an address from elsewhere",
		 {SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 1), SS_MOV(BPF_REG_2, BPF_REG_10),
		  SS_ADD_IMM(BPF_REG_2, (uint32_t)-8)}},
		{"an address stored", {SS_STX(BPF_DW, BPF_REG_10, BPF_REG_10, -8)}},
		{"an address compared", {ss_insn(BPF_JMP | BPF_JGT | BPF_X, 10, 1, 0, 0)}},
		{"another register", {MOV(11, 0)}},
	};
	struct bpf_insn *insns = NULL;
	size_t count;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct bpf_insn body[5] = {0};

		memcpy(body, rows[i].body, sizeof(rows[i].body));
		for (size_t j = 0; j < G_N_ELEMENTS(body); j++)
			if (!body[j].code && !(j && ss_insn_is_wide(&body[j - 1])))
				body[j] = SS_EXIT();
		if (ss_filter_inline(program, COUNT(program), body, COUNT(body), &insns, &count))
			g_error("inlined: %s", rows[i].what);
	}
}

/* ... of such callers, all. */
static void test_callers(void)
{
	const struct bpf_insn body[] = {SS_ST_IMM(BPF_DW, BPF_REG_10, -8, 0), MOV(BPF_REG_0, 1),
					SS_EXIT()};
	const struct bpf_insn fits[] = CALLER(-504), deep[] = CALLER(-512);
	const struct bpf_insn twice[] = {SS_CALL_SUB(2), SS_CALL_SUB(1), SS_EXIT()};
	const struct bpf_insn never[] = {MOV(BPF_REG_0, 1), SS_EXIT()};
	const struct bpf_insn unclear[] = {SS_MOV(BPF_REG_6, BPF_REG_10), SS_CALL_SUB(1),
					   SS_EXIT()};
	const struct bpf_insn far[] = {SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 1), SS_CALL_SUB(1),
				       SS_EXIT()};
	g_autofree struct bpf_insn *long_body = g_new0(struct bpf_insn, 32768);
	struct bpf_insn *insns = NULL;
	size_t count;

	g_assert_true(ss_filter_inline(fits, 3, body, 3, &insns, &count));
	g_clear_pointer(&insns, g_free);
	g_assert_false(ss_filter_inline(deep, 3, body, 3, &insns, &count));
	g_assert_false(ss_filter_inline(twice, 3, body, 3, &insns, &count));
	g_assert_false(ss_filter_inline(never, 2, body, 3, &insns, &count));
	g_assert_false(ss_filter_inline(unclear, 3, body, 3, &insns, &count));
	for (size_t i = 0; i < 32768; i++)
		long_body[i] = i < 32767 ? MOV(BPF_REG_0, 1) : SS_EXIT();
	g_assert_false(ss_filter_inline(far, 3, long_body, 32768, &insns, &count));
	g_assert_true(ss_filter_inline(far, 3, long_body + 1, 32767, &insns, &count));
	g_assert_cmpint(insns[0].off, ==, 32767);
	g_free(insns);
}

/* --- The kernel --- */

#define SLOTS 4 /* of a random body's stack */

/* A byte of a register or of the stack goes into the result. */
#define MIX(reg)                                                                                   \
	ss_insn(BPF_ALU64 | BPF_MUL | BPF_K, BPF_REG_0, 0, 0, 31),                                 \
		ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_0, reg, 0, 0)
#define BELOW 25 /* instructions of the caller */

/* Needs skb, R7 .. R9 and its stack behind the call; the result says all of them. */
static void make_caller(struct bpf_insn ret_insns[BELOW], unsigned skb)
{
	unsigned other = skb == BPF_REG_6 ? BPF_REG_7 : BPF_REG_6;
	const struct bpf_insn insns[BELOW] = {
		SS_MOV(skb, BPF_REG_1),
		MOV(other, 70),
		MOV(BPF_REG_8, 80),
		MOV(BPF_REG_9, 90),
		SS_ST_IMM(BPF_DW, BPF_REG_10, -8, 11),
		SS_ST_IMM(BPF_DW, BPF_REG_10, -24, 12),
		SS_MOV(BPF_REG_1, skb),
		MOV(BPF_REG_2, 5),
		SS_CALL_SUB(BELOW - 9),
		MIX(other),
		MIX(BPF_REG_8),
		MIX(BPF_REG_9),
		SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, -8),
		MIX(BPF_REG_1),
		SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, -24),
		MIX(BPF_REG_1),
		SS_LDX(BPF_W, BPF_REG_1, skb, 0), /* its length */
		MIX(BPF_REG_1),
		SS_EXIT(),
	};

	memcpy(ret_insns, insns, sizeof(insns));
}

static unsigned random_of(GRand *rand, const char *registers)
{
	return (unsigned)registers[g_rand_int_range(rand, 0, (gint)strlen(registers))] - '0';
}

/* Arithmetic, its stack, jumps forward and returns; R6 may be skb, which it may keep, or lose. */
static void add_random(GArray *body, GRand *rand)
{
	static const char own[] = "03456789";
	static const unsigned operators[] = {BPF_ADD, BPF_SUB, BPF_XOR, BPF_OR, BPF_AND, BPF_MOV};
	unsigned dst = random_of(rand, own + 1), src = random_of(rand, own);
	unsigned op = operators[g_rand_int_range(rand, 0, (gint)G_N_ELEMENTS(operators))];
	int16_t slot = (int16_t)(-8 * g_rand_int_range(rand, 1, SLOTS + 1));
	struct bpf_insn insns[6];
	size_t count = 0;

	switch (g_rand_int_range(rand, 0, 7)) {
	case 0:
		insns[count++] = ss_insn(BPF_ALU64 | op | BPF_K, dst, 0, 0, g_rand_int(rand));
		break;
	case 1:
		insns[count++] = SS_STX(BPF_DW, BPF_REG_10, src, slot);
		break;
	case 2:
		insns[count++] = SS_LDX(BPF_DW, dst, BPF_REG_10, slot);
		break;
	case 3:
		insns[count++] = ss_insn(BPF_LD | BPF_IMM | BPF_DW, dst, 0, 0, g_rand_int(rand));
		insns[count++] = ss_insn(0, 0, 0, 0, g_rand_int(rand));
		break;
	case 4:
		insns[count++] = SS_MOV(dst, BPF_REG_10);
		insns[count++] = SS_ADD_IMM(dst, (uint32_t)slot);
		insns[count++] = SS_ST_IMM(BPF_DW, dst, 0, g_rand_int(rand));
		insns[count++] = MOV(dst, 1);
		break;
	case 5:
		insns[count++] = ss_insn(BPF_JMP | BPF_JSGT | BPF_X, dst, src, 2, 0);
		insns[count++] = SS_MOV(BPF_REG_0, dst);
		insns[count++] = g_rand_int_range(rand, 0, 3) ? SS_MOV(dst, src) : SS_EXIT();
		break;
	default:
		insns[count++] = ss_insn(BPF_ALU64 | op | BPF_X, dst, src, 0, 0);
	}
	g_array_append_vals(body, insns, (guint)count);
}

static GArray *make_body(GRand *rand)
{
	GArray *body = g_array_new(FALSE, FALSE, sizeof(struct bpf_insn));
	bool keeps = g_rand_boolean(rand); /* skb, in one of its registers */
	unsigned skb = random_of(rand, "6789");
	struct bpf_insn insn;

	for (unsigned reg = 0; reg < BPF_REG_10; reg++) {
		if (reg == BPF_REG_1 || reg == BPF_REG_2)
			continue;
		insn = MOV(reg, g_rand_int(rand));
		g_array_append_val(body, insn);
	}
	for (int i = 1; i <= SLOTS; i++) {
		insn = SS_ST_IMM(BPF_DW, BPF_REG_10, (int16_t)(-8 * i), g_rand_int(rand));
		g_array_append_val(body, insn);
	}
	for (int i = g_rand_int_range(rand, 0, 40); i > 0; i--)
		add_random(body, rand);
	if (keeps) {
		insn = SS_MOV(skb, BPF_REG_1);
		g_array_append_val(body, insn);
	}
	insn = ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_0, BPF_REG_2, 0, 0);
	g_array_append_val(body, insn);
	insn = SS_EXIT();
	g_array_append_val(body, insn);
	return body;
}

/* What the program returns; < 0: it can't be loaded. */
static int64_t run(const struct bpf_insn *insns, size_t count, char *log, size_t log_size)
{
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = log, .log_size = (uint32_t)log_size,
		    .log_level = 1);
	LIBBPF_OPTS(bpf_test_run_opts, once, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	ss_autofd int fd =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "inline", "GPL", insns, count, &options);

	if (fd < 0)
		return -errno;
	g_assert_cmpint(bpf_prog_test_run_opts(fd, &once), ==, 0);
	return once.retval;
}

static void test_kernel(void)
{
	g_autoptr(GRand) rand = seeded_rand(20261126);
	static char log[1 << 20];

	for (int i = 0; i < 400; i++) {
		g_autoptr(GArray) body = make_body(rand);
		struct bpf_insn called[BELOW + 512];
		g_autofree struct bpf_insn *insns = NULL;
		int64_t result, expected;
		size_t count;

		make_caller(called, i % 2 ? BPF_REG_6 : BPF_REG_7);
		memcpy(called + BELOW, body->data, body->len * sizeof(*called));
		expected = run(called, BELOW + body->len, log, sizeof(log));
		if (expected == -EPERM) {
			if (g_getenv("CI"))
				g_error("cannot load BPF programs: CI must run this as root");
			g_test_skip("needs root, or CAP_BPF and CAP_NET_ADMIN");
			return;
		}
		if (expected < 0)
			g_error("%d: %s", i, log);
		insns = inlined(called, BELOW, (struct bpf_insn *)(void *)body->data, body->len,
				&count);
		g_assert_nonnull(insns);
		result = run(insns, count, log, sizeof(log));
		if (result < 0)
			g_error("%d, inlined: %s", i, log);
		g_assert_cmpint(result, ==, expected);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inline/jumps", test_jumps);
	g_test_add_func("/inline/registers", test_registers);
	g_test_add_func("/inline/saves", test_saves);
	g_test_add_func("/inline/calls-that-stay", test_calls_that_stay);
	g_test_add_func("/inline/callers", test_callers);
	g_test_add_func("/inline/kernel", test_kernel);
	return g_test_run();
}
