/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording as the source of a session. */
#ifndef SS_PLAYBACK_H
#define SS_PLAYBACK_H

#include <stdint.h>

#include "error.h"
#include "options.h"
#include "stream.h"

struct ss_playback_result {
	uint64_t frames; /* counted only with --count */
	char *exchanges; /* as ss_failures_summary(); NULL: nothing to say. g_free() */
};

/* Puts the recording of options->replay into the stream: what --filter and --dns-failure-only
 * want of it, at most --count frames. *ret_result is set in any case. -EBADMSG: the recording is
 * damaged, what came before is in the stream. */
int ss_playback_run(const struct ss_options *options, struct ss_stream *stream,
		    struct ss_playback_result *ret_result, struct ss_error *error);

#endif
