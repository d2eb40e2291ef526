/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording (format/recording.md) as a source: the input of an earlier session, in its order.
 * Everything is checked: what comes out can be written as it is, whatever the file held.
 */
#ifndef SS_SOURCE_REPLAY_H
#define SS_SOURCE_REPLAY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "error.h"
#include "format/recording.h"
#include "interface.h"

struct ss_replay;

struct ss_replay_item {
	enum ss_recording_type type;           /* never END; what is set beside it: */
	uint32_t id;                           /* INTERFACE, EVENT, COUNTERS */
	const struct ss_interface *interface;  /* INTERFACE */
	const char *address, *name;            /* NAME */
	struct iovec frames;                   /* FRAMES: one or more whole EPBs */
	uint64_t time_ns;                      /* EVENT */
	const char *info, *json;               /* EVENT */
	const char *lines;                     /* SECRETS */
	struct ss_interface_counters counters; /* COUNTERS */
};

/* -EBADMSG if it is no recording, or one of another version. */
int ss_replay_new(const char *path, struct ss_replay **ret_replay, struct ss_error *error);
/* Borrows the bytes until free. */
int ss_replay_new_memory(const void *data, size_t length, struct ss_replay **ret_replay,
			 struct ss_error *error);
void ss_replay_free(struct ss_replay *replay);

/*
 * 1: an item, borrowed until the next call; 0: the recording ended as it should; -EBADMSG: it is
 * cut short or damaged here, what came before stands; another error: it can't be read. Once it has
 * returned 0 or an error it returns the same again.
 */
int ss_replay_next(struct ss_replay *replay, struct ss_replay_item *ret_item,
		   struct ss_error *error);

#endif
