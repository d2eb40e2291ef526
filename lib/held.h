/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames that wait for a word about others: what stages of the gate (gate.h) that keep requests
 * until they are answered have in common.
 *
 * A frame waits in the ring for a moment, which keeps the order. Then it is copied, so that a slow
 * answer does not hold up all others; if it is wanted after all, the copy goes before what is
 * offered then, stamped as late as that needs, with the true time as a comment.
 */
#ifndef SS_HELD_H
#define SS_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "stage.h"
#include "transport.h"

struct ss_held;

struct ss_held_frame {
	bool wanted;       /* at first; and then, if anybody who waited wants it */
	bool is_left_out;  /* by the judge: not wanted at first, but may be for another one */
	unsigned waits;    /* for so many words */
	uint64_t until_ns; /* in the ring, at most */
	/* Inside held.c. */
	uint64_t position, time_ns;
	uint32_t interface_id;
	GList link;       /* of those in the ring */
	GByteArray *copy; /* NULL: it is in the ring */
};

/* Who gives the words. */
struct ss_held_reader {
	/* A frame, in order, each once. frame: NULL if a stage before has left it out, and nobody
	 * may take it back; lives until it is written or left out, and nothing is waited for (if it
	 * is left out already: no longer than the call, unless it waits). */
	void (*take)(struct ss_held_frame *frame, const struct ss_transport *transport,
		     uint32_t owner, uint64_t now_ns, void *reader);
	/* After all that were offered. */
	void (*taken)(uint64_t now_ns, void *reader);
	void *reader;
};

/* Where frames go that do not stay where they are. */
struct ss_held_callbacks {
	/* A frame of the interface is not written. */
	void (*left_out)(uint32_t interface_id, void *user_data);
	/* ... or it is, now: a whole Enhanced Packet Block, which belongs before all that is
	 * offered. Takes the block. */
	void (*late)(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data);
	/* What the judge has left out may be wanted as context (judge.h): then this is told, and
	 * the frame goes on, marked. NULL: it stays left out. length: of the frame. */
	void (*taken_back)(uint32_t interface_id, uint32_t length, void *user_data);
	/* Is the frame of the block let through without a look? NULL: none is. */
	bool (*skip)(const void *block, size_t size, void *user_data);
	bool lo_only; /* and of other interfaces all are */
	void *user_data;
};

/* What was waited for. */
struct ss_held_counts {
	uint64_t kept; /* exchanges with a wanted frame */
	uint64_t cut;  /* of these, too long: what is between beginning and end is missing */
	uint64_t
		given_up; /* too many waited, or waited too long, to know whether they are wanted */
};

struct ss_held *ss_held_new(const struct ss_held_reader *reader,
			    const struct ss_held_callbacks *callbacks);
/* Nothing must wait any more. */
void ss_held_free(struct ss_held *held);

struct ss_stage ss_held_stage(struct ss_held *held);

/* The frame waits for one word more; who gives it has to. */
void ss_held_wait(struct ss_held_frame *frame, uint64_t until_ns);
void ss_held_decide(struct ss_held *held, struct ss_held_frame *frame, bool wanted);
/* Bytes that copies have. */
size_t ss_held_copied(const struct ss_held *held);

#endif
