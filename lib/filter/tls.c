/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS on any port. A ClientHello and a ServerHello begin a segment; what comes behind them in the
 * handshake may begin anywhere, so any segment of it may match. There are few of all these: the
 * rest, as the server's name, is left to tshark. Of QUIC, whose handshakes Wireshark decrypts, the
 * packets with a long header may match.
 */
#include "tls.h"

#include "message.h"

#define RECORD_HEAD    6 /* bytes: content type, version, length, handshake type */
#define CONTENT_CHANGE 20
#define CONTENT_SHAKE  22
#define HELLO_FRAMES   16u /* segments that a hello may have */
#define HANDSHAKE_MAX  64u

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
	FIELD("tls.handshake.extensions_server_name", SS_FIELD_STRING, 0, CLIENT_HELLO),
	FIELD("tls.handshake.extensions_alpn_str", SS_FIELD_STRING, 0, HANDSHAKE),
	FIELD("tls.handshake.ja3", SS_FIELD_STRING, 0, CLIENT_HELLO),
	FIELD("tls.alert_message.desc", SS_FIELD_NUMBER, 8, ANYTHING),
	FIELD("tls.alert_message.level", SS_FIELD_NUMBER, 8, ANYTHING),
};

static enum ss_decision decide(const struct ss_test *test, const char **ret_why)
{
	(void)test;
	*ret_why = "a handshake may be in several segments, and have extensions in any order";
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

/* Byte of the payload != value: to. */
static void expect(struct ss_emitter *emitter, unsigned byte, uint32_t value, ss_label to)
{
	ss_emit(emitter,
		SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, (int16_t)(SS_STACK_SCRATCH + (int)byte)));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_1, value, 0), to);
}

/* Of TCP: leads to hello if one begins, or may begin, here; to other if not. */
static void emit_record(struct ss_emitter *emitter, enum subject subject, ss_label hello,
			ss_label other)
{
	ss_label plain = ss_label_new(emitter);

	if (subject == HANDSHAKE) {
		ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, SS_STACK_SCRATCH));
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, CONTENT_CHANGE, 0),
				plain);
	}
	expect(emitter, 0, CONTENT_SHAKE, other);
	if (subject == HANDSHAKE)
		ss_label_bind(emitter, plain);
	/* A segment that ends before is cut: zeros. */
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, SS_STACK_SCRATCH + 1));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), hello);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_1, 3, 0), other);
	if (subject == HANDSHAKE) {
		ss_emit_jump_to(emitter, SS_JUMP(0), hello);
		return;
	}
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, SS_STACK_SCRATCH + RECORD_HEAD - 1));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), hello);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, (uint32_t)subject & 0xff, 0),
			hello);
	ss_emit_jump_to(emitter, SS_JUMP(0), other);
}

static void emit(struct ss_emitter *emitter, const struct ss_test *test, enum ss_bound bound)
{
	bool tcp = ss_emit_layers(emitter) & SS_LAYER_TCP;
	ss_label yes = ss_label_new(emitter), no = ss_label_new(emitter);
	ss_label hello = ss_label_new(emitter), other = ss_label_new(emitter);
	enum subject subject = subject_of(test);

	(void)bound;
	ss_message_payload(emitter);
	ss_message_window(emitter, 8, no);
	if (!tcp) {
		ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_1, BPF_REG_10, SS_STACK_SCRATCH));
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JSET, BPF_REG_1, 0x80, 0), yes);
		ss_emit_jump_to(emitter, SS_JUMP(0), no);
	} else if (subject == ANYTHING) {
		ss_emit_jump_to(emitter, SS_JUMP(0), yes);
	} else {
		emit_record(emitter, subject, hello, other);
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
