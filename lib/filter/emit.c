/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an emitter writes: instructions, labels, and what tests are made of. */
#include "emitter.h"

#include <linux/if_ether.h>

#include "format/pcapng.h"

#define CTX BPF_REG_6

/* --- Instructions and labels --- */

void ss_emit(struct ss_emitter *emitter, struct bpf_insn insn)
{
	g_array_append_val(emitter->insns, insn);
}

size_t ss_emit_jump(struct ss_emitter *emitter, struct bpf_insn insn)
{
	ss_emit(emitter, insn);
	return emitter->insns->len - 1;
}

static void set_distance(struct ss_emitter *emitter, size_t jump, size_t target)
{
	/* Does not fit only in a body that is refused for its size. */
	g_array_index(emitter->insns, struct bpf_insn, jump).off = (int16_t)(target - jump - 1);
}

void ss_emit_land(struct ss_emitter *emitter, size_t jump)
{
	set_distance(emitter, jump, emitter->insns->len);
}

ss_label ss_label_new(struct ss_emitter *emitter)
{
	size_t unbound = SS_UNBOUND;

	g_array_append_val(emitter->labels, unbound);
	return emitter->labels->len - 1;
}

void ss_label_bind(struct ss_emitter *emitter, ss_label label)
{
	g_array_index(emitter->labels, size_t, label) = emitter->insns->len;
}

void ss_emit_jump_to(struct ss_emitter *emitter, struct bpf_insn insn, ss_label label)
{
	struct ss_jump jump = {emitter->insns->len, label};

	ss_emit(emitter, insn);
	g_array_append_val(emitter->jumps, jump);
}

void ss_emit_answer(struct ss_emitter *emitter, ss_label yes, ss_label no)
{
	size_t done;

	ss_label_bind(emitter, yes);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1));
	done = ss_emit_jump(emitter, SS_JUMP(0));
	ss_label_bind(emitter, no);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0));
	ss_emit_land(emitter, done);
}

bool ss_label_is_used(const struct ss_emitter *emitter, ss_label label)
{
	for (guint i = 0; i < emitter->jumps->len; i++)
		if (g_array_index(emitter->jumps, struct ss_jump, i).label == label)
			return true;
	return false;
}

void ss_label_resolve(struct ss_emitter *emitter)
{
	for (guint i = 0; i < emitter->jumps->len; i++) {
		const struct ss_jump *jump = &g_array_index(emitter->jumps, struct ss_jump, i);

		set_distance(emitter, jump->insn,
			     g_array_index(emitter->labels, size_t, jump->label));
	}
}

/* --- What families use --- */

void ss_emit_copy(struct ss_emitter *emitter, int16_t to, uint32_t size, unsigned base,
		  uint32_t offset)
{
	ss_emit(emitter, SS_MOV(BPF_REG_1, CTX));
	if (base) {
		ss_emit(emitter, SS_MOV(BPF_REG_2, base));
		if (offset)
			ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, offset));
	} else {
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_2, offset));
	}
	ss_emit(emitter, SS_MOV(BPF_REG_3, BPF_REG_10));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_3, (uint32_t)(int32_t)to));
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_4, size));
	ss_emit(emitter, SS_CALL(BPF_FUNC_skb_load_bytes));
}

static unsigned size_of(unsigned bytes)
{
	return bytes == 4 ? BPF_W : bytes == 2 ? BPF_H : BPF_B;
}

void ss_emit_number(struct ss_emitter *emitter, unsigned dst, int16_t from, unsigned bytes)
{
	ss_emit(emitter, SS_LDX(size_of(bytes), dst, BPF_REG_10, from));
	if (bytes > 1)
		ss_emit(emitter, SS_TO_BE(dst, bytes * 8));
}

int ss_emit_link_size(const struct ss_emitter *emitter)
{
	return emitter->options.link_type == SS_LINKTYPE_ETHERNET ? ETH_HLEN : 0;
}

void ss_emit_header(struct ss_emitter *emitter, unsigned size, unsigned dst, int16_t from)
{
	int offset = from - emitter->near + ss_emit_link_size(emitter);

	if (emitter->near)
		ss_emit(emitter, SS_LDX(size, dst, BPF_REG_7, (int16_t)offset));
	else
		ss_emit(emitter, SS_LDX(size, dst, BPF_REG_10, from));
}

/* As in cbpf.c the verifier finds nothing new on the path that it follows last. */
void ss_emit_unless_linear(struct ss_emitter *emitter, uint32_t size, ss_label label)
{
	ss_emit(emitter, SS_MOV(BPF_REG_1, BPF_REG_7));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_1, size));
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_3, CTX, offsetof(struct __sk_buff, data_end)));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0),
			label);
}

void ss_emit_header_number(struct ss_emitter *emitter, unsigned dst, int16_t from, unsigned bytes)
{
	ss_emit_header(emitter, size_of(bytes), dst, from);
	if (bytes > 1)
		ss_emit(emitter, SS_TO_BE(dst, bytes * 8));
}

void ss_emit_wide(struct ss_emitter *emitter, unsigned dst, uint64_t value)
{
	ss_emit(emitter, ss_insn(BPF_LD | BPF_IMM | BPF_DW, dst, 0, 0, (uint32_t)value));
	ss_emit(emitter, ss_insn(0, 0, 0, 0, (uint32_t)(value >> 32)));
}

void ss_emit_map(struct ss_emitter *emitter, unsigned dst, int fd)
{
	ss_emit(emitter,
		ss_insn(BPF_LD | BPF_IMM | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, (uint32_t)fd));
	ss_emit(emitter, ss_insn(0, 0, 0, 0, 0));
}

void ss_emit_slot(struct ss_emitter *emitter)
{
	ss_emit_map(emitter, BPF_REG_1, emitter->options.slots_fd);
}

const struct ss_emit_options *ss_emit_options(const struct ss_emitter *emitter)
{
	return &emitter->options;
}

const struct ss_tracking *ss_emit_tracking(const struct ss_emitter *emitter)
{
	return &emitter->tracking;
}

unsigned ss_emit_layers(const struct ss_emitter *emitter)
{
	return emitter->layers;
}

bool ss_emit_reversed(const struct ss_emitter *emitter)
{
	return emitter->reversed;
}

/* The bits of a number of which a value says something. */
static uint64_t relevant_bits(const struct ss_test *test, const struct ss_value *value)
{
	uint64_t bits = test->mask ? test->mask : UINT64_MAX;

	if (test->field->type == SS_FIELD_IPV4)
		bits = value->prefix ? UINT32_MAX << (32 - value->prefix) & UINT32_MAX : 0;
	return bits;
}

static uint64_t as_number(const struct ss_test *test, const struct ss_value *value)
{
	unsigned bytes = test->field->type == SS_FIELD_IPV4    ? 4
			 : test->field->type == SS_FIELD_ETHER ? 6
							       : 0;
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes; i++)
		number = number << 8 | value->bytes[i];
	return bytes ? number : value->number;
}

/* R2 = number */
static void emit_constant(struct ss_emitter *emitter, uint64_t number)
{
	if (number <= UINT32_MAX)
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_2, (uint32_t)number));
	else
		ss_emit_wide(emitter, BPF_REG_2, number);
}

/* Jumps if R1, but for irrelevant bits, compares to the value by op (BPF_JEQ ...). */
static size_t emit_jump_if(struct ss_emitter *emitter, unsigned op, const struct ss_test *test,
			   const struct ss_value *value)
{
	uint64_t bits = relevant_bits(test, value), number = as_number(test, value);
	unsigned reg = BPF_REG_1;

	if (test->field->type == SS_FIELD_IPV4)
		number &= bits; /* but "(a & 2) == 1" never holds */
	if (bits != UINT64_MAX && !(test->field->type == SS_FIELD_IPV4 && bits == UINT32_MAX)) {
		reg = BPF_REG_0;
		emit_constant(emitter, bits);
		ss_emit(emitter, SS_MOV(BPF_REG_0, BPF_REG_1));
		ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_AND | BPF_X, BPF_REG_0, BPF_REG_2, 0, 0));
	}
	if (number <= INT32_MAX)
		return ss_emit_jump(emitter,
				    ss_insn(BPF_JMP | op | BPF_K, reg, 0, 0, (uint32_t)number));
	emit_constant(emitter, number);
	return ss_emit_jump(emitter, ss_insn(BPF_JMP | op | BPF_X, reg, BPF_REG_2, 0, 0));
}

static unsigned jump_of(enum ss_test_operator comparison)
{
	switch (comparison) {
	case SS_TEST_EQ:
		return BPF_JEQ;
	case SS_TEST_NE:
		return BPF_JNE;
	case SS_TEST_GT:
		return BPF_JGT;
	case SS_TEST_GE:
		return BPF_JGE;
	case SS_TEST_LT:
		return BPF_JLT;
	default:
		return BPF_JLE;
	}
}

/* R0 = 1 where the jumps lead, 0 here. */
static void emit_either(struct ss_emitter *emitter, const GArray *jumps)
{
	size_t done;

	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0));
	done = ss_emit_jump(emitter, SS_JUMP(0));
	for (guint i = 0; i < jumps->len; i++)
		ss_emit_land(emitter, g_array_index(jumps, size_t, i));
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1));
	ss_emit_land(emitter, done);
}

void ss_emit_compare(struct ss_emitter *emitter, const struct ss_test *test)
{
	g_autoptr(GArray) hits = g_array_new(FALSE, FALSE, sizeof(size_t));
	size_t hit, low;

	for (guint i = 0; i < test->ranges->len; i++) {
		const struct ss_range *range = ss_test_range(test, i);

		if (test->comparison != SS_TEST_IN) {
			hit = emit_jump_if(emitter, jump_of(test->comparison), test, &range->from);
		} else if (range->single) {
			hit = emit_jump_if(emitter, BPF_JEQ, test, &range->from);
		} else {
			low = emit_jump_if(emitter, BPF_JLT, test, &range->from);
			hit = emit_jump_if(emitter, BPF_JLE, test, &range->to);
			ss_emit_land(emitter, low);
		}
		g_array_append_val(hits, hit);
	}
	emit_either(emitter, hits);
}
