/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What could surprise: values that several CPUs change are not locked. Both directions of a
 * connection have keys of their own, and what is lost by a race is a count.
 *
 * The table forgets what was not used for longest when it is full. How many messages are under way
 * is counted beside it: those that are not found there any more were forgotten.
 */
#include "message.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <bpf/bpf.h>

#include "hint.h"

#define END       BPF_REG_9
#define TRANSPORT BPF_REG_8
#define CTX       BPF_REG_6

#define KEY   (SS_STACK_SCRATCH + SS_MESSAGE_WINDOW + 8)
#define VALUE (SS_STACK_SCRATCH + SS_MESSAGE_WINDOW)

/* Of a direction of a connection. */
struct message {
	uint32_t frames; /* how many more are wanted; 0: none is under way */
	uint32_t ended;  /* with the connection */
};
#define FRAMES offsetof(struct message, frames)
#define ENDED  offsetof(struct message, ended)

/* Flags of TCP. */
#define FIN 1
#define RST 4

#define ALU(op, dst, src)     ss_insn(BPF_ALU64 | (op) | BPF_X, dst, src, 0, 0)
#define ALU_IMM(op, dst, imm) ss_insn(BPF_ALU64 | (op) | BPF_K, dst, 0, 0, imm)

void ss_message_payload(struct ss_emitter *emitter)
{
	if (!(ss_emit_layers(emitter) & SS_LAYER_TCP)) {
		ss_emit(emitter, SS_MOV(BPF_REG_2, TRANSPORT));
		ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, 8));
		return;
	}
	ss_emit_header(emitter, BPF_B, BPF_REG_2, SS_STACK_TRANSPORT + 12);
	ss_emit(emitter, ALU_IMM(BPF_RSH, BPF_REG_2, 4));
	ss_emit(emitter, ALU_IMM(BPF_LSH, BPF_REG_2, 2));
	ss_emit(emitter, ALU(BPF_ADD, BPF_REG_2, TRANSPORT));
}

void ss_message_window(struct ss_emitter *emitter, unsigned size, ss_label none)
{
	size_t fits;

	if (emitter->heads) /* the payload's head is not there for the next test */
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_7, 0));
	ss_emit(emitter, SS_MOV(BPF_REG_4, END));
	ss_emit(emitter, ALU(BPF_SUB, BPF_REG_4, BPF_REG_2));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JSLT | BPF_K, BPF_REG_4, 0, 0, 1), none);
	for (unsigned at = 0; at < size; at += 8)
		ss_emit(emitter,
			SS_ST_IMM(BPF_DW, BPF_REG_10, (int16_t)(SS_STACK_SCRATCH + (int)at), 0));
	fits = ss_emit_jump(emitter, ss_insn(BPF_JMP | BPF_JSLE | BPF_K, BPF_REG_4, 0, 0, size));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, size));
	ss_emit_land(emitter, fits);
	ss_emit(emitter, SS_MOV(BPF_REG_1, CTX));
	ss_emit(emitter, SS_MOV(BPF_REG_3, BPF_REG_10));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_3, (uint32_t)SS_STACK_SCRATCH));
	ss_emit(emitter, SS_CALL(BPF_FUNC_skb_load_bytes));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 0), none);
}

/* R2 = offset of the payload: without a call, if it is behind usual options and linear. */
static void near_head(struct ss_emitter *emitter, ss_label none)
{
	int at = SS_STACK_SCRATCH - emitter->near + ss_emit_link_size(emitter);
	ss_label copy = ss_label_new(emitter);
	size_t there;

	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_2, (uint32_t)at, 0), copy);
	ss_emit_jump_to(
		emitter,
		ss_insn(BPF_JMP | BPF_JLT | BPF_K, END, 0, 0, (uint32_t)at + SS_MESSAGE_HEAD),
		copy);
	ss_emit_unless_linear(emitter, (uint32_t)at + SS_MESSAGE_HEAD, copy);
	for (int i = 0; i < (int)SS_MESSAGE_HEAD; i += 8) {
		ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_7, (int16_t)(at + i)));
		ss_emit(emitter,
			SS_STX(BPF_DW, BPF_REG_10, BPF_REG_1, (int16_t)(SS_STACK_SCRATCH + i)));
	}
	there = ss_emit_jump(emitter, SS_JUMP(0));
	ss_label_bind(emitter, copy);
	ss_message_window(emitter, SS_MESSAGE_HEAD, none);
	ss_emit_land(emitter, there);
}

void ss_message_head(struct ss_emitter *emitter, ss_label none)
{
	ss_label copy = ss_label_new(emitter);
	size_t there;

	ss_message_payload(emitter);
	if (emitter->near && ss_emit_layers(emitter) & SS_LAYER_TCP) {
		near_head(emitter, none);
		return;
	}
	if (!emitter->heads || !(ss_emit_layers(emitter) & SS_LAYER_TCP)) {
		ss_message_window(emitter, SS_MESSAGE_HEAD, none);
		return;
	}
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_7, 0, 0), copy);
	ss_emit(emitter, SS_MOV(BPF_REG_1, BPF_REG_2));
	ss_emit(emitter, ALU(BPF_SUB, BPF_REG_1, TRANSPORT));
	ss_emit_jump_to(emitter,
			SS_JUMPW_IMM(BPF_JNE, BPF_REG_1, SS_STACK_SCRATCH - SS_STACK_TRANSPORT, 0),
			copy);
	ss_emit(emitter, SS_MOV(BPF_REG_1, END));
	ss_emit(emitter, ALU(BPF_SUB, BPF_REG_1, BPF_REG_2));
	there = ss_emit_jump(emitter,
			     ss_insn(BPF_JMP | BPF_JSGE | BPF_K, BPF_REG_1, 0, 0, SS_MESSAGE_HEAD));
	ss_label_bind(emitter, copy);
	ss_message_window(emitter, SS_MESSAGE_HEAD, none);
	ss_emit_land(emitter, there);
}

/* What of a byte counts. */
static uint8_t mask_of(uint8_t byte, bool fold, uint8_t any)
{
	if (any && byte == any)
		return 0;
	return fold && g_ascii_isalpha((char)byte) ? 0xdf : 0xff;
}

void ss_message_search(struct ss_emitter *emitter, unsigned from, unsigned size,
		       const struct ss_message_needle *needle, int stop, ss_label found,
		       ss_label ended)
{
	size_t length = MIN(needle->length, 8);
	uint64_t value = 0, mask = 0;

	for (size_t i = 0; i < length; i++) {
		uint8_t bits = mask_of(needle->bytes[i], needle->fold, needle->any);

		value = value << 8 | (needle->bytes[i] & bits);
		mask = mask << 8 | bits;
	}
	ss_emit_wide(emitter, BPF_REG_4, value);
	ss_emit_wide(emitter, BPF_REG_5, mask);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_1, 0));
	for (unsigned at = from; at < size; at++) {
		ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_2, BPF_REG_10,
					(int16_t)(SS_STACK_SCRATCH + (int)at)));
		if (stop >= 0) {
			ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_0, at));
			ss_emit_jump_to(emitter,
					SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, (uint32_t)stop, 0), ended);
		}
		ss_emit(emitter, ALU_IMM(BPF_LSH, BPF_REG_1, 8));
		ss_emit(emitter, ALU(BPF_OR, BPF_REG_1, BPF_REG_2));
		if (at - from + 1 < length)
			continue;
		ss_emit(emitter, SS_MOV(BPF_REG_3, BPF_REG_1));
		ss_emit(emitter, ALU(BPF_AND, BPF_REG_3, BPF_REG_5));
		ss_emit_jump_to(emitter,
				ss_insn(BPF_JMP | BPF_JEQ | BPF_X, BPF_REG_3, BPF_REG_4, 0, 0),
				found);
	}
}

void ss_message_prefix(struct ss_emitter *emitter, const uint8_t *bytes, size_t length, bool fold,
		       ss_label differs)
{
	for (size_t at = 0; at < MIN(length, SS_MESSAGE_WINDOW); at += 8) {
		uint64_t value = 0, mask = 0;

		for (size_t i = 0; i < 8; i++) {
			uint8_t byte = at + i < length ? bytes[at + i] : 0;
			uint8_t bits = at + i < length ? mask_of(byte, fold, 0) : 0;

			value = value << 8 | (byte & bits);
			mask = mask << 8 | bits;
		}
		/* As the CPU reads it. */
		ss_emit_wide(emitter, BPF_REG_4, GUINT64_TO_BE(value));
		ss_emit(emitter, SS_LDX(BPF_DW, BPF_REG_1, BPF_REG_10,
					(int16_t)(SS_STACK_SCRATCH + (int)at)));
		if (mask != UINT64_MAX) {
			ss_emit_wide(emitter, BPF_REG_5, GUINT64_TO_BE(mask));
			ss_emit(emitter, ALU(BPF_AND, BPF_REG_1, BPF_REG_5));
		}
		ss_emit_jump_to(emitter,
				ss_insn(BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_4, 0, 0),
				differs);
	}
}

/* dst = hash of the IPv6 address. R5 is lost. */
static void fold_address(struct ss_emitter *emitter, unsigned dst, int16_t from)
{
	ss_emit_header(emitter, BPF_DW, dst, from);
	ss_emit(emitter, ALU_IMM(BPF_MUL, dst, 0x9e3779b1));
	ss_emit_header(emitter, BPF_DW, BPF_REG_5, (int16_t)(from + 8));
	ss_emit(emitter, ALU(BPF_XOR, dst, BPF_REG_5));
}

/* The key on the stack, and in R1. R2 .. R5 are lost. */
static void put_key(struct ss_emitter *emitter, const struct ss_test *test, bool opposite)
{
	unsigned source = opposite ? BPF_REG_2 : BPF_REG_1;
	unsigned destination = opposite ? BPF_REG_1 : BPF_REG_2;
	unsigned source_port = opposite ? BPF_REG_4 : BPF_REG_3;
	unsigned destination_port = opposite ? BPF_REG_3 : BPF_REG_4;

	if (ss_emit_layers(emitter) & SS_LAYER_IPV4) {
		ss_emit_header(emitter, BPF_W, source, SS_STACK_IPV4 + 12);
		ss_emit_header(emitter, BPF_W, destination, SS_STACK_IPV4 + 16);
	} else {
		fold_address(emitter, source, SS_STACK_NETWORK + 8);
		fold_address(emitter, destination, SS_STACK_NETWORK + 24);
	}
	ss_emit_header(emitter, BPF_H, source_port, SS_STACK_TRANSPORT);
	ss_emit_header(emitter, BPF_H, destination_port, SS_STACK_TRANSPORT + 2);
	ss_emit(emitter, ALU_IMM(BPF_MUL, BPF_REG_1, 0x85ebca6b));
	ss_emit(emitter, ALU(BPF_ADD, BPF_REG_1, BPF_REG_3));
	ss_emit(emitter, ALU_IMM(BPF_MUL, BPF_REG_1, 0xc2b2ae35));
	ss_emit(emitter, ALU(BPF_XOR, BPF_REG_1, BPF_REG_2));
	ss_emit(emitter, ALU_IMM(BPF_MUL, BPF_REG_1, 0x9e3779b1));
	ss_emit(emitter, ALU(BPF_ADD, BPF_REG_1, BPF_REG_4));
	ss_emit(emitter, ALU_IMM(BPF_MUL, BPF_REG_1, 0x27d4eb2f));
	ss_emit(emitter, ALU_IMM(BPF_XOR, BPF_REG_1, g_str_hash(test->text)));
	ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_1, KEY));
}

/* R1 = the table, R2 = the key on the stack. */
static void point_at_key(struct ss_emitter *emitter)
{
	ss_emit_map(emitter, BPF_REG_1, ss_emit_tracking(emitter)->fd);
	ss_emit(emitter, SS_MOV(BPF_REG_2, BPF_REG_10));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_2, (uint32_t)KEY));
}

/* Messages under way are more (1) or less (-1). R1, R2 are lost. */
static void emit_count(struct ss_emitter *emitter, int32_t change)
{
	ss_emit(emitter, ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0,
				 (uint32_t)ss_emit_tracking(emitter)->count_fd));
	ss_emit(emitter, ss_insn(0, 0, 0, 0, 0));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, (uint32_t)change));
	ss_emit(emitter, ss_insn(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_1, BPF_REG_2, 0, BPF_ADD));
}

/* R0 = the value of the key on the stack; to unknown if there is none. */
static void look_up(struct ss_emitter *emitter, ss_label unknown)
{
	point_at_key(emitter);
	ss_emit(emitter, SS_CALL(BPF_FUNC_map_lookup_elem));
	ss_emit_jump_to(emitter, ss_insn(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0), unknown);
}

/* R0 = the value of the direction; to unknown if no message of it is under way. R1 = its FRAMES. */
static void look_up_live(struct ss_emitter *emitter, const struct ss_test *test, bool opposite,
			 ss_label unknown)
{
	put_key(emitter, test, opposite);
	ss_hint_ask(emitter, unknown);
	look_up(emitter, unknown);
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_1, BPF_REG_0, FRAMES));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0), unknown);
}

/* It is over, and not needed any more; R0 = its value, R1 = what is in it, not 0. All are lost. */
static void end_message(struct ss_emitter *emitter)
{
	size_t ended;

	ss_emit(emitter, SS_ST_IMM(BPF_W, BPF_REG_0, FRAMES, 0));
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_2, BPF_REG_0, ENDED));
	ended = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_2, 0, 0));
	emit_count(emitter, -1);
	ss_emit_land(emitter, ended);
	ss_hint_remove(emitter, KEY);
}

void ss_message_follow(struct ss_emitter *emitter, const struct ss_test *test, bool opposite,
		       uint32_t frames)
{
	ss_label unknown = ss_label_new(emitter);
	size_t live, over, done, full;

	put_key(emitter, test, opposite);
	look_up(emitter, unknown);
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_1, BPF_REG_0, FRAMES));
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_2, BPF_REG_0, ENDED));
	ss_emit(emitter, SS_ST_IMM(BPF_W, BPF_REG_0, FRAMES, frames));
	ss_emit(emitter, SS_ST_IMM(BPF_W, BPF_REG_0, ENDED, 0));
	over = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_1, 0, 0));
	live = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, 0, 0));
	ss_emit_land(emitter, over);
	emit_count(emitter, 1);
	done = ss_emit_jump(emitter, SS_JUMP(0));
	ss_label_bind(emitter, unknown);
	point_at_key(emitter);
	ss_emit_wide(emitter, BPF_REG_4, frames); /* FRAMES is in front */
	ss_emit(emitter, SS_STX(BPF_DW, BPF_REG_10, BPF_REG_4, VALUE));
	ss_emit(emitter, SS_MOV(BPF_REG_3, BPF_REG_10));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_3, (uint32_t)VALUE));
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, BPF_REG_4, BPF_ANY));
	ss_emit(emitter, SS_CALL(BPF_FUNC_map_update_elem));
	full = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, 0, 0));
	emit_count(emitter, 1);
	ss_emit_land(emitter, live);
	ss_emit_land(emitter, done);
	ss_emit_land(emitter, full);
	ss_hint_add(emitter, KEY);
}

void ss_message_forget(struct ss_emitter *emitter, const struct ss_test *test, ss_label cut)
{
	ss_label unknown = ss_label_new(emitter);
	size_t whole;

	look_up_live(emitter, test, false, unknown);
	whole = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_1, SS_MESSAGE_CUT, 0));
	ss_emit(emitter, SS_ST_IMM(BPF_W, BPF_REG_0, FRAMES, SS_MESSAGE_ALL));
	ss_emit_jump_to(emitter, SS_JUMP(0), cut);
	ss_emit_land(emitter, whole);
	end_message(emitter);
	ss_label_bind(emitter, unknown);
}

void ss_message_forget_opposite(struct ss_emitter *emitter, const struct ss_test *test)
{
	ss_label unknown = ss_label_new(emitter);

	look_up_live(emitter, test, true, unknown);
	end_message(emitter);
	ss_label_bind(emitter, unknown);
}

void ss_message_mark_tunnel(struct ss_emitter *emitter)
{
	ss_label unknown = ss_label_new(emitter);

	look_up(emitter, unknown);
	ss_emit(emitter, SS_ST_IMM(BPF_W, BPF_REG_0, FRAMES, SS_MESSAGE_TUNNEL));
	ss_label_bind(emitter, unknown);
}

void ss_message_switch(struct ss_emitter *emitter, const struct ss_test *test, ss_label ends,
		       ss_label none)
{
	static const char switching[4] = " 101";
	ss_label goes_on = ss_label_new(emitter);
	size_t switches;
	uint32_t word;

	memcpy(&word, switching, sizeof(word));
	look_up_live(emitter, test, false, none);
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_2, BPF_REG_10, SS_STACK_SCRATCH + 8));
	switches = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, word, 0));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_1, SS_MESSAGE_TUNNEL, 0), goes_on);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_2, BPF_REG_10, SS_STACK_SCRATCH + 9));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_2, '2', 0), goes_on);
	ss_emit_land(emitter, switches);
	end_message(emitter);
	ss_message_forget_opposite(emitter, test);
	ss_emit_jump_to(emitter, SS_JUMP(0), ends);
	ss_label_bind(emitter, goes_on);
}

/* What ends with its connection is not missed when it is forgotten. Late segments still find it. */
static void end_with_connection(struct ss_emitter *emitter)
{
	size_t goes_on, again;

	if (!(ss_emit_layers(emitter) & SS_LAYER_TCP))
		return;
	ss_emit_header(emitter, BPF_B, BPF_REG_2, SS_STACK_TRANSPORT + 13);
	ss_emit(emitter, SS_ALUW_IMM(BPF_AND, BPF_REG_2, FIN | RST));
	goes_on = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, 0, 0));
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_2, BPF_REG_0, ENDED));
	again = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_2, 0, 0));
	ss_emit(emitter, SS_ST_IMM(BPF_W, BPF_REG_0, ENDED, 1));
	emit_count(emitter, -1);
	ss_emit_land(emitter, goes_on);
	ss_emit_land(emitter, again);
}

void ss_message_is_followed(struct ss_emitter *emitter, const struct ss_test *test, ss_label wanted)
{
	ss_label unknown = ss_label_new(emitter);
	size_t last;

	look_up_live(emitter, test, false, unknown);
	ss_emit(emitter, SS_MOV(BPF_REG_3, BPF_REG_1));
	end_with_connection(emitter);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JGE, BPF_REG_3, SS_MESSAGE_CUT, 0), wanted);
	ss_emit(emitter, SS_ALUW_IMM(BPF_SUB, BPF_REG_3, 1));
	ss_emit(emitter, SS_STX(BPF_W, BPF_REG_0, BPF_REG_3, FRAMES));
	last = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_3, 0, 0));
	end_message(emitter);
	ss_emit_land(emitter, last);
	ss_emit_jump_to(emitter, SS_JUMP(0), wanted);
	ss_label_bind(emitter, unknown);
}

int ss_messages_new(struct ss_tracking *tracking, struct ss_error *error)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "ss_messages", sizeof(uint64_t),
				sizeof(struct message), SS_MESSAGES_MAX, NULL);
	int count_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ss_message_count", sizeof(uint32_t),
				      sizeof(uint64_t), 1, NULL);
	int hint_fd = ss_hint_new();

	if (fd < 0 || count_fd < 0 || hint_fd < 0) {
		int r = -errno;

		ss_closep(&fd);
		ss_closep(&count_fd);
		ss_closep(&hint_fd);
		return ss_fail(error, r, "cannot make the table of messages: %s", g_strerror(-r));
	}
	tracking->fd = fd;
	tracking->count_fd = count_fd;
	tracking->hint_fd = hint_fd;
	return 0;
}

uint64_t ss_messages_forgotten(const struct ss_tracking *tracking)
{
	const uint64_t *previous = NULL;
	int64_t count = 0, live = 0;
	struct message message;
	uint32_t entries, first = 0;
	uint64_t key;

	if (bpf_map_lookup_elem(tracking->count_fd, &first, &count) < 0)
		return 0;
	for (entries = 0; entries < SS_MESSAGES_MAX; entries++, previous = &key) {
		if (bpf_map_get_next_key(tracking->fd, previous, &key) < 0)
			break;
		if (bpf_map_lookup_elem(tracking->fd, &key, &message) == 0)
			live += message.frames && !message.ended;
	}
	/* Of one that was never full nothing is forgotten; the count may be off by races. */
	return entries > SS_MESSAGES_MAX / 2 && count > live ? (uint64_t)(count - live) : 0;
}
