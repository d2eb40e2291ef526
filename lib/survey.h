/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tshark says about the frames of a recording: it reads all of it first, so nothing is held
 * in memory but what the caller keeps. */
#ifndef SS_SURVEY_H
#define SS_SURVEY_H

#include <stdint.h>

#include "error.h"

/* A frame that the filter selects. columns: its number, from 1, counting frames and events in the
 * recording's order; then the values of the fields ("" without), several joined by commas. Borrowed
 * for the call. */
typedef void (*ss_survey_row)(uint64_t number, char *const *columns, void *user_data);

/*
 * filter: a display filter. fields: NULL-terminated. Blocks until tshark has ended. A damaged
 * recording is read up to the damage, which whoever replays it tells. -ENOENT: there is no tshark;
 * -EINVAL: the recording can be read only once (a pipe); -ECHILD: tshark died.
 */
int ss_survey_run(const char *recording, const char *filter, const char *const *fields,
		  ss_survey_row row, void *user_data, struct ss_error *error);

#endif
