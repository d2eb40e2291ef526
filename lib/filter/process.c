/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame programs look for the owner of a frame before they ask such a filter, and write what
 * they found: a frame whose owner they do not know has no such fields.
 *
 * A name is what was told of the process last, as in the events that our plugin reads. Of a process
 * of which nothing was told yet, and of all where programs may not read tasks (no CAP_PERFMON), the
 * name may be any.
 */
#include "process.h"

#include <stddef.h>
#include <string.h>

#include "emitter.h"
#include "format/owner.h"

#define COMM_SIZE sizeof(((struct ss_owner_told *)0)->comm)

enum subject {
	PID,
	COMM,
};

static const struct ss_field fields[] = {
	{.name = "stratoshark.pid",
	 .type = SS_FIELD_NUMBER,
	 .layers = SS_LAYER_FRAME,
	 .needs = SS_NEED_OWNER,
	 .bits = 32,
	 .flow = SS_FLOW_VARIES,
	 .optional = true,
	 .data = PID},
	{.name = "stratoshark.comm",
	 .type = SS_FIELD_STRING,
	 .layers = SS_LAYER_FRAME,
	 .needs = SS_NEED_OWNER,
	 .flow = SS_FLOW_VARIES,
	 .optional = true,
	 .data = COMM},
};

/* Our plugin shows names without control characters, and as UTF-8: only plain text is the same. */
static bool is_plain(const struct ss_range *range)
{
	gsize length = 0;
	const char *text = range->single && range->from.string
				   ? g_bytes_get_data(range->from.string, &length)
				   : NULL;

	for (gsize i = 0; i < length; i++)
		if (!g_ascii_isprint(text[i]))
			return false;
	return text && length && length < COMM_SIZE; /* no name is longer */
}

static bool is_comparable(const struct ss_test *test)
{
	switch (test->comparison) {
	case SS_TEST_EQ:
	case SS_TEST_NE:
	case SS_TEST_IN:
	case SS_TEST_CONTAINS:
		break;
	default:
		return false;
	}
	for (guint i = 0; i < test->ranges->len; i++)
		if (!is_plain(ss_test_range(test, i)))
			return false;
	return true;
}

static enum ss_decision decide(const struct ss_test *test, const char **ret_why)
{
	if (test->sliced) {
		*ret_why = "slices are compared by tshark only";
		return SS_DECISION_NONE;
	}
	*ret_why = NULL;
	if (test->field->data == PID)
		return SS_DECISION_EXACT;
	*ret_why = "the kernel compares names of processes with plain text only";
	if (!is_comparable(test))
		return SS_DECISION_NONE;
	*ret_why = "the kernel may know a process and not its name";
	return SS_DECISION_BOUND;
}

static const uint8_t *text_of(const struct ss_range *range, gsize *ret_length)
{
	return g_bytes_get_data(range->from.string, ret_length);
}

/* R0 = the name: leads to yes if it is the text, else on. */
static void emit_equal(struct ss_emitter *emitter, const struct ss_range *range, ss_label yes)
{
	uint8_t name[COMM_SIZE] = {0};
	ss_label differs = ss_label_new(emitter);
	gsize length;
	const uint8_t *text = text_of(range, &length);

	memcpy(name, text, length);
	for (int16_t at = 0; at < (int16_t)COMM_SIZE; at += 8) {
		uint64_t word;

		memcpy(&word, name + at, sizeof(word)); /* as the CPU reads it */
		ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_0, at));
		ss_emit_wide(emitter, BPF_REG_2, word);
		ss_emit_jump_to(emitter,
				ss_insn(BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0),
				differs);
	}
	ss_emit_jump_to(emitter, SS_JUMP(0), yes);
	ss_label_bind(emitter, differs);
}

/* R0 = the name: leads to yes if the text is somewhere in it, else on. */
static void emit_contained(struct ss_emitter *emitter, const struct ss_range *range, ss_label yes)
{
	gsize length;
	const uint8_t *text = text_of(range, &length);

	for (gsize start = 0; start + length < COMM_SIZE; start++) {
		ss_label next = ss_label_new(emitter);

		for (gsize i = 0; i < length; i++) {
			ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_1, BPF_REG_0, (int16_t)(start + i)));
			ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_1, text[i], 0),
					next);
		}
		ss_emit_jump_to(emitter, SS_JUMP(0), yes);
		ss_label_bind(emitter, next);
	}
}

static void emit_comm(struct ss_emitter *emitter, const struct ss_test *test, ss_label yes,
		      ss_label no, ss_label unknown)
{
	bool differs = test->comparison == SS_TEST_NE;

	ss_emit_map(emitter, BPF_REG_1, emitter->options.told_fd);
	ss_emit(emitter, SS_MOV(BPF_REG_2, BPF_REG_10));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, (uint32_t)SS_STACK_OWNER));
	ss_emit(emitter, SS_CALL(BPF_FUNC_map_lookup_elem));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0), unknown);
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_0, offsetof(struct ss_owner_told, comm)));
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_1, BPF_REG_0, 0));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), unknown);
	for (guint i = 0; i < test->ranges->len; i++) {
		const struct ss_range *range = ss_test_range(test, i);

		if (test->comparison == SS_TEST_CONTAINS)
			emit_contained(emitter, range, yes);
		else
			emit_equal(emitter, range, differs ? no : yes);
	}
	ss_emit_jump_to(emitter, SS_JUMP(0), differs ? yes : no);
}

/* R0 = whether a process that is known may have the name: no names are told. */
static void emit_any_name(struct ss_emitter *emitter, enum ss_bound bound)
{
	size_t nobody;

	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0));
	if (bound == SS_BOUND_MUST)
		return;
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_1, BPF_REG_10, SS_STACK_OWNER));
	nobody = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0));
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1));
	ss_emit_land(emitter, nobody);
}

static void emit(struct ss_emitter *emitter, const struct ss_test *test, enum ss_bound bound)
{
	ss_label yes = ss_label_new(emitter), no = ss_label_new(emitter);
	ss_label unknown = bound == SS_BOUND_MAY ? yes : no;

	if (test->field->data == COMM && emitter->options.told_fd < 0) {
		emit_any_name(emitter, bound);
		return;
	}
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_1, BPF_REG_10, SS_STACK_OWNER));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), no);
	if (test->comparison == SS_TEST_PRESENT) {
		ss_emit_jump_to(emitter, SS_JUMP(0), yes);
	} else if (test->field->data == PID) {
		ss_emit_compare(emitter, test);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 0), yes);
		ss_emit_jump_to(emitter, SS_JUMP(0), no);
	} else {
		emit_comm(emitter, test, yes, no, unknown);
	}
	ss_emit_answer(emitter, yes, no);
}

const struct ss_family ss_family_process = {
	.name = "process",
	.fields = fields,
	.count = G_N_ELEMENTS(fields),
	.decide = decide,
	.emit = emit,
	.has_must = true,
};
