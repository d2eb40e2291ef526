/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS, mDNS and LLMNR at their ports, and datagrams that look like it at others. In a datagram the
 * header is tested exactly, one question as far as it is in the first bytes; of TCP, where messages
 * may be anywhere in a segment, every segment with data may match.
 */
#include "dns.h"

#include <string.h>

#include "message.h"

/* Offsets in the message: RFC 1035 section 4.1.1. */
#define FLAGS    2
#define COUNT    4 /* of questions; of answers behind it */
#define QUESTION 12

#define HEADER_WINDOW 16

#define LABELS_MAX   36 /* of a name that are walked: those of an IPv6 address and a few */
#define LABEL_LENGTH 63 /* more: a pointer */

/* On the stack, behind the window: offsets in the frame. In front of it: a byte from there. */
#define AT      (SS_STACK_SCRATCH + SS_MESSAGE_WINDOW)
#define STOPPED (AT + 8)
#define PART    SS_STACK_SCRATCH

#define OPCODE_BITS 0x78 /* of the first byte of the flags; 0: a query */

/* What a field is about. */
enum subject {
	MESSAGE,
	ID,
	IS_RESPONSE,
	IS_TRUNCATED,
	RCODE,
	NAME,
	TYPE,
	ANSWERS, /* their number */
};

#define FIELD(name, type, bits, subject)                                                           \
	{                                                                                          \
		name, type, SS_CONTEXT_FLOW, SS_LAYER_TCP | SS_LAYER_UDP, 0, bits,                 \
			SS_FLOW_MESSAGE, true, subject, NULL                                       \
	}

static const struct ss_field fields[] = {
	FIELD("dns", SS_FIELD_PROTOCOL, 0, MESSAGE),
	FIELD("dns.id", SS_FIELD_NUMBER, 16, ID),
	FIELD("dns.flags.response", SS_FIELD_BOOL, 1, IS_RESPONSE),
	FIELD("dns.flags.authoritative", SS_FIELD_BOOL, 1, MESSAGE),
	FIELD("dns.flags.recavail", SS_FIELD_BOOL, 1, MESSAGE),
	FIELD("dns.flags.truncated", SS_FIELD_BOOL, 1, IS_TRUNCATED),
	FIELD("dns.flags.rcode", SS_FIELD_NUMBER, 16, RCODE),
	FIELD("dns.qry.name", SS_FIELD_STRING, 0, NAME),
	FIELD("dns.qry.type", SS_FIELD_NUMBER, 16, TYPE),
	FIELD("dns.resp.name", SS_FIELD_STRING, 0, MESSAGE),
	FIELD("dns.resp.type", SS_FIELD_NUMBER, 16, MESSAGE),
	FIELD("dns.count.answers", SS_FIELD_NUMBER, 16, ANSWERS),
	FIELD("dns.cname", SS_FIELD_STRING, 0, MESSAGE),
	FIELD("dns.a", SS_FIELD_IPV4, 32, MESSAGE),
	FIELD("dns.aaaa", SS_FIELD_IPV6, 128, MESSAGE),
};

static enum ss_decision decide(const struct ss_test *test, const char **ret_why)
{
	(void)test;
	*ret_why = "a message may have compressed names, or be in several segments of TCP";
	return SS_DECISION_BOUND;
}

static const uint8_t *text_of(const struct ss_test *test, size_t *ret_length)
{
	const struct ss_value *value = test->ranges->len ? ss_test_value(test) : NULL;

	return value && value->string ? g_bytes_get_data(value->string, ret_length) : NULL;
}

/* The beginning of a name as it is in a message; NULL: not that simple. */
static GByteArray *wire_name(const uint8_t *text, size_t length)
{
	GByteArray *wire = g_byte_array_new();
	size_t at = 0;

	while (at < length) {
		const uint8_t *dot = memchr(text + at, '.', length - at);
		guint8 label =
			(guint8)(dot ? dot - text - (ptrdiff_t)at : (ptrdiff_t)(length - at));

		if (!label || label > 63 || memchr(text + at, '\\', label)) {
			g_byte_array_unref(wire);
			return NULL;
		}
		g_byte_array_append(wire, &label, 1);
		g_byte_array_append(wire, text + at, label);
		at += label + 1u;
	}
	return wire;
}

static bool is_plain_text(const uint8_t *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '\\')
			return false;
	return length;
}

/* For the verifier R2 is any number then, on all paths the same. R5 is lost. */
static void forget(struct ss_emitter *emitter)
{
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_5, BPF_REG_10, PART));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_2, BPF_REG_5, 0, 0));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_2, BPF_REG_5, 0, 0));
}

/* R2 = offset of a name. Goes on with R2 = where it ends, by a zero; to unknown if it is not found.
 */
static void emit_walk(struct ss_emitter *emitter, ss_label unknown)
{
	ss_label end = ss_label_new(emitter);

	for (unsigned label = 0; label <= LABELS_MAX; label++) {
		forget(emitter);
		ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, AT));
		ss_emit_copy(emitter, PART, 1, BPF_REG_2, 0);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 0), unknown);
		ss_emit_number(emitter, BPF_REG_1, PART, 1);
		ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_2, BPF_REG_10, AT));
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), end);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGT, BPF_REG_1, LABEL_LENGTH, 0),
				unknown);
		ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0));
		ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, 1));
	}
	ss_emit_jump_to(emitter, SS_JUMP(0), unknown);
	ss_label_bind(emitter, end);
}

/* R2 = the question's name. Leads to several if there is more than one question. */
static void emit_question(struct ss_emitter *emitter, ss_label several)
{
	ss_emit_number(emitter, BPF_REG_1, SS_STACK_SCRATCH + COUNT, 2);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGT, BPF_REG_1, 1, 0), several);
	ss_message_payload(emitter);
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, QUESTION));
}

/* The name was searched up to a zero, at R0 in the window. Leads to no if it ends there; a label
 * may have a zero, too, and then the rest of the name may match. */
static void emit_name_end(struct ss_emitter *emitter, ss_label yes, ss_label no)
{
	ss_message_payload(emitter);
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_2, BPF_REG_0, 0, 0));
	forget(emitter);
	ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, STOPPED));
	emit_question(emitter, yes);
	emit_walk(emitter, yes);
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, STOPPED));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JEQ | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0),
			no);
	ss_emit_jump_to(emitter, SS_JUMP(0), yes);
}

/* Leads to no if the question's name surely does not have the bytes. */
static void emit_name(struct ss_emitter *emitter, const struct ss_test *test, ss_label yes,
		      ss_label no)
{
	struct ss_message_needle needle = {.any = 0};
	ss_label ended = ss_label_new(emitter);
	g_autoptr(GByteArray) wire = NULL;
	size_t length = 0;
	const uint8_t *text = text_of(test, &length);

	if (test->comparison == SS_TEST_EQ && text && is_plain_text(text, length)) {
		wire = wire_name(text, length);
		if (wire) {
			needle.bytes = wire->data;
			needle.length = wire->len;
		}
	} else if (test->comparison == SS_TEST_CONTAINS && text && is_plain_text(text, length)) {
		needle = (struct ss_message_needle){text, length, false, '.'};
	}
	if (needle.length)
		ss_message_search(emitter, QUESTION, SS_MESSAGE_WINDOW, &needle, 0, yes, ended);
	ss_emit_jump_to(emitter, SS_JUMP(0), yes);
	if (needle.length) {
		ss_label_bind(emitter, ended);
		emit_name_end(emitter, yes, no);
	}
}

static void load_flags(struct ss_emitter *emitter, unsigned byte, unsigned shift, unsigned mask)
{
	ss_emit(emitter,
		SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, (int16_t)(SS_STACK_SCRATCH + (int)byte)));
	if (shift)
		ss_emit(emitter, SS_ALUW_IMM(BPF_RSH, BPF_REG_1, shift));
	ss_emit(emitter, SS_ALUW_IMM(BPF_AND, BPF_REG_1, mask));
}

static void emit_compare(struct ss_emitter *emitter, const struct ss_test *test, ss_label yes,
			 ss_label no)
{
	ss_emit_compare(emitter, test);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 0), yes);
	ss_emit_jump_to(emitter, SS_JUMP(0), no);
}

/* Behind the name. */
static void emit_type(struct ss_emitter *emitter, const struct ss_test *test, ss_label yes,
		      ss_label no)
{
	emit_question(emitter, yes);
	emit_walk(emitter, yes);
	ss_emit_copy(emitter, PART, 2, BPF_REG_2, 1);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 0), yes);
	ss_emit_number(emitter, BPF_REG_1, PART, 2);
	emit_compare(emitter, test, yes, no);
}

static bool is_whole(const struct ss_emitter *emitter)
{
	return ss_emit_tracking(emitter)->whole_dns;
}

/* What is another in the query than in its answer. */
static bool differs(enum subject subject)
{
	return subject == IS_RESPONSE || subject == IS_TRUNCATED || subject == RCODE ||
	       subject == ANSWERS;
}

/* A whole message at SS_STACK_SCRATCH, or its first bytes. */
static void emit_datagram(struct ss_emitter *emitter, const struct ss_test *test, ss_label yes,
			  ss_label no)
{
	enum subject subject = test->field->data;

	if (test->sliced || test->comparison == SS_TEST_PRESENT ||
	    test->comparison == SS_TEST_MATCHES)
		subject = subject == RCODE && !test->sliced ? RCODE : MESSAGE;
	if (is_whole(emitter) && differs(subject))
		subject = MESSAGE;
	if (is_whole(emitter) && (subject == NAME || subject == TYPE)) {
		/* An answer need not repeat the question. */
		ss_emit_number(emitter, BPF_REG_1, SS_STACK_SCRATCH + COUNT, 2);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), yes);
	}
	switch (subject) {
	case ID:
		ss_emit_number(emitter, BPF_REG_1, SS_STACK_SCRATCH, 2);
		emit_compare(emitter, test, yes, no);
		break;
	case IS_RESPONSE:
		load_flags(emitter, FLAGS, 7, 1);
		emit_compare(emitter, test, yes, no);
		break;
	case IS_TRUNCATED:
		load_flags(emitter, FLAGS, 1, 1);
		emit_compare(emitter, test, yes, no);
		break;
	case ANSWERS:
		ss_emit_number(emitter, BPF_REG_1, SS_STACK_SCRATCH + COUNT + 2, 2);
		emit_compare(emitter, test, yes, no);
		break;
	case RCODE: /* of responses only */
		load_flags(emitter, FLAGS, 7, 1);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), no);
		if (test->comparison == SS_TEST_PRESENT) {
			ss_emit_jump_to(emitter, SS_JUMP(0), yes);
			break;
		}
		load_flags(emitter, FLAGS + 1, 0, 15);
		emit_compare(emitter, test, yes, no);
		break;
	case NAME:
		emit_name(emitter, test, yes, no);
		break;
	case TYPE:
		emit_type(emitter, test, yes, no);
		break;
	default:
		ss_emit_jump_to(emitter, SS_JUMP(0), yes);
		break;
	}
}

/* Leads on, or to no: not one of the ports at which Wireshark looks for DNS, nor a datagram that it
 * takes for it on others: a query or an answer, with one question, or (of a known conversation)
 * none. */
static void emit_recognition(struct ss_emitter *emitter, bool tcp, ss_label no)
{
	static const uint32_t ports[] = {53, 5353, 5355};
	ss_label here = ss_label_new(emitter);

	for (int side = 0; side < 2; side++) {
		ss_emit_header_number(emitter, BPF_REG_1, (int16_t)(SS_STACK_TRANSPORT + 2 * side),
				      2);
		for (size_t i = 0; i < G_N_ELEMENTS(ports); i++)
			ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, ports[i], 0),
					here);
	}
	if (tcp) {
		ss_emit_jump_to(emitter, SS_JUMP(0), no);
	} else {
		load_flags(emitter, FLAGS, 0, OPCODE_BITS);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_1, 0, 0), no);
		ss_emit_number(emitter, BPF_REG_1, SS_STACK_SCRATCH + COUNT, 2);
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGT, BPF_REG_1, 1, 0), no);
	}
	ss_label_bind(emitter, here);
}

static void emit(struct ss_emitter *emitter, const struct ss_test *test, enum ss_bound bound)
{
	bool tcp = ss_emit_layers(emitter) & SS_LAYER_TCP;
	ss_label yes = ss_label_new(emitter), no = ss_label_new(emitter);

	/* Only names are looked for behind the header. */
	unsigned window = tcp ? 8 : test->field->data == NAME ? SS_MESSAGE_WINDOW : HEADER_WINDOW;

	(void)bound;
	if (tcp)
		emit_recognition(emitter, tcp, no);
	ss_message_payload(emitter);
	ss_message_window(emitter, window, no);
	if (!tcp)
		emit_recognition(emitter, tcp, no);
	if (tcp)
		ss_emit_jump_to(emitter, SS_JUMP(0), yes);
	else
		emit_datagram(emitter, test, yes, no);
	ss_emit_answer(emitter, yes, no);
}

const struct ss_family ss_family_dns = {
	.name = "DNS",
	.fields = fields,
	.count = G_N_ELEMENTS(fields),
	.decide = decide,
	.emit = emit,
};
