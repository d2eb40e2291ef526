/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree as eBPF: the walk, then for each kind of frame a body in which tests on layers that are
 * not there are decided now. Conditions jump: a test leads to one label if it may hold, to another
 * if it does not. NOT swaps the labels and the bound (field.h).
 *
 * What could surprise: labels without a jump to them must not be bound, as the verifier refuses
 * unreachable instructions. Constants are folded for that, not for speed alone.
 */
#include "emitter.h"

#include <errno.h>
#include <linux/if_ether.h>

#include "format/pcapng.h"
#include "format/ring.h"
#include "http.h"

#define CTX BPF_REG_6

/* Instructions, of filters whose frames' headers are read where they are. */
#define NEAR_ALL_MAX 4000
#define NEAR_MAX     9000

#define TRANSPORTS (SS_LAYER_TCP | SS_LAYER_UDP | SS_LAYER_ICMP | SS_LAYER_ICMPV6 | SS_LAYER_OTHER)

/* What is known while emitting. */
enum truth {
	TRUTH_FALSE,
	TRUTH_TRUE,
	TRUTH_CODE,
};

static const unsigned kind_layers[SS_FRAME_KINDS] = {
	[SS_FRAME_UNPLAIN] = SS_LAYER_FRAME,
	[SS_FRAME_LINK] = SS_LAYER_FRAME,
	[SS_FRAME_ARP] = SS_LAYER_FRAME | SS_LAYER_ARP,
	[SS_FRAME_IPV4_TCP] = SS_LAYER_FRAME | SS_LAYER_IPV4 | SS_LAYER_TCP,
	[SS_FRAME_IPV4_UDP] = SS_LAYER_FRAME | SS_LAYER_IPV4 | SS_LAYER_UDP,
	[SS_FRAME_IPV4_ICMP] = SS_LAYER_FRAME | SS_LAYER_IPV4 | SS_LAYER_ICMP,
	[SS_FRAME_IPV4_OTHER] = SS_LAYER_FRAME | SS_LAYER_IPV4 | SS_LAYER_OTHER,
	[SS_FRAME_IPV6_TCP] = SS_LAYER_FRAME | SS_LAYER_IPV6 | SS_LAYER_TCP,
	[SS_FRAME_IPV6_UDP] = SS_LAYER_FRAME | SS_LAYER_IPV6 | SS_LAYER_UDP,
	[SS_FRAME_IPV6_ICMPV6] = SS_LAYER_FRAME | SS_LAYER_IPV6 | SS_LAYER_ICMPV6,
	[SS_FRAME_IPV6_OTHER] = SS_LAYER_FRAME | SS_LAYER_IPV6 | SS_LAYER_OTHER,
	[SS_FRAME_NEAR_IPV4_TCP] = SS_LAYER_FRAME | SS_LAYER_IPV4 | SS_LAYER_TCP,
	[SS_FRAME_NEAR_IPV4_UDP] = SS_LAYER_FRAME | SS_LAYER_IPV4 | SS_LAYER_UDP,
	[SS_FRAME_NEAR_IPV6_TCP] = SS_LAYER_FRAME | SS_LAYER_IPV6 | SS_LAYER_TCP,
	[SS_FRAME_NEAR_IPV6_UDP] = SS_LAYER_FRAME | SS_LAYER_IPV6 | SS_LAYER_UDP,
};

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

static void resolve(struct ss_emitter *emitter)
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

/* --- Tests --- */

static enum truth opposite(enum truth truth)
{
	return truth == TRUTH_TRUE ? TRUTH_FALSE : truth == TRUTH_FALSE ? TRUTH_TRUE : TRUTH_CODE;
}

static enum truth test_truth(const struct ss_emitter *emitter, const struct ss_test *test,
			     enum ss_bound bound)
{
	enum truth unknown = bound == SS_BOUND_MAY ? TRUTH_TRUE : TRUTH_FALSE;
	const struct ss_field *field = test->field;
	enum ss_decision decision;
	const char *why;

	if (!field || emitter->everything)
		return unknown;
	if (!emitter->plain && !(field->layers & SS_LAYER_FRAME))
		return unknown;
	if (!(field->layers & emitter->layers))
		return TRUTH_FALSE; /* a field that is absent satisfies nothing */
	if (emitter->whole_flows && field->flow == SS_FLOW_VARIES)
		return unknown;
	if (field->needs & SS_NEED_OWNER && !emitter->options.owners && !test->too_big)
		return TRUTH_FALSE; /* frames do not say whose they are */
	if (field->flow == SS_FLOW_MESSAGE && (emitter->any_frame || emitter->tracking.fd < 0))
		return unknown;
	decision = ss_test_decide(test, &why);
	if (decision == SS_DECISION_NONE)
		return unknown;
	if (decision == SS_DECISION_BOUND && bound == SS_BOUND_MUST && !test->family->has_must)
		return unknown;
	if (test->comparison == SS_TEST_PRESENT && decision == SS_DECISION_EXACT &&
	    !field->optional)
		return TRUTH_TRUE;
	return TRUTH_CODE;
}

static enum truth truth_of(const struct ss_emitter *emitter, const struct ss_expression *expression,
			   enum ss_bound bound)
{
	enum truth left, right, decisive;

	switch (expression->kind) {
	case SS_EXPRESSION_TEST:
		return test_truth(emitter, expression->test, bound);
	case SS_EXPRESSION_NOT:
		return opposite(truth_of(emitter, expression->left,
					 bound == SS_BOUND_MAY ? SS_BOUND_MUST : SS_BOUND_MAY));
	default:
		decisive = expression->kind == SS_EXPRESSION_AND ? TRUTH_FALSE : TRUTH_TRUE;
		left = truth_of(emitter, expression->left, bound);
		if (left == decisive)
			return left;
		right = truth_of(emitter, expression->right, bound);
		if (right == decisive || left == opposite(decisive))
			return right;
		return left;
	}
}

/* R0 = what any frame of the flow may answer (MAY), or all of them surely answer (MUST). */
static void emit_both_ways(struct ss_emitter *emitter, const struct ss_test *test,
			   enum ss_bound bound)
{
	size_t decided;

	test->family->emit(emitter, test, bound);
	decided = ss_emit_jump(
		emitter, SS_JUMPW_IMM(bound == SS_BOUND_MAY ? BPF_JNE : BPF_JEQ, BPF_REG_0, 0, 0));
	emitter->reversed = true;
	test->family->emit(emitter, test, bound);
	emitter->reversed = false;
	ss_emit_land(emitter, decided);
}

/* Tests on messages look at every frame, whatever another test says: they remember something. So
 * where there are several they are asked first, and their answers kept. */
static void ask_messages(struct ss_emitter *emitter)
{
	if (emitter->messages->len)
		ss_emit(emitter, SS_ST_IMM(BPF_DW, BPF_REG_10, SS_STACK_ANSWERS, 0));
	for (guint i = 0; i < emitter->messages->len; i++) {
		const struct ss_test *test = emitter->messages->pdata[i];

		if (test_truth(emitter, test, SS_BOUND_MAY) != TRUTH_CODE)
			continue;
		test->family->emit(emitter, test, SS_BOUND_MAY);
		ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, SS_STACK_ANSWERS));
		ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_0, 0, 0, i));
		ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_1, BPF_REG_0, 0, 0));
		ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_1, SS_STACK_ANSWERS));
	}
}

/* R0 = what the test answered. */
static void emit_answer_of(struct ss_emitter *emitter, guint place)
{
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_0, BPF_REG_10, SS_STACK_ANSWERS));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_0, 0, 0, place));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, 0, 1));
}

static void emit_condition(struct ss_emitter *emitter, const struct ss_expression *expression,
			   enum ss_bound bound, ss_label if_true, ss_label if_false)
{
	bool conjunction = expression->kind == SS_EXPRESSION_AND;
	const struct ss_test *test = expression->test;
	ss_label next;
	guint place;

	switch (expression->kind) {
	case SS_EXPRESSION_TEST:
		if (g_ptr_array_find(emitter->messages, test, &place))
			emit_answer_of(emitter, place);
		else if (emitter->whole_flows && test->field->flow == SS_FLOW_REVERSED)
			emit_both_ways(emitter, test, bound);
		else
			test->family->emit(emitter, test, bound);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 0), if_true);
		ss_emit_jump_to(emitter, SS_JUMP(0), if_false);
		return;
	case SS_EXPRESSION_NOT:
		emit_condition(emitter, expression->left,
			       bound == SS_BOUND_MAY ? SS_BOUND_MUST : SS_BOUND_MAY, if_false,
			       if_true);
		return;
	default:
		break;
	}
	/* A constant side does not decide, or there would be no code for the whole. */
	if (truth_of(emitter, expression->left, bound) != TRUTH_CODE) {
		emit_condition(emitter, expression->right, bound, if_true, if_false);
		return;
	}
	if (truth_of(emitter, expression->right, bound) != TRUTH_CODE) {
		emit_condition(emitter, expression->left, bound, if_true, if_false);
		return;
	}
	next = ss_label_new(emitter);
	emit_condition(emitter, expression->left, bound, conjunction ? next : if_true,
		       conjunction ? if_false : next);
	ss_label_bind(emitter, next);
	emit_condition(emitter, expression->right, bound, if_true, if_false);
}

/* --- The whole --- */

static void emit_return(struct ss_emitter *emitter, ss_label label, bool accept)
{
	if (!ss_label_is_used(emitter, label))
		return;
	ss_label_bind(emitter, label);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, accept));
	ss_emit(emitter, SS_EXIT());
}

static void look_at_tests(struct ss_emitter *emitter, const struct ss_expression *expression,
			  struct ss_walk *walk)
{
	const struct ss_field *field;
	const char *why;

	if (expression->kind != SS_EXPRESSION_TEST) {
		look_at_tests(emitter, expression->left, walk);
		if (expression->right)
			look_at_tests(emitter, expression->right, walk);
		return;
	}
	field = expression->test->field;
	/* What we don't know may depend on anything in its connection. */
	emitter->whole_flows |= !field || field->context != SS_CONTEXT_FRAME;
	emitter->everything |= field && field->context == SS_CONTEXT_ALL;
	emitter->any_frame |=
		!field || (field->context != SS_CONTEXT_FRAME && field->flow != SS_FLOW_MESSAGE);
	if (!field)
		return;
	walk->needed |= !(field->layers & SS_LAYER_FRAME);
	walk->transports |= (field->layers & TRANSPORTS) != 0;
	walk->heads |= expression->test->family == &ss_family_http;
	if (field->flow == SS_FLOW_MESSAGE)
		g_ptr_array_add(emitter->messages, expression->test);
	switch (ss_test_decide(expression->test, &why)) {
	case SS_DECISION_NONE:
		return;
	case SS_DECISION_BOUND:
		/* Expensive to verify: not once more for each number of tags. */
		walk->inner_tags &= !!(field->layers & SS_LAYER_FRAME);
		break;
	case SS_DECISION_EXACT:
		break;
	}
	walk->needs |= field->needs;
}

static void enter(struct ss_emitter *emitter, enum ss_frame_kind kind)
{
	emitter->layers = kind_layers[kind];
	emitter->plain = kind != SS_FRAME_UNPLAIN;
	emitter->near = kind < SS_FRAME_NEAR_IPV4_TCP   ? 0
			: kind < SS_FRAME_NEAR_IPV6_TCP ? SS_STACK_IPV4
							: SS_STACK_NETWORK;
	if (emitter->plain && emitter->options.link_type == SS_LINKTYPE_ETHERNET)
		emitter->layers |= SS_LAYER_ETHERNET;
}

/* The kind whose body serves: where no test is about transports, one does for all of IPv4, or two:
 * one for what is near. */
static enum ss_frame_kind body_of(const struct ss_walk *walk, enum ss_frame_kind kind)
{
	static const enum ss_frame_kind serve[] = {
		SS_FRAME_NEAR_IPV6_TCP,
		SS_FRAME_NEAR_IPV4_TCP,
		SS_FRAME_IPV6_TCP,
		SS_FRAME_IPV4_TCP,
	};

	for (size_t i = 0; i < G_N_ELEMENTS(serve) && !walk->transports; i++)
		if (kind >= serve[i])
			return serve[i];
	return kind;
}

/* A body for each kind of frame that is not decided by its kind. */
static int emit_all(struct ss_emitter *emitter, const struct ss_expression *expression,
		    struct ss_walk *walk, guint most)
{
	enum truth truth[SS_FRAME_KINDS];
	bool decided = true;

	for (enum ss_frame_kind kind = 0; kind < SS_FRAME_KINDS; kind++) {
		enter(emitter, kind);
		truth[kind] = truth_of(emitter, expression, SS_BOUND_MAY);
		decided &= truth[kind] == truth[0] && truth[kind] != TRUTH_CODE;
		walk->to[kind] = truth[kind] == TRUTH_TRUE     ? emitter->accept
				 : truth[kind] == TRUTH_FALSE  ? emitter->reject
				 : body_of(walk, kind) == kind ? ss_label_new(emitter)
							       : walk->to[body_of(walk, kind)];
	}
	ss_emit(emitter, SS_MOV(CTX, BPF_REG_1));
	if (walk->needs & SS_NEED_OWNER && !decided && emitter->options.owners)
		ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, SS_STACK_OWNER));
	if (decided) {
		ss_emit_jump_to(emitter, SS_JUMP(0), walk->to[0]);
		return 0;
	}
	if (!walk->needed) {
		enter(emitter, SS_FRAME_UNPLAIN);
		emit_condition(emitter, expression, SS_BOUND_MAY, emitter->accept, emitter->reject);
		return 0;
	}
	emitter->near = 0;
	ss_walk_emit(emitter, walk);
	for (enum ss_frame_kind kind = 0; kind < SS_FRAME_KINDS; kind++) {
		if (truth[kind] != TRUTH_CODE || body_of(walk, kind) != kind ||
		    !ss_label_is_used(emitter, walk->to[kind]))
			continue;
		enter(emitter, kind);
		ss_label_bind(emitter, walk->to[kind]);
		ask_messages(emitter);
		emit_condition(emitter, expression, SS_BOUND_MAY, emitter->accept, emitter->reject);
		if (emitter->insns->len > most)
			return -E2BIG;
	}
	return 0;
}

enum ss_filter_rest ss_emit_rest(const struct ss_expression *expression)
{
	const struct ss_test *test = expression->test;
	enum ss_filter_rest left, right;
	const char *why;

	if (expression->kind == SS_EXPRESSION_TEST) {
		if (ss_test_decide(test, &why) != SS_DECISION_EXACT)
			return SS_REST_ALL;
		return test->field->layers & SS_LAYER_FRAME ? SS_REST_NOTHING : SS_REST_UNPLAIN;
	}
	left = ss_emit_rest(expression->left);
	right = expression->right ? ss_emit_rest(expression->right) : SS_REST_NOTHING;
	return MAX(left, right);
}

bool ss_emit_asks_owner(const struct ss_expression *expression)
{
	g_autoptr(GPtrArray) messages = g_ptr_array_new();
	struct ss_emitter emitter = {.messages = messages};
	struct ss_walk walk = {0};

	look_at_tests(&emitter, expression, &walk);
	return walk.needs & SS_NEED_OWNER && !emitter.whole_flows;
}

struct way {
	bool near, near_all; /* of struct ss_walk */
	guint most;          /* instructions */
};

static int emit_expression(const struct ss_expression *expression,
			   const struct ss_emit_options *options, struct ss_tracking tracking,
			   const struct way *way, struct bpf_insn **ret_insns, size_t *ret_count)
{
	g_autoptr(GArray) insns = g_array_new(FALSE, FALSE, sizeof(struct bpf_insn));
	g_autoptr(GArray) labels = g_array_new(FALSE, FALSE, sizeof(size_t));
	g_autoptr(GArray) jumps = g_array_new(FALSE, FALSE, sizeof(struct ss_jump));
	g_autoptr(GPtrArray) messages = g_ptr_array_new();
	struct ss_emitter emitter = {
		.messages = messages,
		.options = *options,
		.tracking = tracking,
		.insns = insns,
		.labels = labels,
		.jumps = jumps,
	};
	struct ss_walk walk = {.near = way->near, .near_all = way->near_all, .inner_tags = true};

	look_at_tests(&emitter, expression, &walk);
	emitter.any_frame |= messages->len > SS_ANSWERS_MAX;
	if (messages->len == 1 || emitter.any_frame)
		g_ptr_array_set_size(messages, 0);
	walk.tags = walk.needs & SS_NEED_TAGS;
	walk.heads = emitter.heads = walk.heads && !walk.tags && !(walk.needs & SS_NEED_LINK) &&
				     !walk.near && options->link_type == SS_LINKTYPE_ETHERNET;
	emitter.accept = ss_label_new(&emitter);
	emitter.reject = ss_label_new(&emitter);
	if (emit_all(&emitter, expression, &walk, way->most) < 0)
		return -E2BIG;
	emit_return(&emitter, emitter.accept, true);
	emit_return(&emitter, emitter.reject, false);
	resolve(&emitter);
	*ret_count = insns->len;
	*ret_insns = (struct bpf_insn *)(void *)g_array_free(g_steal_pointer(&insns), FALSE);
	return 0;
}

int ss_emit_expression(const struct ss_expression *expression,
		       const struct ss_emit_options *options, struct ss_tracking tracking,
		       struct bpf_insn **ret_insns, size_t *ret_count, struct ss_error *error)
{
	/* Bodies less, where a call is not what a filter costs. */
	static const struct way ways[] = {
		{true, true, NEAR_ALL_MAX},
		{true, false, NEAR_MAX},
		{false, false, SS_DISPLAY_BODY_MAX},
	};
	int r = -E2BIG;

	for (size_t i = options->only_calls ? 2 : 0; i < G_N_ELEMENTS(ways) && r == -E2BIG; i++)
		r = emit_expression(expression, options, tracking, &ways[i], ret_insns, ret_count);
	return r < 0 ? ss_fail(error, r, "the filter needs more than %d instructions in the kernel",
			       SS_DISPLAY_BODY_MAX)
		     : 0;
}
