/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS on any port. A ClientHello and a ServerHello begin a segment (or, behind a HelloRetryRequest,
 * follow a change of the cipher there); what comes behind them in the handshake may begin anywhere,
 * so any segment of it may match. Of a ClientHello the server's name is compared, where it is in
 * the first segment; of the rest, which is rare, everything may match. Of QUIC, whose handshakes
 * Wireshark decrypts, the packets with a long header may match.
 */
#include "tls.h"

#include <string.h>

#include "message.h"

#define CTX BPF_REG_6
#define END BPF_REG_9

#define RECORD_HEAD    5  /* bytes: content type, version, length */
#define SHAKE_HEAD     4  /* bytes: type, length */
#define CHANGE_SIZE    6  /* bytes of a record that changes the cipher */
#define HELLO_FIXED    34 /* bytes of a ClientHello: version, random */
#define SESSION_MAX    32 /* bytes of a session id */
#define CONTENT_CHANGE 20
#define CONTENT_SHAKE  22
#define HELLO_FRAMES   16u /* segments that a hello may have */
#define HANDSHAKE_MAX  64u
#define HEAD           16u /* bytes looked at first */
#define SERVER_NAME    "tls.handshake.extensions_server_name"

/* Of a ClientHello, RFC 8446 section 4.1.2. */
#define EXTENSION_NAME 0   /* server_name, RFC 6066 section 3 */
#define EXTENSIONS_MAX 32  /* of those that come before it; more may match */
#define NAME_SIZE      80u /* bytes of a name that are compared; a multiple of 8 */

/* On the stack, behind the name. */
#define AT   (SS_STACK_SCRATCH + (int)NAME_SIZE) /* offset in the frame */
#define STOP (AT + 8)                            /* where the extensions end */
#define PART (AT + 16)                           /* up to 8 bytes from there on */

/* What a field is about. */
enum subject {
	ANYTHING,
	HANDSHAKE,
	CLIENT_HELLO = 1 << 8 | 1,
	SERVER_HELLO = 1 << 8 | 2,
	HANDSHAKE_TYPE = 2 << 8,
};

#define FIELD(name, type, bits, subject)                                                           \
	{                                                                                          \
		name, type, SS_CONTEXT_FLOW, SS_LAYER_TCP | SS_LAYER_UDP, 0, bits,                 \
			SS_FLOW_MESSAGE, true, subject, NULL                                       \
	}

static const struct ss_field fields[] = {
	FIELD("tls", SS_FIELD_PROTOCOL, 0, ANYTHING),
	FIELD("tls.record.content_type", SS_FIELD_NUMBER, 8, ANYTHING),
	FIELD("tls.handshake", SS_FIELD_PROTOCOL, 0, HANDSHAKE),
	FIELD("tls.handshake.type", SS_FIELD_NUMBER, 8, HANDSHAKE_TYPE),
	FIELD("tls.handshake.version", SS_FIELD_NUMBER, 16, HANDSHAKE),
	FIELD("tls.handshake.ciphersuite", SS_FIELD_NUMBER, 16, HANDSHAKE),
	FIELD(SERVER_NAME, SS_FIELD_STRING, 0, CLIENT_HELLO),
	FIELD("tls.handshake.extensions_alpn_str", SS_FIELD_STRING, 0, HANDSHAKE),
	FIELD("tls.handshake.ja3", SS_FIELD_STRING, 0, CLIENT_HELLO),
	FIELD("tls.alert_message.desc", SS_FIELD_NUMBER, 8, ANYTHING),
	FIELD("tls.alert_message.level", SS_FIELD_NUMBER, 8, ANYTHING),
};

static enum ss_decision decide(const struct ss_test *test, const char **ret_why)
{
	(void)test;
	*ret_why = "a handshake may be in several segments";
	return SS_DECISION_BOUND;
}

static enum subject subject_of(const struct ss_test *test)
{
	uint64_t number;

	if (test->field->data != HANDSHAKE_TYPE)
		return test->field->data;
	if (test->comparison != SS_TEST_EQ || test->sliced || test->mask)
		return HANDSHAKE;
	number = ss_test_value(test)->number;
	return number == 1 ? CLIENT_HELLO : number == 2 ? SERVER_HELLO : HANDSHAKE;
}

static const uint8_t *text_of(const struct ss_range *range, size_t *ret_length)
{
	return range->from.string ? g_bytes_get_data(range->from.string, ret_length) : NULL;
}

/* Whether the name is compared; else any may match. Wireshark shows other bytes in its own way. */
static bool compares_name(const struct ss_test *test)
{
	bool known = test->comparison == SS_TEST_EQ || test->comparison == SS_TEST_IN ||
		     test->comparison == SS_TEST_CONTAINS;

	known &= strcmp(test->field->name, SERVER_NAME) == 0 && !test->sliced;
	for (guint i = 0; known && i < test->ranges->len; i++) {
		const struct ss_range *range = ss_test_range(test, i);
		size_t length = 0;
		const uint8_t *text = text_of(range, &length);

		known = range->single && text && length;
		for (size_t at = 0; known && at < length; at++)
			known = g_ascii_isgraph(text[at]);
	}
	return known;
}

static void jump(struct ss_emitter *emitter, unsigned op, unsigned dst, uint32_t value, ss_label to)
{
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(op, dst, value, 0), to);
}

/* R1 = byte of the payload. */
static void load(struct ss_emitter *emitter, unsigned byte)
{
	ss_emit(emitter,
		SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, (int16_t)(SS_STACK_SCRATCH + (int)byte)));
}

/* Byte of the payload != value: to. */
static void expect(struct ss_emitter *emitter, unsigned byte, uint32_t value, ss_label to)
{
	load(emitter, byte);
	jump(emitter, BPF_JNE, BPF_REG_1, value, to);
}

/* --- The server's name in a ClientHello --- */

/* Copies size bytes at AT to PART. To beyond: they are not in the packet. */
static void take(struct ss_emitter *emitter, uint32_t size, ss_label beyond)
{
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_2, BPF_REG_10, AT));
	ss_emit(emitter, SS_MOV(BPF_REG_4, BPF_REG_2));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_4, size));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, END, 0, 0), beyond);
	ss_emit_copy(emitter, PART, size, BPF_REG_2, 0);
	jump(emitter, BPF_JNE, BPF_REG_0, 0, beyond);
}

/* AT += R1 + more. For the verifier it is any number then: not one path for each way to get there.
 */
static void advance(struct ss_emitter *emitter, uint32_t more)
{
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_2, BPF_REG_10, AT));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, more));
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_5, BPF_REG_10, PART));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_2, BPF_REG_5, 0, 0));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_XOR | BPF_X, BPF_REG_2, BPF_REG_5, 0, 0));
	ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, AT));
}

/* Over a list whose length has so many bytes. */
static void skip_list(struct ss_emitter *emitter, unsigned bytes, ss_label beyond)
{
	take(emitter, bytes, beyond);
	ss_emit_number(emitter, BPF_REG_1, PART, bytes);
	advance(emitter, bytes);
}

/* dst = big-endian number at any place of the stack. R0 is lost. */
static void load_number(struct ss_emitter *emitter, unsigned dst, int from, int bytes)
{
	ss_emit(emitter, SS_LDX(BPF_B, dst, BPF_REG_10, (int16_t)from));
	for (int i = 1; i < bytes; i++) {
		ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, (int16_t)(from + i)));
		ss_emit(emitter, SS_ALUW_IMM(BPF_LSH, dst, 8));
		ss_emit(emitter, SS_ALUW(BPF_OR, dst, BPF_REG_0));
	}
}

/* dst = length of the record, without its head. */
static void load_length(struct ss_emitter *emitter, unsigned dst)
{
	load_number(emitter, dst, SS_STACK_SCRATCH + 3, 2);
}

/* To match unless the record is this one message, and another does not begin behind it. */
static void emit_alone(struct ss_emitter *emitter, ss_label match)
{
	ss_label last = ss_label_new(emitter);

	load_number(emitter, BPF_REG_1, SS_STACK_SCRATCH + (int)RECORD_HEAD + 1, 3);
	ss_emit(emitter, SS_ALUW_IMM(BPF_ADD, BPF_REG_1, SHAKE_HEAD));
	load_length(emitter, BPF_REG_3);
	ss_emit_jump_to(emitter, SS_JUMPW(BPF_JNE, BPF_REG_1, BPF_REG_3, 0), match);
	ss_message_payload(emitter);
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, RECORD_HEAD));
	load_length(emitter, BPF_REG_1);
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0));
	ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, AT));
	ss_emit(emitter, SS_ST_IMM(BPF_DW, BPF_REG_10, PART, 0));
	take(emitter, 1, last);
	ss_emit_number(emitter, BPF_REG_1, PART, 1);
	jump(emitter, BPF_JEQ, BPF_REG_1, CONTENT_SHAKE, match);
	ss_label_bind(emitter, last);
}

/* AT = the extension with the name, and on; to none, or to match if we can't know. */
static void emit_find_name(struct ss_emitter *emitter, ss_label none, ss_label match)
{
	ss_label found = ss_label_new(emitter);

	ss_message_payload(emitter);
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, RECORD_HEAD + SHAKE_HEAD + HELLO_FIXED));
	ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, AT));
	skip_list(emitter, 1, match); /* session id */
	/* Wireshark goes on at another place behind one that is too long. */
	jump(emitter, BPF_JGT, BPF_REG_1, SESSION_MAX, match);
	skip_list(emitter, 2, match); /* cipher suites */
	skip_list(emitter, 1, match); /* compression */
	take(emitter, 2, match);
	ss_emit_number(emitter, BPF_REG_1, PART, 2);
	advance(emitter, 2);
	ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, STOP));
	ss_emit_number(emitter, BPF_REG_1, PART, 2);
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0));
	ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_2, AT));
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
		ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, AT));
		ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_2, BPF_REG_10, STOP));
		ss_emit_jump_to(emitter,
				ss_insn(BPF_JMP | BPF_JGE | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0),
				none);
		take(emitter, 4, match); /* type, length */
		ss_emit_number(emitter, BPF_REG_1, PART, 2);
		jump(emitter, BPF_JEQ, BPF_REG_1, EXTENSION_NAME, found);
		ss_emit_number(emitter, BPF_REG_1, PART + 2, 2);
		advance(emitter, 4);
	}
	ss_emit_jump_to(emitter, SS_JUMP(0), match);
	ss_label_bind(emitter, found);
}

/* AT = the extension: copies the name, zeros behind it. R1 = its length. To match unless there is
 * one, of a host. */
static void emit_copy_name(struct ss_emitter *emitter, ss_label match)
{
	size_t fits;

	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_1, 4));
	advance(emitter, 0);
	take(emitter, 5, match); /* length of the list; type and length of the name */
	ss_emit_number(emitter, BPF_REG_1, PART + 2, 1);
	jump(emitter, BPF_JNE, BPF_REG_1, 0, match);
	ss_emit_number(emitter, BPF_REG_1, PART, 2);
	load_number(emitter, BPF_REG_4, PART + 3, 2);
	/* In 32 bits, or the verifier of Linux 6.12 sees a relation to R4, and loses its bounds. */
	ss_emit(emitter, SS_ALUW(BPF_MOV, BPF_REG_3, BPF_REG_4));
	ss_emit(emitter, SS_ALUW_IMM(BPF_ADD, BPF_REG_3, 3));
	ss_emit_jump_to(emitter, SS_JUMPW(BPF_JNE, BPF_REG_1, BPF_REG_3, 0), match);
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JLT | BPF_K, BPF_REG_4, 0, 0, 1), match);
	fits = ss_emit_jump(emitter,
			    ss_insn(BPF_JMP | BPF_JLE | BPF_K, BPF_REG_4, 0, 0, NAME_SIZE));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, NAME_SIZE));
	ss_emit_land(emitter, fits);
	ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_2, BPF_REG_10, AT));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, 5));
	ss_emit(emitter, SS_MOV(BPF_REG_1, BPF_REG_2));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_4, 0, 0));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_1, END, 0, 0), match);
	for (unsigned at = 0; at < NAME_SIZE; at += 8)
		ss_emit(emitter,
			SS_ST_IMM(BPF_DW, BPF_REG_10, (int16_t)(SS_STACK_SCRATCH + (int)at), 0));
	ss_emit(emitter, SS_MOV(BPF_REG_1, CTX));
	ss_emit(emitter, SS_MOV(BPF_REG_3, BPF_REG_10));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_3, (uint32_t)SS_STACK_SCRATCH));
	ss_emit(emitter, SS_CALL(BPF_FUNC_skb_load_bytes));
	jump(emitter, BPF_JNE, BPF_REG_0, 0, match);
}

/* A ClientHello: to match if its name may be one that the test wants, else to none. */
static void emit_name(struct ss_emitter *emitter, const struct ss_test *test, ss_label none,
		      ss_label match)
{
	emit_alone(emitter, match);
	emit_find_name(emitter, none, match);
	emit_copy_name(emitter, match);
	for (guint i = 0; i < test->ranges->len; i++) {
		ss_label next = ss_label_new(emitter);
		struct ss_message_needle needle = {0};

		needle.bytes = text_of(ss_test_range(test, i), &needle.length);
		if (test->comparison == SS_TEST_CONTAINS) {
			ss_message_search(emitter, 0, NAME_SIZE, &needle, -1, match, next);
			continue;
		}
		/* With the zero behind it: a text of GBytes has none. */
		g_autofree uint8_t *name = g_malloc0(needle.length + 1);

		memcpy(name, needle.bytes, needle.length);
		ss_message_prefix(emitter, name, MIN(needle.length + 1, NAME_SIZE), false, next);
		ss_emit_jump_to(emitter, SS_JUMP(0), match);
		ss_label_bind(emitter, next);
	}
	if (test->comparison == SS_TEST_CONTAINS) { /* behind what we have */
		load_number(emitter, BPF_REG_1, PART + 3, 2);
		jump(emitter, BPF_JGT, BPF_REG_1, NAME_SIZE, match);
	}
	ss_emit_jump_to(emitter, SS_JUMP(0), none);
}

/* --- Records --- */

/* A change of the cipher and a ClientHello in one segment. */
static void emit_second_hello(struct ss_emitter *emitter, ss_label hello, ss_label other)
{
	ss_label not_changed = ss_label_new(emitter);

	expect(emitter, 0, CONTENT_CHANGE, not_changed);
	expect(emitter, CHANGE_SIZE, CONTENT_SHAKE, other);
	expect(emitter, CHANGE_SIZE + RECORD_HEAD, CLIENT_HELLO & 0xff, other);
	ss_emit_jump_to(emitter, SS_JUMP(0), hello);
	ss_label_bind(emitter, not_changed);
}

/* Of TCP: leads to on if one begins here, to hello if it may, to other if not. */
static void emit_record(struct ss_emitter *emitter, enum subject subject, ss_label on,
			ss_label hello, ss_label other)
{
	ss_label plain = ss_label_new(emitter);

	if (subject == CLIENT_HELLO)
		emit_second_hello(emitter, hello, other);
	if (subject == HANDSHAKE) {
		load(emitter, 0);
		jump(emitter, BPF_JEQ, BPF_REG_1, CONTENT_CHANGE, plain);
	}
	expect(emitter, 0, CONTENT_SHAKE, other);
	if (subject == HANDSHAKE)
		ss_label_bind(emitter, plain);
	/* A segment that ends before is cut: zeros. */
	load(emitter, 1);
	jump(emitter, BPF_JEQ, BPF_REG_1, 0, hello);
	jump(emitter, BPF_JNE, BPF_REG_1, 3, other);
	if (subject != HANDSHAKE) {
		load(emitter, RECORD_HEAD);
		jump(emitter, BPF_JEQ, BPF_REG_1, 0, hello);
		jump(emitter, BPF_JNE, BPF_REG_1, (uint32_t)subject & 0xff, other);
	}
	ss_emit_jump_to(emitter, SS_JUMP(0), on);
}

static void emit(struct ss_emitter *emitter, const struct ss_test *test, enum ss_bound bound)
{
	bool tcp = ss_emit_layers(emitter) & SS_LAYER_TCP, named = compares_name(test);
	ss_label yes = ss_label_new(emitter), no = ss_label_new(emitter);
	ss_label hello = ss_label_new(emitter), other = ss_label_new(emitter);
	ss_label name = ss_label_new(emitter);
	enum subject subject = subject_of(test);

	(void)bound;
	ss_message_payload(emitter);
	ss_message_window(emitter, tcp ? HEAD : 8, no);
	if (!tcp) {
		load(emitter, 0);
		jump(emitter, BPF_JSET, BPF_REG_1, 0x80, yes);
		ss_emit_jump_to(emitter, SS_JUMP(0), no);
	} else if (subject == ANYTHING) {
		ss_emit_jump_to(emitter, SS_JUMP(0), yes);
	} else {
		emit_record(emitter, subject, named ? name : hello, hello, other);
		if (named) {
			ss_label_bind(emitter, name);
			emit_name(emitter, test, other, hello);
		}
		ss_label_bind(emitter, other);
		ss_message_is_followed(emitter, test, yes);
		ss_emit_jump_to(emitter, SS_JUMP(0), no);
		ss_label_bind(emitter, hello);
		ss_message_follow(emitter, test, false,
				  subject == HANDSHAKE ? HANDSHAKE_MAX : HELLO_FRAMES);
	}
	ss_emit_answer(emitter, yes, no);
}

const struct ss_family ss_family_tls = {
	.name = "TLS",
	.fields = fields,
	.count = G_N_ELEMENTS(fields),
	.decide = decide,
	.emit = emit,
};
