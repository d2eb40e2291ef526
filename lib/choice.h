/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tshark chooses from a recording for a display filter, and what comes with that: the other
 * half of exchanges. It reads all of the recording before (survey.h).
 */
#ifndef SS_CHOICE_H
#define SS_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "filter/filter.h"

struct ss_choice;

/* Borrows the filter. As ss_survey_run(). */
int ss_choice_new(const struct ss_filter *filter, const char *recording,
		  struct ss_choice **ret_choice, struct ss_error *error);
void ss_choice_free(struct ss_choice *choice);

/* Of a frame, by its number, from 1, counting frames and events in the recording's order. */
bool ss_choice_is_wanted(const struct ss_choice *choice, uint64_t number);
/* Is it there for another one? Then it is marked, unless it is wanted by itself. */
bool ss_choice_is_context(const struct ss_choice *choice, uint64_t number);

#endif
