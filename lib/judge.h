/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rest of a display filter, which the kernel can't decide: tshark does, while frames are
 * captured. They wait in the ring; tshark reads a copy and says which match; the others are left
 * out. So what is written is ours, with all that belongs to it.
 *
 * Between the frames tshark gets markers, which always match: what is before one and was not named
 * does not match. A stage of the gate (gate.h). What it leaves out has the mark of context
 * (output/block.h): stages behind may take it back for the sake of another frame.
 */
#ifndef SS_JUDGE_H
#define SS_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "loop.h"
#include "stage.h"
#include "stream.h"

struct ss_judge;

struct ss_judge_context {
	struct ss_loop *loop;
	struct ss_stream *stream;
	const char *filter; /* in Wireshark's syntax */
	bool all;           /* every frame is to be decided, not only those that are not plain */
	/* Fields, NULL-terminated: a frame with a value of one is only context (context.h). NULL:
	 * none is. */
	const char *const *fields;
	bool uncounted; /* what does not match is not in the counters of its interface */
	/* Is the frame of a block to be decided although it is plain? NULL: it is not. */
	bool (*is_open)(const void *block, size_t size, void *user_data);
	bool only_open; /* and no others are */
	/* May be NULL: ss_judge_event() what tshark needs to know before this block; anew: it has
	 * forgotten all. */
	void (*introduce)(const void *block, size_t size, bool anew, void *user_data);
	/* Frames wait no longer: offer them again. */
	void (*retry)(void *user_data);
	void *user_data;
};

/* Borrows what the context names. tshark starts now, or with the first frame that needs it. */
int ss_judge_new(const struct ss_judge_context *context, struct ss_judge **ret_judge,
		 struct ss_error *error);
void ss_judge_free(struct ss_judge *judge);

/* When released, what waits is written undecided. */
struct ss_stage ss_judge_stage(struct ss_judge *judge);
/* An event that it should know of. */
void ss_judge_event(struct ss_judge *judge, uint64_t time_ns, const struct ss_event *event);
/* TLS secrets for the frames that come. */
void ss_judge_secrets(struct ss_judge *judge, const char *lines);

/* At the end: waits for the verdicts on what was captured, as long as there are some. */
void ss_judge_finish(struct ss_judge *judge);
/* Frames that were written without a verdict, because tshark was too slow or gone. */
uint64_t ss_judge_undecided(const struct ss_judge *judge);

#endif
