/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside lib/filter: tests on application messages, which may go on in frames behind the one where
 * they begin. Wireshark shows a message's fields at the frame that completes it, so the frames in
 * between and that one are wanted with the first: a map remembers for each direction of a
 * connection whether the message that is under way may match. Its key is a hash of 64 bits. A hint
 * before it (hint.h) spares most frames the look-up.
 */
#ifndef SS_FILTER_MESSAGE_H
#define SS_FILTER_MESSAGE_H

#include "emitter.h"

/* Bytes of the payload that a test can have at SS_STACK_SCRATCH; the key is behind. */
#define SS_MESSAGE_WINDOW 112
#define SS_MESSAGES_MAX   65536       /* directions of connections that are remembered */
#define SS_MESSAGE_ALL    0xffffffffu /* so many more frames: no end */
#define SS_MESSAGE_CUT    0xfffffffeu /* no end, and the next may belong to the first line */
#define SS_MESSAGE_TUNNEL 0xfffffffdu /* no end, if the next does not begin another protocol */

/* R2 = offset of the payload of TCP or UDP. */
void ss_message_payload(struct ss_emitter *emitter);
/* Copies up to size (a multiple of 8) bytes from offset R2 on to SS_STACK_SCRATCH, zeros behind the
 * end of the packet. Leads to none if there is not one, or it can't be read. */
void ss_message_window(struct ss_emitter *emitter, unsigned size, ss_label none);

/* The same for the first SS_MESSAGE_HEAD bytes of the payload, which may have come with the
 * headers.
 */
#define SS_MESSAGE_HEAD 16u
void ss_message_head(struct ss_emitter *emitter, ss_label none);

/*
 * Whether bytes are in the window [0, size): leads to found if they are, to ended if not and the
 * byte stop came first, at R0, else on. fold: letters have no case. A byte of wild is any: 0
 * compares.
 */
struct ss_message_needle {
	const uint8_t *bytes;
	size_t length; /* at least 1; more than 8 are cut */
	bool fold;
	uint8_t any; /* this byte in it is any; 0: none is */
};
void ss_message_search(struct ss_emitter *emitter, unsigned from, unsigned size,
		       const struct ss_message_needle *needle, int stop, ss_label found,
		       ss_label ended);
/* Leads to differs unless the window begins with the bytes; as many of them as fit. */
void ss_message_prefix(struct ss_emitter *emitter, const uint8_t *bytes, size_t length, bool fold,
		       ss_label differs);

/* The frame's direction (opposite: the other one) is under way: so many more frames are wanted. */
void ss_message_follow(struct ss_emitter *emitter, const struct ss_test *test, bool opposite,
		       uint32_t frames);
/* It is over, if it was under way. But if the beginning of a message was cut before this frame,
 * which only looks like the beginning of another: leads to cut. */
void ss_message_forget(struct ss_emitter *emitter, const struct ss_test *test, ss_label cut);
void ss_message_forget_opposite(struct ss_emitter *emitter, const struct ss_test *test);
/* Behind ss_message_follow(): what it was about is to end as soon as ... */
void ss_message_mark_tunnel(struct ss_emitter *emitter);
/* ... a response in the frame's direction succeeds; or any does, if the code on the stack is that
 * of another protocol. Then both directions are over, and it leads to ends; to none if the frame's
 * direction was not under way; else on. */
void ss_message_switch(struct ss_emitter *emitter, const struct ss_test *test, ss_label ends,
		       ss_label none);
/* Leads to wanted, and counts, if the frame's direction is under way; else on. */
void ss_message_is_followed(struct ss_emitter *emitter, const struct ss_test *test,
			    ss_label wanted);

/* Makes the tables; the caller closes both. */
int ss_messages_new(struct ss_tracking *tracking, struct ss_error *error);
/* Messages that were under way when the table was too full for them: frames of them may be missing.
 */
uint64_t ss_messages_forgotten(const struct ss_tracking *tracking);

#endif
