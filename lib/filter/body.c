/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree as eBPF: the walk, then for each kind of frame a body in which tests on layers that are
 * not there are decided now. Conditions jump: a test leads to one label if it may hold, to another
 * if it does not. NOT swaps the labels and the bound (field.h).
 *
 * What could surprise: labels without a jump to them must not be bound, as the verifier refuses
 * unreachable instructions. Constants are folded for that, not for speed alone.
 */
#include "body.h"

#include <errno.h>

#include "format/pcapng.h"
#include "http.h"
#include "walk.h"

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

enum ss_filter_rest ss_body_rest(const struct ss_expression *expression)
{
	const struct ss_test *test = expression->test;
	enum ss_filter_rest left, right;
	const char *why;

	if (expression->kind == SS_EXPRESSION_TEST) {
		if (ss_test_decide(test, &why) != SS_DECISION_EXACT)
			return SS_REST_ALL;
		return test->field->layers & SS_LAYER_FRAME ? SS_REST_NOTHING : SS_REST_UNPLAIN;
	}
	left = ss_body_rest(expression->left);
	right = expression->right ? ss_body_rest(expression->right) : SS_REST_NOTHING;
	return MAX(left, right);
}

bool ss_body_asks_owner(const struct ss_expression *expression)
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
	ss_label_resolve(&emitter);
	*ret_count = insns->len;
	*ret_insns = (struct bpf_insn *)(void *)g_array_free(g_steal_pointer(&insns), FALSE);
	return 0;
}

int ss_body_emit(const struct ss_expression *expression, const struct ss_emit_options *options,
		 struct ss_tracking tracking, struct bpf_insn **ret_insns, size_t *ret_count,
		 struct ss_error *error)
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
