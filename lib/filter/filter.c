/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pcap-filter: libpcap compiles the text to classic BPF, once for each of our link types; cbpf.c
 * turns that into eBPF when a program is loaded. A display filter: parse.c makes a tree of it,
 * emit.c eBPF.
 *
 * What could surprise: libpcap resolves names ("host db.example") while it compiles, and asks the
 * name server for anything it takes for a name, mistakes included. Hence the short time-outs.
 */
#include "filter.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <resolv.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>
/* linux/bpf.h has another struct bpf_insn, which filter.h names. */
#define bpf_insn pcap_bpf_insn
#include <pcap/pcap.h>
#undef bpf_insn

#include "cbpf.h"
#include "emit.h"
#include "explain.h"
#include "expression.h"
#include "format/pcapng.h"
#include "half.h"
#include "headers.h"
#include "http.h"
#include "identity.h"
#include "language.h"
#include "message.h"
#include "token.h"
#include "tshark.h"
#include "unroll.h"

#define LENGTH_MAX 262144 /* of a frame; libpcap returns it for "accept", we only test for 0 */

/* Bytes of text. The time of libpcap's optimiser grows with the cube of the length: 1 s for 200
 * hosts, minutes for 1000. Longer expressions go without it. */
#define OPTIMISED_MAX 4096

/* Try parts of an expression to find a mistake only if the whole takes less. */
#define QUICK_US (50 * G_TIME_SPAN_MILLISECOND)

#define PARSE_PREFIX "can't parse filter expression: "
#define NEVER_TRUE   "expression rejects all packets"
#define SYNTAX_ERROR "syntax error"

struct code {
	struct ss_cbpf_insn *insns;
	/* The same for libpcap's interpreter, of frames that come and of those that go. */
	struct pcap_bpf_insn *incoming, *outgoing;
	size_t count;
	bool unrolled;
};

struct ss_filter {
	char *text;
	struct ss_expression *expression; /* of a display filter ... */
	char *display;                    /* ... and its text */
	bool coarse;
	/* Of a pcap-filter. */
	struct code ethernet, raw; /* no instructions: everything is accepted */
	char *raw_complaint;       /* why the expression does not exist for RAW; or NULL */
	struct ss_tracking tracking;
	enum ss_filter_half half;
	bool pairs_http, pairs_dns; /* which tshark chooses from */
	char *wanted;               /* display, and the other half of exchanges; or NULL */
};

/* The interpreter has nothing but the bytes of a frame: it is told the rest as a constant. */
static struct pcap_bpf_insn *for_interpreter(const struct code *code, uint32_t packet_type)
{
	struct pcap_bpf_insn *program = g_new0(struct pcap_bpf_insn, code->count);

	for (size_t i = 0; i < code->count; i++) {
		const struct ss_cbpf_insn *insn = &code->insns[i];

		program[i].code = insn->code;
		program[i].jt = insn->jump_true;
		program[i].jf = insn->jump_false;
		program[i].k = insn->k;
		if (ss_cbpf_is_load_of(insn, SS_CBPF_PACKET_TYPE)) {
			program[i].code = BPF_LD | BPF_IMM;
			program[i].k = packet_type;
		}
	}
	return program;
}

static void copy_code(const struct bpf_program *program, struct code *ret)
{
	ret->count = program->bf_len;
	ret->insns = g_new(struct ss_cbpf_insn, ret->count);
	for (size_t i = 0; i < ret->count; i++) {
		ret->insns[i].code = program->bf_insns[i].code;
		ret->insns[i].jump_true = program->bf_insns[i].jt;
		ret->insns[i].jump_false = program->bf_insns[i].jf;
		ret->insns[i].k = program->bf_insns[i].k;
	}
	ret->unrolled = ss_cbpf_has_loop(ret->insns, ret->count);
	if (ret->unrolled) {
		struct ss_cbpf_insn *unrolled = ss_cbpf_unroll(ret->insns, ret->count, &ret->count);

		g_free(ret->insns);
		ret->insns = unrolled;
	}
	ret->incoming = for_interpreter(ret, PACKET_HOST);
	ret->outgoing = for_interpreter(ret, PACKET_OUTGOING);
}

static void clear_code(struct code *code)
{
	g_free(code->insns);
	g_free(code->incoming);
	g_free(code->outgoing);
}

/* NULL and *ret, or libpcap's complaint. */
static char *compile(const char *text, int dlt, struct code *ret)
{
	pcap_t *pcap = pcap_open_dead(dlt, LENGTH_MAX);
	struct bpf_program program;
	char *complaint = NULL;

	if (!pcap)
		return g_strdup("out of memory");
	if (pcap_compile(pcap, &program, text, strlen(text) <= OPTIMISED_MAX,
			 PCAP_NETMASK_UNKNOWN) < 0) {
		const char *message = pcap_geterr(pcap);

		if (g_str_has_prefix(message, PARSE_PREFIX))
			message += strlen(PARSE_PREFIX);
		complaint = g_strdup(message);
	} else {
		if (ret)
			copy_code(&program, ret);
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return complaint;
}

static char *probe(const char *text)
{
	return compile(text, DLT_EN10MB, NULL);
}

/*
 * The resolver of this thread waits 5 s twice for each server and search domain; while it compiles
 * a filter, 1 s once.
 */
static void compile_both(struct ss_filter *filter, char **ret_complaint)
{
	int retrans, retry;
	bool tuned = res_init() == 0;

	retrans = _res.retrans;
	retry = _res.retry;
	if (tuned) {
		_res.retrans = 1;
		_res.retry = 1;
	}
	*ret_complaint = compile(filter->text, DLT_EN10MB, &filter->ethernet);
	if (!*ret_complaint)
		filter->raw_complaint = compile(filter->text, DLT_RAW, &filter->raw);
	if (tuned) {
		_res.retrans = retrans;
		_res.retry = retry;
	}
}

/* "arp" is a fair filter, which a hook without ARP never satisfies: not a mistake for RAW. */
static void allow_never_true(struct ss_filter *filter)
{
	static const struct ss_cbpf_insn reject = {.code = BPF_RET | BPF_K, .k = 0};

	if (!filter->raw_complaint || !g_str_equal(filter->raw_complaint, NEVER_TRUE))
		return;
	g_clear_pointer(&filter->raw_complaint, g_free);
	filter->raw.insns = g_memdup2(&reject, sizeof(reject));
	filter->raw.count = 1;
	filter->raw.incoming = for_interpreter(&filter->raw, PACKET_HOST);
	filter->raw.outgoing = for_interpreter(&filter->raw, PACKET_OUTGOING);
}

static int fail_to_parse(const char *text, const char *complaint, bool probing,
			 struct ss_error *error)
{
	g_autofree char *sentence = ss_filter_explain(text, complaint, probing, probe);

	return ss_fail(error, -EINVAL, "%s", sentence);
}

static int compile_pcap(struct ss_filter *filter, struct ss_error *error)
{
	gint64 start_us = g_get_monotonic_time();
	g_autofree char *complaint = NULL;

	compile_both(filter, &complaint);
	if (complaint)
		return fail_to_parse(filter->text, complaint,
				     g_get_monotonic_time() - start_us < QUICK_US, error);
	allow_never_true(filter);
	return 0;
}

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

/* Whether every test is about something that looks like a field of Wireshark. */
static bool is_of_fields(const struct ss_expression *expression)
{
	const char *name;

	if (expression->kind != SS_EXPRESSION_TEST)
		return is_of_fields(expression->left) &&
		       (!expression->right || is_of_fields(expression->right));
	name = expression->test->name;
	return name && (ss_test_has_field(expression->test) || ss_token_is_field(name));
}

/* Whether each test is about something that looks like a field of Wireshark, or is a single word
 * that may be one of its many protocols. */
static bool may_be_of_wireshark(const struct ss_expression *expression)
{
	const char *name;

	if (expression->kind != SS_EXPRESSION_TEST)
		return may_be_of_wireshark(expression->left) &&
		       (!expression->right || may_be_of_wireshark(expression->right));
	name = expression->test->name;
	if (is_of_fields(expression))
		return true;
	return name && expression->test->comparison == SS_TEST_PRESENT &&
	       !ss_language_is_capture_word(name) && (g_ascii_islower(name[0]) || name[0] == '_');
}

/* A text without a mark of a display filter, which libpcap does not take: "gtp.teid", "gre". */
static int compile_either(struct ss_filter *filter, struct ss_error *error)
{
	struct ss_expression *expression = NULL;
	struct ss_error complaint = {0};
	int r = compile_pcap(filter, &complaint);

	if (r == 0)
		return 0;
	if (!strstr(complaint.message, NEVER_TRUE) &&
	    ss_expression_parse(filter->text, &expression, NULL) == 0 &&
	    (is_of_fields(expression) ||
	     (strstr(complaint.message, SYNTAX_ERROR) && may_be_of_wireshark(expression))))
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

/* Where a quote begins that no filter has: those of word processors, and 'text'. NULL: nowhere. */
static const char *find_wrong_quote(const char *text, const char **ret_quote)
{
	static const char *const quotes[] = {"\u201c", "\u201d", "\u201e",
					     "\u2018", "\u2019", NULL};

	for (const char *p = text; *p; p++) {
		const char *end;

		if (*p == '"') { /* a string may have them */
			for (p++; *p && *p != '"'; p++)
				if (*p == '\\' && p[1])
					p++;
			if (!*p)
				return NULL;
			continue;
		}
		for (size_t i = 0; quotes[i]; i++) {
			*ret_quote = quotes[i];
			if (g_str_has_prefix(p, quotes[i]))
				return p;
		}
		*ret_quote = "'";
		if (*p != '\'' || (p > text && !strchr(" \t({,=", p[-1])))
			continue;
		end = strchr(p + 1, '\'');
		if (end && end > p + 2 && p[1] != '\\') /* else it may be a character */
			return p;
	}
	return NULL;
}

static int check_quotes(const char *text, struct ss_error *error)
{
	g_autofree char *message = NULL, *sentence = NULL;
	const char *quote, *at = find_wrong_quote(text, &quote);

	if (!at)
		return 0;
	message =
		g_strdup_printf("strings are written in plain double quotes, \", not in %s", quote);
	sentence = ss_filter_sentence("display", text, message, (size_t)(at - text));
	return ss_fail(error, -EINVAL, "%s", sentence);
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
	int r = check_quotes(filter->text, error);

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
	clear_code(&filter->ethernet);
	clear_code(&filter->raw);
	g_free(filter->raw_complaint);
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

int ss_filter_check(const struct ss_filter *filter, struct ss_error *error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new(), ours = g_ptr_array_new();
	struct ss_error complaint = {0};
	int r;

	if (!filter->expression || ss_expression_is_known(filter->expression))
		return 0;
	add_unknown(filter->expression, names);
	g_ptr_array_add(names, NULL);
	add_ours(ours);
	r = ss_tshark_check(filter->display, (const char *const *)names->pdata,
			    (const char *const *)ours->pdata, &complaint);
	if (r < 0 && !names->pdata[0] && ss_expression_needs_plugin(filter->expression))
		return ss_fail(error, r,
			       "%s\ntshark decides this, and needs our Wireshark plugin for it "
			       "('" PROGRAM_NAME " doctor' says whether it is installed)",
			       complaint.message);
	if (r < 0 && names_ours(names) && !strstr(complaint.message, "did you mean"))
		return ss_fail(
			error, r,
			"%s\ntshark knows fields of this name only with our Wireshark plugin "
			"('" PROGRAM_NAME " doctor' says whether it is installed)",
			complaint.message);
	return r < 0 ? ss_fail(error, r, "%s", complaint.message) : 0;
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
	return filter->expression       ? SS_FILTER_DISPLAY
	       : filter->ethernet.insns ? SS_FILTER_PCAP
					: SS_FILTER_NONE;
}

enum ss_filter_half ss_filter_half(const struct ss_filter *filter)
{
	return filter->half;
}

static bool has_messages(const struct ss_expression *expression)
{
	if (expression->kind == SS_EXPRESSION_TEST)
		return expression->test->field && expression->test->field->flow == SS_FLOW_MESSAGE;
	return has_messages(expression->left) ||
	       (expression->right && has_messages(expression->right));
}

bool ss_filter_has_messages(const struct ss_filter *filter)
{
	return filter->expression && has_messages(filter->expression);
}

static bool has_headers(const struct ss_expression *expression)
{
	const unsigned others = SS_LAYER_FRAME | SS_LAYER_ETHERNET | SS_LAYER_ARP;

	if (expression->kind == SS_EXPRESSION_TEST)
		return expression->test->family == &ss_family_headers &&
		       expression->test->field->layers & ~others;
	return has_headers(expression->left) ||
	       (expression->right && has_headers(expression->right));
}

bool ss_filter_has_headers(const struct ss_filter *filter)
{
	return filter->expression ? has_headers(filter->expression)
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
		return test->field && test->field->flow == SS_FLOW_SAME ? ss_emit_rest(expression)
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
							     : ss_emit_rest(filter->expression);
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
	return filter->expression && ss_emit_asks_owner(filter->expression);
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
	static const struct ss_cbpf_insn accept = {.code = BPF_RET | BPF_K, .k = LENGTH_MAX};
	unsigned link_type = options->link_type;
	struct ss_emit_options all = *options;
	const struct code *code;

	if (link_type != SS_LINKTYPE_ETHERNET && link_type != SS_LINKTYPE_RAW)
		return ss_fail(error, -EINVAL, "capture filters don't support link type %u",
			       link_type);
	if (filter->expression)
		return ss_emit_expression(filter->expression, options, filter->tracking, ret_insns,
					  ret_count, error);
	code = link_type == SS_LINKTYPE_RAW ? &filter->raw : &filter->ethernet;
	if (link_type == SS_LINKTYPE_RAW && filter->raw_complaint)
		return ss_fail(error, -EOPNOTSUPP,
			       "the capture filter '%.200s' does not work where frames begin with "
			       "the IP header (%s); filter by IP addresses and ports instead",
			       filter->text, filter->raw_complaint);
	/* Each look is one more path to verify, and there are enough of them. */
	all.only_calls |= code->unrolled;
	return ss_cbpf_translate(code->insns ? code->insns : &accept, code->insns ? code->count : 1,
				 &all, ret_insns, ret_count, error);
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

/* Of a pcap-filter, for either kind of frames. */
static bool loads(const struct ss_filter *filter, uint32_t offset)
{
	const struct code *const codes[] = {&filter->ethernet, &filter->raw};

	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
		for (size_t j = 0; j < codes[i]->count; j++)
			if (ss_cbpf_is_load_of(&codes[i]->insns[j], offset))
				return true;
	return false;
}

bool ss_filter_asks_direction(const struct ss_filter *filter)
{
	return loads(filter, SS_CBPF_PACKET_TYPE);
}

bool ss_filter_asks_device(const struct ss_filter *filter)
{
	return loads(filter, SS_CBPF_DEVICE);
}

bool ss_filter_is_unrolled(const struct ss_filter *filter)
{
	return filter->ethernet.unrolled || filter->raw.unrolled;
}

bool ss_filter_matches(const struct ss_filter *filter, unsigned link_type, const uint8_t *frame,
		       uint32_t captured, uint32_t length, bool outgoing)
{
	const struct code *code = link_type == SS_LINKTYPE_RAW ? &filter->raw : &filter->ethernet;
	const struct pcap_bpf_insn *program = outgoing ? code->outgoing : code->incoming;

	if (ss_filter_language(filter) != SS_FILTER_PCAP)
		return true;
	/* What does not exist for these frames ("ether host ...") none of them satisfies. */
	return program && bpf_filter(program, frame, length, captured);
}
