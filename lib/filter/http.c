/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1 on any port, as Wireshark's heuristics find it: a segment that begins with "HTTP/" is a
 * response, one that begins with letters and a space is a request, all others go on with what came
 * before. Of the head the first line is looked at, as far as it is in the segment; what is not
 * there may match.
 *
 * Where exchanges are whole the other half comes, too. A test on requests makes both directions
 * wanted until the connection's next request, or another protocol begins (101, CONNECT). A test on
 * responses lets every request pass, and segments that end connections: somebody behind leaves
 * those out that were answered otherwise.
 *
 * In a tunnel that CONNECT made HTTP is found like anywhere.
 */
#include "http.h"

#include <string.h>

#include "message.h"

/* Bytes looked at first: a method is shorter, a status line's number is in them. */
#define HEAD       SS_MESSAGE_HEAD
#define UPLOAD_MAX 32u /* segments of a request's body that come with it as context */
#define SWITCHING  101u

/* Wireshark's "http.tcp.port": whatever is said there is HTTP for it. */
static const uint16_t ports[] = {80, 3128, 3132, 5985, 8080, 8088, 11371, 1900, 2869, 2710};

/* What a field is about. */
enum subject {
	MESSAGE,
	REQUEST,
	METHOD,
	URI,
	URI_PART, /* not from its beginning on */
	RESPONSE,
	CODE,
};

#define FIELD(name, type, bits, subject)                                                           \
	{                                                                                          \
		name, type, SS_CONTEXT_FLOW, SS_LAYER_TCP | SS_LAYER_UDP, 0, bits,                 \
			SS_FLOW_MESSAGE, true, subject, NULL                                       \
	}
#define TEXT(name, subject) FIELD(name, SS_FIELD_STRING, 0, subject)

static const struct ss_field fields[] = {
	FIELD("http", SS_FIELD_PROTOCOL, 0, MESSAGE),
	FIELD("http.request", SS_FIELD_BOOL, 1, REQUEST),
	FIELD("http.response", SS_FIELD_BOOL, 1, RESPONSE),
	TEXT("http.request.method", METHOD),
	TEXT("http.request.uri", URI),
	TEXT("http.request.uri.path", URI),
	TEXT("http.request.uri.query", URI_PART),
	TEXT("http.request.full_uri", REQUEST),
	TEXT("http.request.version", REQUEST),
	TEXT("http.request.line", REQUEST),
	TEXT("http.host", REQUEST),
	TEXT("http.user_agent", REQUEST),
	TEXT("http.referer", REQUEST),
	TEXT("http.cookie", REQUEST),
	TEXT("http.authorization", REQUEST),
	TEXT("http.accept", REQUEST),
	TEXT("http.accept_encoding", REQUEST),
	TEXT("http.accept_language", REQUEST),
	TEXT("http.x_forwarded_for", REQUEST),
	FIELD("http.response.code", SS_FIELD_NUMBER, 16, CODE),
	TEXT("http.response.code.desc", RESPONSE),
	TEXT("http.response.phrase", RESPONSE),
	TEXT("http.response.version", RESPONSE),
	TEXT("http.response.line", RESPONSE),
	TEXT("http.server", RESPONSE),
	TEXT("http.set_cookie", RESPONSE),
	TEXT("http.location", RESPONSE),
	TEXT("http.content_type", MESSAGE),
	TEXT("http.content_encoding", MESSAGE),
	TEXT("http.transfer_encoding", MESSAGE),
	TEXT("http.content_length_header", MESSAGE),
	TEXT("http.connection", MESSAGE),
	TEXT("http.cache_control", MESSAGE),
	TEXT("http.date", MESSAGE),
};

static bool is_of_request(const struct ss_test *test)
{
	return test->field->data >= REQUEST && test->field->data <= URI_PART;
}

static bool is_of_response(const struct ss_test *test)
{
	return test->field->data >= RESPONSE;
}

bool ss_http_is_of_request(const struct ss_test *test)
{
	return test->field && test->family == &ss_family_http && is_of_request(test);
}

bool ss_http_is_of_response(const struct ss_test *test)
{
	return test->field && test->family == &ss_family_http && is_of_response(test);
}

/* How HTTP/2 begins, which looks like a request. */
static const char preface[8] = "PRI * HT";

/* The name of the protocol alone, which holds for all that is said on a connection. */
static bool is_protocol(const struct ss_test *test)
{
	return test->comparison == SS_TEST_PRESENT && !test->sliced &&
	       strcmp(test->field->name, "http") == 0;
}

bool ss_http_wants_code(const struct ss_test *test, unsigned code)
{
	if (!ss_http_is_of_response(test) || test->field->data != CODE)
		return true;
	switch (test->comparison) {
	case SS_TEST_PRESENT:
	case SS_TEST_CONTAINS:
	case SS_TEST_MATCHES:
	case SS_TEST_OPAQUE:
		return true;
	default:
		return ss_test_number_satisfies(test, code);
	}
}

/* Bytes of a text that a test compares literally, if that is all it does. */
static size_t literal_length(const struct ss_test *test)
{
	size_t length = 0;

	if (ss_test_value(test)->string)
		g_bytes_get_data(ss_test_value(test)->string, &length);
	return length;
}

bool ss_http_is_decided(const struct ss_test *test)
{
	bool equal = test->comparison == SS_TEST_EQ || test->comparison == SS_TEST_IN;

	if (test->sliced || test->comparison == SS_TEST_OPAQUE)
		return false;
	switch ((enum subject)test->field->data) {
	case MESSAGE:
		return is_protocol(test);
	case REQUEST:
	case RESPONSE:
		return test->field->type == SS_FIELD_BOOL && test->comparison == SS_TEST_PRESENT;
	case METHOD:
		return test->comparison == SS_TEST_PRESENT || equal;
	case CODE:
		return true;
	case URI:
		if (strcmp(test->field->name, "http.request.uri") != 0)
			return false;
		if (test->comparison == SS_TEST_CONTAINS)
			return literal_length(test) <= 8;
		return test->comparison == SS_TEST_EQ && literal_length(test) < SS_MESSAGE_WINDOW;
	default:
		return false;
	}
}

static enum ss_decision decide(const struct ss_test *test, const char **ret_why)
{
	(void)test;
	*ret_why = "a message may go on in several frames, which Wireshark puts together";
	return SS_DECISION_BOUND;
}

/* Where the parts of a test's code are. */
struct places {
	ss_label accept, reject, request, response, other, unknown, match, mismatch;
};

static void go(struct ss_emitter *emitter, ss_label label)
{
	ss_emit_jump_to(emitter, SS_JUMP(0), label);
}

static const uint8_t *text_of(const struct ss_value *value, size_t *ret_length)
{
	return value->string ? g_bytes_get_data(value->string, ret_length) : NULL;
}

/* What a pattern wants literally; NULL: not that simple. *ret_begins: at the beginning. */
static GString *literal_of(const struct ss_value *pattern, bool *ret_begins)
{
	GString *literal = g_string_new(NULL);
	const char *text;
	size_t length, at = 0;

	text = (const char *)text_of(pattern, &length);
	*ret_begins = text && length && text[0] == '^';
	for (at = *ret_begins; text && at < length; at++) {
		if (text[at] == '\\' && at + 1 < length && g_ascii_ispunct(text[at + 1]))
			at++;
		else if (!g_ascii_isalnum(text[at]) && !strchr("/_-=&%,:;~@!", text[at]))
			break;
		g_string_append_c(literal, text[at]);
	}
	/* A character before a quantifier may be missing. */
	if (literal->len && text && at < length && strchr("?*{+", text[at]))
		g_string_truncate(literal, literal->len - 1);
	if (!literal->len || (text && memchr(text, '|', length))) {
		g_string_free(literal, TRUE);
		return NULL;
	}
	return literal;
}

/* The method is one of the test's. */
static void emit_method(struct ss_emitter *emitter, const struct ss_test *test,
			const struct places *to)
{
	for (guint i = 0; i < test->ranges->len; i++) {
		ss_label next = ss_label_new(emitter);
		size_t length = 0;
		const uint8_t *text = text_of(&ss_test_range(test, i)->from, &length);
		g_autofree char *word =
			g_strdup_printf("%.*s ", (int)MIN(length, HEAD), (const char *)text);

		ss_message_prefix(emitter, (const uint8_t *)word, MIN(strlen(word), HEAD), false,
				  next);
		go(emitter, to->match);
		ss_label_bind(emitter, next);
	}
	go(emitter, to->mismatch);
}

/* R2 = offset of the URI. Where the line ends before the test is decided, it may match. */
static void emit_prefix(struct ss_emitter *emitter, const uint8_t *bytes, size_t length, bool fold,
			const struct places *to)
{
	ss_label differs = ss_label_new(emitter);
	int last = SS_STACK_SCRATCH + (int)MIN(length, SS_MESSAGE_WINDOW) - 1;

	ss_message_window(emitter, SS_MESSAGE_WINDOW, to->match);
	ss_message_prefix(emitter, bytes, length, fold, differs);
	go(emitter, to->match);
	ss_label_bind(emitter, differs);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, (int16_t)last));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), to->match);
	go(emitter, to->mismatch);
}

static void emit_search(struct ss_emitter *emitter, const uint8_t *bytes, size_t length, bool fold,
			const struct places *to)
{
	const struct ss_message_needle needle = {bytes, length, fold, 0};

	ss_message_window(emitter, SS_MESSAGE_WINDOW, to->match);
	ss_message_search(emitter, 0, SS_MESSAGE_WINDOW, &needle, ' ', to->match, to->mismatch);
	go(emitter, to->match);
}

/* Whether code for the URI makes sense; without, any request may match. */
static bool looks_at_uri(const struct ss_test *test)
{
	g_autoptr(GString) literal = NULL;
	size_t length = 0;
	bool begins;

	if ((test->field->data != URI && test->field->data != URI_PART) || test->sliced)
		return false;
	if (test->comparison == SS_TEST_MATCHES) {
		literal = literal_of(ss_test_value(test), &begins);
		return literal;
	}
	if (test->comparison != SS_TEST_EQ && test->comparison != SS_TEST_CONTAINS)
		return false;
	return text_of(ss_test_value(test), &length) && length;
}

/* R3 = offset of the URI in the payload. */
static void emit_uri(struct ss_emitter *emitter, const struct ss_test *test,
		     const struct places *to)
{
	const struct ss_value *value = ss_test_value(test);
	bool fold = test->comparison == SS_TEST_MATCHES, begins = test->comparison == SS_TEST_EQ;
	bool whole = begins && strcmp(test->field->name, "http.request.uri") == 0;
	g_autoptr(GString) text = fold ? literal_of(value, &begins) : NULL;
	size_t length = 0;

	if (!text) {
		const uint8_t *bytes = text_of(value, &length);

		text = g_string_new_len((const char *)bytes, (gssize)length);
	}
	if (whole)
		g_string_append_c(text, ' ');
	/* For the verifier it is any small number now: not one path for each length of a method. */
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_5, BPF_REG_10, SS_STACK_SCRATCH));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_3, BPF_REG_5, 0, 0));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_3, BPF_REG_5, 0, 0));
	ss_message_payload(emitter);
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0));
	if (begins && test->field->data == URI)
		emit_prefix(emitter, (const uint8_t *)text->str, text->len, fold, to);
	else
		emit_search(emitter, (const uint8_t *)text->str, text->len, fold, to);
}

/* "HTTP/1.1 500": a number at its place, or it may be any. An interim response (1xx, but for what
 * changes the protocol) may have the final one behind it. */
static void emit_code(struct ss_emitter *emitter, const struct ss_test *test,
		      const struct places *to)
{
	size_t switching;

	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_2, BPF_REG_10, SS_STACK_SCRATCH + 8));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_2, ' ', 0), to->match);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_1, 0));
	for (int at = 9; at < 12; at++) {
		ss_emit(emitter,
			SS_LDX(BPF_B, BPF_REG_2, BPF_REG_10, (int16_t)(SS_STACK_SCRATCH + at)));
		ss_emit(emitter, SS_ALUW_IMM(BPF_SUB, BPF_REG_2, '0'));
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGT, BPF_REG_2, 9, 0), to->match);
		ss_emit(emitter, SS_ALUW_IMM(BPF_MUL, BPF_REG_1, 10));
		ss_emit(emitter, SS_ALUW(BPF_ADD, BPF_REG_1, BPF_REG_2));
	}
	switching = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, SWITCHING, 0));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JLT, BPF_REG_1, 200, 0), to->match);
	ss_emit_land(emitter, switching);
	ss_emit_compare(emitter, test);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 0), to->match);
	go(emitter, to->mismatch);
}

/* Letters and a space: to "request" with R3 = where the URI begins. */
static void emit_find_method(struct ss_emitter *emitter, const struct places *to)
{
	for (unsigned at = 0; at < HEAD; at++) {
		ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_2, BPF_REG_10,
					(int16_t)(SS_STACK_SCRATCH + (int)at)));
		if (at) {
			ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, 0, 0),
					to->unknown);
			ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_3, at + 1));
			ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, ' ', 0),
					to->request);
		}
		/* "-" and letters, small ones as well: what is not meant is accepted. */
		if (at) {
			size_t hyphen =
				ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, '-', 0));

			ss_emit(emitter, SS_ALUW_IMM(BPF_SUB, BPF_REG_2, 'A'));
			ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGT, BPF_REG_2, 'Z' - 'A', 0),
					to->other);
			ss_emit_land(emitter, hyphen);
		} else {
			ss_emit(emitter, SS_ALUW_IMM(BPF_SUB, BPF_REG_2, 'A'));
			ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGT, BPF_REG_2, 'Z' - 'A', 0),
					to->other);
		}
	}
	go(emitter, to->unknown);
}

/* Looks at the beginning of the payload and goes to what it is. */
static void emit_head(struct ss_emitter *emitter, ss_label none, const struct places *to)
{
	static const uint8_t version[] = "HTTP/";
	ss_label not_response = ss_label_new(emitter);

	ss_message_head(emitter, none);
	ss_message_prefix(emitter, version, 5, false, not_response);
	go(emitter, to->response);
	ss_label_bind(emitter, not_response);
	emit_find_method(emitter, to);
}

static bool is_whole(const struct ss_emitter *emitter)
{
	return ss_emit_tracking(emitter)->whole;
}

/* No payload: only the end of the connection is of interest, which may complete a message. */
static void emit_empty(struct ss_emitter *emitter, const struct ss_test *test,
		       const struct places *to)
{
	if (ss_emit_layers(emitter) & SS_LAYER_TCP) {
		ss_emit_header(emitter, BPF_B, BPF_REG_1, SS_STACK_TRANSPORT + 13);
		if (is_whole(emitter) && is_of_response(test))
			ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JSET, BPF_REG_1, 5, 0),
					to->accept);
		else
			ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JSET, BPF_REG_1, 1, 0),
					to->other);
	}
	go(emitter, to->reject);
}

/* Do both directions belong to a request, until another protocol begins? */
static bool may_switch(const struct ss_emitter *emitter, const struct ss_test *test)
{
	return is_whole(emitter) && is_of_request(test) && ss_emit_layers(emitter) & SS_LAYER_TCP;
}

static void emit_preface(struct ss_emitter *emitter, const struct places *to)
{
	ss_label differs = ss_label_new(emitter);

	ss_message_prefix(emitter, (const uint8_t *)preface, sizeof(preface), false, differs);
	go(emitter, to->other);
	ss_label_bind(emitter, differs);
}

static void emit_request(struct ss_emitter *emitter, const struct ss_test *test,
			 const struct places *to)
{
	if (!is_protocol(test))
		emit_preface(emitter, to);
	if (is_of_response(test)) {
		if (!is_whole(emitter)) {
			go(emitter, to->reject);
			return;
		}
		/* GET and HEAD have no body: an entry in the map for each would cost most of all.
		 */
		ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, SS_STACK_SCRATCH));
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 'G', 0), to->accept);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 'H', 0), to->accept);
		ss_message_follow(emitter, test, false, UPLOAD_MAX);
		go(emitter, to->accept);
	} else if (test->field->data == METHOD && !test->sliced &&
		   (test->comparison == SS_TEST_EQ || test->comparison == SS_TEST_IN)) {
		emit_method(emitter, test, to);
	} else if (looks_at_uri(test)) {
		emit_uri(emitter, test, to);
	} else {
		go(emitter, to->match);
	}
}

static void emit_response(struct ss_emitter *emitter, const struct ss_test *test,
			  const struct places *to)
{
	if (is_of_request(test)) {
		if (may_switch(emitter, test))
			ss_message_switch(emitter, test, to->accept, to->reject);
		go(emitter, to->other); /* or the end of a request line that is in two segments */
		return;
	}
	if (test->field->data == CODE && !test->sliced && test->comparison != SS_TEST_PRESENT)
		emit_code(emitter, test, to);
	else
		go(emitter, to->match);
}

static void follow(struct ss_emitter *emitter, const struct ss_test *test, bool both,
		   uint32_t frames)
{
	ss_message_follow(emitter, test, false, frames);
	if (both)
		ss_message_follow(emitter, test, true, SS_MESSAGE_ALL);
}

/* A request that asks for a tunnel is followed already. Where its URI is compared its method is not
 * on the stack any more: then there is no end to a tunnel but the next request. */
static void emit_connect(struct ss_emitter *emitter)
{
	static const char connect[8] = "CONNECT ";
	ss_label differs = ss_label_new(emitter);

	ss_message_prefix(emitter, (const uint8_t *)connect, sizeof(connect), false, differs);
	ss_message_mark_tunnel(emitter);
	ss_label_bind(emitter, differs);
}

/* To accept, if it is said at a port of HTTP. */
static void emit_ports(struct ss_emitter *emitter, const struct places *to)
{
	if (!(ss_emit_layers(emitter) & SS_LAYER_TCP))
		return;
	for (int side = 0; side < 2; side++) {
		ss_emit_header(emitter, BPF_H, BPF_REG_1, (int16_t)(SS_STACK_TRANSPORT + 2 * side));
		for (size_t i = 0; i < G_N_ELEMENTS(ports); i++)
			ss_emit_jump_to(
				emitter,
				SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, GUINT16_TO_BE(ports[i]), 0),
				to->accept);
	}
}

static void emit(struct ss_emitter *emitter, const struct ss_test *test, enum ss_bound bound)
{
	struct places to = {
		.accept = ss_label_new(emitter),
		.reject = ss_label_new(emitter),
		.request = ss_label_new(emitter),
		.response = ss_label_new(emitter),
		.other = ss_label_new(emitter),
		.unknown = ss_label_new(emitter),
		.match = ss_label_new(emitter),
		.mismatch = ss_label_new(emitter),
	};
	bool both = (is_of_request(test) && is_whole(emitter)) || is_protocol(test);
	ss_label none = ss_label_new(emitter), end = ss_label_new(emitter);

	(void)bound;
	emit_head(emitter, none, &to);
	ss_label_bind(emitter, to.request);
	emit_request(emitter, test, &to);
	ss_label_bind(emitter, to.response);
	emit_response(emitter, test, &to);
	ss_label_bind(emitter, none);
	emit_empty(emitter, test, &to);
	ss_label_bind(emitter, to.other);
	ss_message_is_followed(emitter, test, to.accept);
	if (is_protocol(test))
		emit_ports(emitter, &to);
	go(emitter, to.reject);
	if (ss_label_is_used(emitter, to.mismatch)) {
		ss_label_bind(emitter, to.mismatch);
		ss_message_forget(emitter, test, to.accept);
		if (both)
			ss_message_forget_opposite(emitter, test);
		go(emitter, to.reject);
	}
	ss_label_bind(emitter, to.unknown);
	follow(emitter, test, both, SS_MESSAGE_CUT);
	go(emitter, to.accept);
	if (ss_label_is_used(emitter, to.match)) {
		ss_label_bind(emitter, to.match);
		follow(emitter, test, both, SS_MESSAGE_ALL);
		if (may_switch(emitter, test) && !looks_at_uri(test))
			emit_connect(emitter);
	}
	ss_label_bind(emitter, to.accept);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1));
	go(emitter, end);
	ss_label_bind(emitter, to.reject);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 0));
	ss_label_bind(emitter, end);
}

const struct ss_family ss_family_http = {
	.name = "HTTP",
	.fields = fields,
	.count = G_N_ELEMENTS(fields),
	.decide = decide,
	.emit = emit,
};
