/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is left of the filter for user space (sieve.h): the stages of the gate that choose from what
 * the kernel let through, by what tshark says and by what belongs together.
 */
#ifndef SS_SIFTING_H
#define SS_SIFTING_H

#include "error.h"
#include "gate.h"
#include "loop.h"
#include "redirects.h"
#include "sieve.h"
#include "stream.h"

struct ss_judge;
struct ss_sifting;

struct ss_sifting_context { /* borrowed for its life */
	struct ss_loop *loop;
	struct ss_stream *stream;
	struct ss_gate *gate;
	const struct ss_sieve *sieve;
	const struct ss_redirects *redirects; /* NULL: the kernel has asked the filter about all */
	/* Tells a judge (ss_judge_event()) of what the frame names, as in judge.h. */
	void (*introduce)(struct ss_judge *judge, const void *block, size_t size, bool anew,
			  void *user_data);
	void (*retry)(void *user_data); /* frames that were held may go on */
	void *user_data;
	struct ss_error *error;
};

/* Adds the stages that need no judge; the others go behind those that come in between. */
struct ss_sifting *ss_sifting_new(const struct ss_sifting_context *context);
int ss_sifting_judge(struct ss_sifting *sifting);
void ss_sifting_free(struct ss_sifting *sifting);

/* No more frames come: waits for the verdicts on those that did. */
void ss_sifting_finish(struct ss_sifting *sifting);

/* Frames that were written without a verdict. */
uint64_t ss_sifting_undecided(const struct ss_sifting *sifting);
/* What exchanges have lost; NULL: nothing. g_free(). */
char *ss_sifting_summary(const struct ss_sifting *sifting);

#endif
