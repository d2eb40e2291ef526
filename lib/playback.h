/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording as the source of a session. */
#ifndef SS_PLAYBACK_H
#define SS_PLAYBACK_H

#include <stdint.h>

#include "error.h"
#include "stream.h"

/* Puts the recording at path into the stream; limit: only so many frames, 0: all. *ret_frames is
 * set in any case: how many there were, counted only with a limit. -EBADMSG: the recording is
 * damaged, what came before is in the stream. */
int ss_playback_run(const char *path, struct ss_stream *stream, uint64_t limit,
		    uint64_t *ret_frames, struct ss_error *error);

#endif
