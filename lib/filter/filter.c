/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pcap-filter (classic.c), or a display filter: parse.c makes a tree of it, body.c eBPF. What is
 * too much for the kernel is left to tshark, test by test.
 */
#include "filter.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "body.h"
#include "cbpf.h"
#include "classic.h"
#include "explain.h"
#include "expression.h"
#include "format/pcapng.h"
#include "half.h"
#include "headers.h"
#include "http.h"
#include "identity.h"
#include "language.h"
#include "message.h"
#include "pattern.h"
#include "quotes.h"
#include "token.h"
#include "tshark.h"

#define LENGTH_MAX 262144 /* of a frame */

struct ss_filter {
	char *text;
	struct ss_classic *classic;       /* of a pcap-filter; or */
	struct ss_expression *expression; /* of a display filter ... */
	char *display;                    /* ... and its text */
	bool coarse;
	struct ss_tracking tracking;
	enum ss_filter_half half;
	bool pairs_http, pairs_dns; /* which tshark chooses from */
	char *wanted;               /* display, and the other half of exchanges; or NULL */
};

static void number_slot_tests(struct ss_expression *expression, unsigned *next)
{
	if (expression->kind != SS_EXPRESSION_TEST) {
		number_slot_tests(expression->left, next);
		if (expression->right)
			number_slot_tests(expression->right, next);
	} else if (expression->test->family == &ss_family_identity) {
		expression->test->slot_bit = (*next)++;
	}
}

static int compile_display(struct ss_filter *filter, struct ss_error *error)
{
	int r = ss_expression_parse(filter->text, &filter->expression, error);
	unsigned next = 0;

	if (r < 0)
		return r;
	number_slot_tests(filter->expression, &next);
	filter->display = ss_expression_text(filter->expression);
	filter->half = ss_half_find(filter->expression);
	return 0;
}

/* It is not about something that looks like a field of Wireshark. */
static bool is_of_no_field(const struct ss_test *test)
{
	return !test->name || (!ss_test_has_field(test) && !ss_token_is_field(test->name));
}

/* Nor is it a single word that may be one of its many protocols. */
static bool is_not_of_wireshark(const struct ss_test *test)
{
	const char *name = test->name;

	return is_of_no_field(test) && !(name && test->comparison == SS_TEST_PRESENT &&
					 !ss_language_is_capture_word(name) &&
					 (g_ascii_islower(name[0]) || name[0] == '_'));
}

/* A text without a mark of a display filter, which libpcap does not take: "gtp.teid", "gre". */
static int compile_either(struct ss_filter *filter, struct ss_error *error)
{
	struct ss_expression *expression = NULL;
	struct ss_error complaint = {0};
	int r = ss_classic_new(filter->text, &filter->classic, &complaint);

	if (r == 0)
		return 0;
	if (!strstr(complaint.message, SS_NEVER_TRUE) &&
	    ss_expression_parse(filter->text, &expression, NULL) == 0 &&
	    !ss_expression_has(expression, strstr(complaint.message, SS_SYNTAX_ERROR)
						   ? is_not_of_wireshark
						   : is_of_no_field))
		r = compile_display(filter, error);
	else
		ss_fail(error, r, "%s", complaint.message);
	ss_expression_free(expression);
	return r;
}

/* The test with the most values that is not left out yet; NULL: none. */
static struct ss_test *biggest_test(const struct ss_expression *expression)
{
	struct ss_test *left, *right;

	if (expression->kind == SS_EXPRESSION_TEST)
		return expression->test->too_big || !ss_test_has_field(expression->test)
			       ? NULL
			       : expression->test;
	left = biggest_test(expression->left);
	right = expression->right ? biggest_test(expression->right) : NULL;
	if (!left || !right)
		return left ? left : right;
	return right->ranges->len > left->ranges->len ? right : left;
}

static bool needs_owner(const struct ss_field *field)
{
	return field->needs & SS_NEED_OWNER;
}

static bool is_of_message(const struct ss_field *field)
{
	return field->flow == SS_FLOW_MESSAGE;
}

static bool is_any(const struct ss_field *field)
{
	(void)field;
	return true;
}

/* Leaves such tests to tshark. Returns whether there were any. */
static bool leave(struct ss_expression *expression, bool (*is_such)(const struct ss_field *field))
{
	struct ss_test *test = expression->test;
	bool left;

	if (expression->kind != SS_EXPRESSION_TEST) {
		left = leave(expression->left, is_such);
		return (expression->right && leave(expression->right, is_such)) || left;
	}
	left = ss_test_has_field(test) && !test->too_big && is_such(test->field);
	test->too_big |= left;
	return left;
}

void ss_filter_leave_owners(struct ss_filter *filter)
{
	if (filter->expression)
		leave(filter->expression, needs_owner);
}

bool ss_filter_coarsen(struct ss_filter *filter)
{
	if (!filter->expression ||
	    (!leave(filter->expression, is_of_message) && !leave(filter->expression, is_any)))
		return false;
	filter->coarse = true;
	/* tshark sees both halves now, if it has not before. */
	filter->pairs_http |= filter->tracking.whole;
	g_clear_pointer(&filter->wanted, g_free);
	return true;
}

/* Leaves tests to tshark, the biggest ones first, until the rest fits into the kernel. */
static int emit_what_fits(struct ss_filter *filter, const struct ss_emit_options *options,
			  struct bpf_insn **ret_insns, size_t *ret_count, struct ss_error *error)
{
	for (;;) {
		struct ss_test *test = filter->expression ? biggest_test(filter->expression) : NULL;
		int r = ss_filter_emit(filter, options, ret_insns, ret_count, test ? NULL : error);

		if (r != -E2BIG || !test)
			return r;
		test->too_big = true;
		filter->coarse = true;
	}
}

/* For a look at what a filter becomes: nothing is loaded. */
static const struct ss_emit_options as_it_will_be = {
	.link_type = SS_LINKTYPE_ETHERNET,
	.access = SS_FILTER_LD_ABS,
	.slots_fd = -1,
	.snap_len = LENGTH_MAX,
	.owners = true,
	.told_fd = 0,
};

static int compile_filter(struct ss_filter *filter, struct ss_error *error)
{
	g_autofree char *mark = ss_language_display_mark(filter->text);
	g_autofree struct bpf_insn *insns = NULL;
	size_t count;
	int r = ss_quotes_check(filter->text, error);

	if (r == 0)
		r = mark ? compile_display(filter, error) : compile_either(filter, error);
	if (r < 0)
		return r;
	/* What can't be translated should be said now. */
	return emit_what_fits(filter, &as_it_will_be, &insns, &count, error);
}

int ss_filter_new(const char *expression, struct ss_filter **ret, struct ss_error *error)
{
	const char *text = expression ? expression : "";
	struct ss_filter *filter;
	int r;

	if (strlen(text) > SS_FILTER_TEXT_MAX)
		return ss_fail(error, -E2BIG,
			       "the capture filter has %zu bytes, at most %d are supported; use "
			       "'net' instead of many hosts, 'portrange' instead of many ports",
			       strlen(text), SS_FILTER_TEXT_MAX);
	filter = g_new0(struct ss_filter, 1);
	filter->text = g_strdup(text);
	filter->tracking.fd = -1;
	filter->tracking.count_fd = -1;
	filter->tracking.hint_fd = -1;
	if (text[strspn(text, " \t\r\n\f\v")]) {
		r = compile_filter(filter, error);
		if (r < 0) {
			ss_filter_free(filter);
			return r;
		}
	}
	*ret = filter;
	return 0;
}

void ss_filter_free(struct ss_filter *filter)
{
	if (!filter)
		return;
	g_free(filter->text);
	ss_classic_free(filter->classic);
	ss_expression_free(filter->expression);
	g_free(filter->display);
	g_free(filter->wanted);
	ss_closep(&filter->tracking.fd);
	ss_closep(&filter->tracking.count_fd);
	ss_closep(&filter->tracking.hint_fd);
	g_free(filter);
}

/* Names that may be misspelt: fields that our tables have not. */
static void add_unknown(const struct ss_expression *expression, GPtrArray *names)
{
	if (expression->kind != SS_EXPRESSION_TEST) {
		add_unknown(expression->left, names);
		if (expression->right)
			add_unknown(expression->right, names);
	} else if (expression->test->name && !ss_test_has_field(expression->test)) {
		g_ptr_array_add(names, expression->test->name);
	}
}

/* Wireshark has them from our plugin only. */
static void add_ours(GPtrArray *names)
{
	for (size_t i = 0; ss_families[i]; i++)
		for (size_t j = 0; j < ss_families[i]->count; j++)
			if (g_str_has_prefix(ss_families[i]->fields[j].name, "stratoshark."))
				g_ptr_array_add(names,
						(char *)(guintptr)ss_families[i]->fields[j].name);
	g_ptr_array_add(names, NULL);
}

static bool names_ours(const GPtrArray *names)
{
	for (guint i = 0; i < names->len; i++)
		if (names->pdata[i] && g_str_has_prefix(names->pdata[i], "stratoshark."))
			return true;
	return false;
}

/* Where it is wrong, if tshark's complaint does not show that and it is a regular expression. */
static char *find_place(const struct ss_filter *filter, const char *complaint)
{
	size_t column = ss_pattern_find_wrong(filter->expression, filter->text);

	if (column == SS_TOKEN_NOWHERE || strchr(complaint, '\n'))
		return g_strdup("");
	return ss_filter_caret(filter->text, column);
}

int ss_filter_check(const struct ss_filter *filter, struct ss_error *error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new(), ours = g_ptr_array_new();
	g_autofree char *place = NULL;
	struct ss_error complaint = {0};
	int r;

	if (!filter->expression || ss_expression_is_known(filter->expression))
		return 0;
	add_unknown(filter->expression, names);
	g_ptr_array_add(names, NULL);
	add_ours(ours);
	r = ss_tshark_check(filter->display, (const char *const *)names->pdata,
			    (const char *const *)ours->pdata, &complaint);
	if (r == 0)
		return 0;
	place = r == -EINVAL ? find_place(filter, complaint.message) : g_strdup("");
	if (!names->pdata[0] && !*place && ss_expression_needs_plugin(filter->expression))
		return ss_fail(error, r,
			       "%s\ntshark decides this, and needs our Wireshark plugin for it "
			       "('" PROGRAM_NAME " doctor' says whether it is installed)",
			       complaint.message);
	if (names_ours(names) && !strstr(complaint.message, "did you mean"))
		return ss_fail(
			error, r,
			"%s\ntshark knows fields of this name only with our Wireshark plugin "
			"('" PROGRAM_NAME " doctor' says whether it is installed)",
			complaint.message);
	return ss_fail(error, r, "%s%s", complaint.message, place);
}

const char *ss_filter_text(const struct ss_filter *filter)
{
	return filter->text;
}

bool ss_filter_is_empty(const struct ss_filter *filter)
{
	return ss_filter_language(filter) == SS_FILTER_NONE;
}

enum ss_filter_language ss_filter_language(const struct ss_filter *filter)
{
	return filter->expression ? SS_FILTER_DISPLAY
	       : filter->classic  ? SS_FILTER_PCAP
				  : SS_FILTER_NONE;
}

enum ss_filter_half ss_filter_half(const struct ss_filter *filter)
{
	return filter->half;
}

static bool is_on_messages(const struct ss_test *test)
{
	return test->field && test->field->flow == SS_FLOW_MESSAGE;
}

bool ss_filter_has_messages(const struct ss_filter *filter)
{
	return filter->expression && ss_expression_has(filter->expression, is_on_messages);
}

static bool is_on_headers(const struct ss_test *test)
{
	const unsigned others = SS_LAYER_FRAME | SS_LAYER_ETHERNET | SS_LAYER_ARP;

	return test->family == &ss_family_headers && test->field->layers & ~others;
}

bool ss_filter_has_headers(const struct ss_filter *filter)
{
	return filter->expression ? ss_expression_has(filter->expression, is_on_headers)
				  : ss_filter_language(filter) == SS_FILTER_PCAP;
}

static bool wants_code(const struct ss_expression *expression, unsigned code)
{
	switch (expression->kind) {
	case SS_EXPRESSION_TEST:
		return ss_http_wants_code(expression->test, code);
	case SS_EXPRESSION_AND:
		return wants_code(expression->left, code) && wants_code(expression->right, code);
	case SS_EXPRESSION_OR:
		return wants_code(expression->left, code) || wants_code(expression->right, code);
	default:
		return true;
	}
}

bool ss_filter_wants_code(const struct ss_filter *filter, unsigned code)
{
	return !filter->expression || wants_code(filter->expression, code);
}

/* What is left of tests that are decided for whole exchanges. */
static enum ss_filter_rest whole_rest(const struct ss_expression *expression)
{
	enum ss_filter_rest left, right;

	if (expression->kind == SS_EXPRESSION_NOT)
		return SS_REST_ALL;
	if (expression->kind == SS_EXPRESSION_TEST) {
		const struct ss_test *test = expression->test;

		if (test->family == &ss_family_http)
			return ss_http_is_decided(test) ? SS_REST_UNPLAIN : SS_REST_ALL;
		return test->field && test->field->flow == SS_FLOW_SAME ? ss_body_rest(expression)
									: SS_REST_ALL;
	}
	left = whole_rest(expression->left);
	right = whole_rest(expression->right);
	return MAX(left, right);
}

enum ss_filter_rest ss_filter_rest(const struct ss_filter *filter)
{
	if (!filter->expression)
		return SS_REST_NOTHING;
	return filter->tracking.whole && !filter->pairs_http ? whole_rest(filter->expression)
							     : ss_body_rest(filter->expression);
}

bool ss_filter_wants_both_halves(const struct ss_filter *filter)
{
	return filter->expression && ss_half_is_both(filter->expression);
}

bool ss_filter_is_about(const struct ss_filter *filter, enum ss_filter_protocol protocol)
{
	return filter->expression && ss_half_is_about(filter->expression, protocol);
}

void ss_filter_complete(struct ss_filter *filter, bool http)
{
	if (http && filter->half != SS_HALF_NEITHER &&
	    whole_rest(filter->expression) != SS_REST_ALL) {
		filter->tracking.whole = true;
		filter->wanted = g_strdup_printf("(%s) || %s || tcp.segment_data", filter->display,
						 ss_half_other(filter->half));
		return;
	}
	filter->pairs_http = http && ss_filter_is_about(filter, SS_PROTOCOL_HTTP);
	filter->pairs_dns = ss_filter_is_about(filter, SS_PROTOCOL_DNS);
	filter->tracking.whole = filter->pairs_http;
	filter->tracking.whole_dns = filter->pairs_dns;
}

bool ss_filter_is_paired(const struct ss_filter *filter, enum ss_filter_protocol protocol)
{
	return protocol == SS_PROTOCOL_HTTP ? filter->pairs_http : filter->pairs_dns;
}

const char *const *ss_filter_half_fields(const struct ss_filter *filter)
{
	return ss_half_fields(filter->half);
}

bool ss_filter_is_whole(const struct ss_filter *filter)
{
	return filter->tracking.whole || filter->tracking.whole_dns;
}

const char *ss_filter_wanted_text(const struct ss_filter *filter)
{
	return filter->wanted ? filter->wanted : filter->display;
}

int ss_filter_track(struct ss_filter *filter, struct ss_error *error)
{
	return ss_messages_new(&filter->tracking, error);
}

uint64_t ss_filter_forgotten(const struct ss_filter *filter)
{
	return filter->tracking.fd >= 0 ? ss_messages_forgotten(&filter->tracking) : 0;
}

bool ss_filter_adds_requests(const struct ss_filter *filter)
{
	return filter->tracking.whole && !filter->pairs_http &&
	       ss_filter_half(filter) == SS_HALF_RESPONSE;
}

bool ss_filter_asks_owner(const struct ss_filter *filter)
{
	return filter->expression && ss_body_asks_owner(filter->expression);
}

bool ss_filter_is_coarse(const struct ss_filter *filter)
{
	return filter->coarse;
}

const char *ss_filter_display_text(const struct ss_filter *filter)
{
	return filter->display;
}

const struct ss_expression *ss_filter_expression(const struct ss_filter *filter)
{
	return filter->expression;
}

int ss_filter_emit(const struct ss_filter *filter, const struct ss_emit_options *options,
		   struct bpf_insn **ret_insns, size_t *ret_count, struct ss_error *error)
{
	if (options->link_type != SS_LINKTYPE_ETHERNET && options->link_type != SS_LINKTYPE_RAW)
		return ss_fail(error, -EINVAL, "capture filters don't support link type %u",
			       options->link_type);
	if (filter->expression)
		return ss_body_emit(filter->expression, options, filter->tracking, ret_insns,
				    ret_count, error);
	return ss_classic_emit(filter->classic, options, ret_insns, ret_count, error);
}

size_t ss_filter_count_insns(const struct ss_filter *filter)
{
	struct ss_filter loaded = *filter;
	struct bpf_insn *insns = NULL;
	size_t count = 0;

	if (ss_filter_has_messages(filter)) /* as it will be: not loaded either */
		loaded.tracking.fd = loaded.tracking.count_fd = loaded.tracking.hint_fd = 0;
	if (ss_filter_emit(&loaded, &as_it_will_be, &insns, &count, NULL) < 0)
		return 0;
	g_free(insns);
	return count;
}

bool ss_filter_asks_direction(const struct ss_filter *filter)
{
	return filter->classic && ss_classic_loads(filter->classic, SS_CBPF_PACKET_TYPE);
}

bool ss_filter_asks_device(const struct ss_filter *filter)
{
	return filter->classic && ss_classic_loads(filter->classic, SS_CBPF_DEVICE);
}

bool ss_filter_is_unrolled(const struct ss_filter *filter)
{
	return filter->classic && ss_classic_is_unrolled(filter->classic);
}

bool ss_filter_matches(const struct ss_filter *filter, unsigned link_type, const uint8_t *frame,
		       uint32_t captured, uint32_t length, bool outgoing)
{
	return !filter->classic ||
	       ss_classic_matches(filter->classic, link_type, frame, captured, length, outgoing);
}
