/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a filter, for people: understood as what, what of it the kernel decides, what is
 * left to tshark and why. Follows the rules of body.c for plain frames.
 */
#include "summary.h"

#include <string.h>

#include "expression.h"
#include "language.h"
#include "unroll.h"

#define COLUMN "                "

struct summary {
	bool whole_flows, everything;
	GString *left; /* lines: what is left to tshark */
};

/* The most that a test depends on. */
static enum ss_field_context context_of(const struct ss_expression *expression)
{
	enum ss_field_context left, right;
	const struct ss_field *field;

	if (expression->kind == SS_EXPRESSION_TEST) {
		field = expression->test->field;
		if (field && field->flow == SS_FLOW_MESSAGE)
			return SS_CONTEXT_FRAME; /* of its message, which the kernel follows */
		return field ? field->context : SS_CONTEXT_FLOW;
	}
	left = context_of(expression->left);
	right = expression->right ? context_of(expression->right) : SS_CONTEXT_FRAME;
	return MAX(left, right);
}

/* What frames must have for a test of which the kernel knows no more than where it can be. */
static char *layers_text(const struct ss_field *field)
{
	static const struct {
		unsigned layer;
		const char *name;
	} layers[] = {
		{SS_LAYER_ETHERNET, "eth"}, {SS_LAYER_ARP, "arp"},   {SS_LAYER_IPV4, "ip"},
		{SS_LAYER_IPV6, "ipv6"},    {SS_LAYER_ICMP, "icmp"}, {SS_LAYER_ICMPV6, "icmpv6"},
		{SS_LAYER_TCP, "tcp"},      {SS_LAYER_UDP, "udp"},
	};
	GString *text = g_string_new(NULL);
	bool several = false;

	for (size_t i = 0; i < G_N_ELEMENTS(layers); i++) {
		if (!(field->layers & layers[i].layer))
			continue;
		several = text->len > 0;
		g_string_append_printf(text, "%s%s", several ? " || " : "", layers[i].name);
	}
	if (several) {
		g_string_prepend_c(text, '(');
		g_string_append_c(text, ')');
	}
	return g_string_free(text, FALSE);
}

/* What the kernel makes of the test: NULL: it may always hold (MAY), or never surely (MUST). */
static char *kernel_test(const struct summary *summary, const struct ss_test *test,
			 enum ss_bound bound)
{
	enum ss_decision decision;
	const char *why;

	if (!test->field || summary->everything)
		return NULL;
	decision = ss_test_decide(test, &why);
	if (decision != SS_DECISION_EXACT && bound == SS_BOUND_MUST && !test->family->has_must)
		return NULL;
	if (decision == SS_DECISION_NONE ||
	    (summary->whole_flows && test->field->flow == SS_FLOW_VARIES)) {
		if (bound == SS_BOUND_MUST || test->field->layers & SS_LAYER_FRAME)
			return NULL;
		return layers_text(test->field);
	}
	if (summary->whole_flows && test->field->flow == SS_FLOW_REVERSED)
		return g_strdup_printf("%s (either way)", test->text);
	return g_strdup(test->text);
}

static char *kernel_part(const struct summary *summary, const struct ss_expression *expression,
			 enum ss_bound bound)
{
	bool conjunction = expression->kind == SS_EXPRESSION_AND;
	g_autofree char *left = NULL, *right = NULL;

	if (expression->kind == SS_EXPRESSION_TEST)
		return kernel_test(summary, expression->test, bound);
	if (expression->kind == SS_EXPRESSION_NOT) {
		left = kernel_part(summary, expression->left,
				   bound == SS_BOUND_MAY ? SS_BOUND_MUST : SS_BOUND_MAY);
		return left ? g_strdup_printf("!(%s)", left) : NULL;
	}
	left = kernel_part(summary, expression->left, bound);
	right = kernel_part(summary, expression->right, bound);
	if (left && right)
		return g_strcmp0(left, right) == 0
			       ? g_steal_pointer(&left)
			       : g_strdup_printf("(%s %s %s)", left, conjunction ? "&&" : "||",
						 right);
	/* One side may always hold: it decides an OR (of MAY), and leaves an AND to the other. */
	if (conjunction != (bound == SS_BOUND_MAY))
		return NULL;
	return left ? g_steal_pointer(&left) : g_steal_pointer(&right);
}

/* Whether the kernel only finds what may satisfy it. */
static bool is_bounded(const struct ss_test *test)
{
	const char *why;

	return ss_test_decide(test, &why) == SS_DECISION_BOUND;
}

static void add_left(struct summary *summary, const struct ss_expression *expression)
{
	const char *why;

	if (expression->kind != SS_EXPRESSION_TEST) {
		add_left(summary, expression->left);
		if (expression->right)
			add_left(summary, expression->right);
		return;
	}
	if (ss_test_decide(expression->test, &why) != SS_DECISION_EXACT)
		g_string_append_printf(summary->left, "%.100s: %s\n" COLUMN, expression->test->text,
				       why);
}

/* What of a pcap-filter is not in the bytes of a frame, or is not unlimited. */
static void append_notes(GString *text, const struct ss_filter *filter)
{
	if (ss_filter_asks_direction(filter))
		g_string_append(text, COLUMN
				"outbound is what the pod or interface sends, inbound every other "
				"frame: what it\n" COLUMN
				"receives, and what stays on its loopback\n");
	if (ss_filter_asks_device(filter))
		g_string_append(text, COLUMN
				"ifindex is the number of the device where a frame is captured, in "
				"its network\n" COLUMN "namespace\n");
	if (ss_filter_is_unrolled(filter))
		g_string_append_printf(text, COLUMN "protochain follows up to %d headers\n",
				       SS_UNROLL_TURNS);
}

/* The other half of exchanges. */
static void append_exchange(GString *text, const struct ss_filter *filter)
{
	bool dns = ss_filter_is_paired(filter, SS_PROTOCOL_DNS);
	bool http = ss_filter_is_paired(filter, SS_PROTOCOL_HTTP);
	const char *other = ss_filter_half(filter) == SS_HALF_RESPONSE ? "the requests they answer"
								       : "their responses";

	if (dns || http)
		g_string_append_printf(
			text,
			COLUMN "with both halves of exchanges of %s, which are kept where "
			       "tshark selects\n" COLUMN "one of them (--no-context: without)\n",
			dns && http ? "DNS and HTTP"
			: dns       ? "DNS"
				    : "HTTP");
	else if (ss_filter_is_whole(filter))
		g_string_append_printf(
			text,
			COLUMN
			"with all segments of these messages, and %s (--no-context: without)\n",
			other);
	else if (ss_filter_is_about(filter, SS_PROTOCOL_DNS) ||
		 ss_filter_is_about(filter, SS_PROTOCOL_HTTP))
		g_string_append(text, COLUMN "without the other half of exchanges\n");
}

static void append_display(GString *text, const struct ss_filter *filter,
			   const struct ss_expression *expression)
{
	g_autofree char *mark = ss_language_display_mark(ss_filter_text(filter));
	struct summary summary = {
		.whole_flows = context_of(expression) != SS_CONTEXT_FRAME,
		.everything = context_of(expression) == SS_CONTEXT_ALL,
		.left = g_string_new(NULL),
	};
	g_autofree char *kernel = kernel_part(&summary, expression, SS_BOUND_MAY);
	enum ss_filter_rest rest = ss_filter_rest(filter);

	g_string_append_printf(
		text,
		"understood as:  a display filter, as of Wireshark, because %s%s\n" COLUMN "%s\n",
		mark ? "of " : "libpcap does not take it", mark ? mark : "",
		ss_filter_display_text(filter));
	g_string_append_printf(text, "in the kernel:  %s (%zu instructions)\n",
			       kernel ? kernel : "nothing: every frame may match",
			       ss_filter_count_insns(filter));
	if (kernel && !summary.everything && ss_expression_has(expression, is_bounded))
		g_string_append(text, COLUMN "as far as one frame tells: what may match passes\n");
	if (summary.whole_flows && kernel)
		g_string_append(text, COLUMN "with all frames of these connections, which tshark "
					     "needs to decide\n");
	append_exchange(text, filter);
	if (ss_filter_wants_both_halves(filter))
		g_string_append(text, "beware:         " SS_BOTH_HALVES "\n");
	if (rest == SS_REST_ALL)
		add_left(&summary, expression);
	g_string_append_printf(text, "left to tshark: %s%s\n", summary.left->str,
			       rest == SS_REST_ALL ? "it gets every frame that the kernel accepts"
			       : rest == SS_REST_NOTHING
				       ? "nothing"
				       : "only frames with more headers than the kernel looks at: "
					 "tunnels, ICMP errors,\n" COLUMN
					 "IP fragments, unusual options, malformed ones");
	g_string_free(summary.left, TRUE);
}

char *ss_filter_summary(const struct ss_filter *filter)
{
	GString *text = g_string_new(NULL);

	switch (ss_filter_language(filter)) {
	case SS_FILTER_NONE:
		g_string_append(text, "no filter: every frame is kept\n");
		break;
	case SS_FILTER_PCAP:
		g_string_append_printf(
			text,
			"understood as:  a pcap-filter, as of tcpdump: it has nothing that only a "
			"display filter has\n" COLUMN "%s\n"
			"in the kernel:  all of it (%zu instructions)\n",
			ss_filter_text(filter), ss_filter_count_insns(filter));
		append_notes(text, filter);
		g_string_append(text, "left to tshark: nothing\n");
		break;
	case SS_FILTER_DISPLAY:
		append_display(text, filter, ss_filter_expression(filter));
		break;
	}
	return g_string_free(text, FALSE);
}
