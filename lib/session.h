/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One capture, from options to the last block: finds what to capture, attaches, follows pods, moves
 * frames, ends.
 */
#ifndef SS_SESSION_H
#define SS_SESSION_H

#include <stdint.h>

#include "error.h"
#include "format/ring.h"
#include "options.h"

struct ss_session_result {
	uint64_t frames, bytes; /* captured; original lengths */
	uint64_t written_bytes;
	uint64_t seen; /* frames that reached the hooks */
	uint64_t dropped;
	uint64_t late;      /* of these: of new pods, before anybody knew that they are meant */
	uint64_t left_out;  /* --mesh plain, --ssl-plaintext, --dns-failure-only, requests */
	uint64_t unmatched; /* passed the kernel's part of the filter, but not the rest */
	uint64_t undecided; /* frames that may not match the filter, at the end */
	uint64_t forgotten; /* messages under way that the filter in the kernel had no room for */
	uint64_t drops[SS_DROP_CAUSES];
	uint64_t live_skipped;
	unsigned files;
	double seconds;
	char exchanges[512]; /* of DNS or HTTP, likewise */
	char tls[512]; /* what became of TLS connections, a line; empty if there is nothing to say
			*/
};

/* Called about twice a second and at --stats-interval (interval true), for progress lines. */
typedef void (*ss_session_progress)(const struct ss_session_result *so_far, int interval,
				    void *user_data);

/*
 * Runs until a limit, a signal (SIGINT, SIGTERM, SIGHUP), a gone reader or an error. Returns 0 for
 * every ordinary end. ret_result is filled in either case with what was captured.
 * Blocks those signals for the thread and leaves them blocked; a replay just ends by them.
 */
int ss_session_run(const struct ss_options *options, ss_session_progress progress, void *user_data,
		   struct ss_session_result *ret_result, struct ss_error *error);

#endif
