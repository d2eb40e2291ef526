/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes down what enters a session (format/recording.md), for replay.h. Call it for every input,
 * in the order in which the session takes it. Nothing here fails until close: a recording that
 * can't be written must not end the capture. A NULL recorder records nothing.
 */
#ifndef SS_SOURCE_RECORD_H
#define SS_SOURCE_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "error.h"
#include "interface.h"

struct ss_recorder;

/* Creates the file, 0600. */
int ss_recorder_new(const char *path, struct ss_recorder **ret_recorder, struct ss_error *error);
/* Ends the recording, frees. Returns the first error of any write. */
int ss_recorder_close(struct ss_recorder *recorder, struct ss_error *error);

/* Ids count from 0. */
void ss_recorder_interface(struct ss_recorder *recorder, uint32_t id,
			   const struct ss_interface *interface);
void ss_recorder_name(struct ss_recorder *recorder, const char *address, const char *name);
/* The first length bytes of the slices: whole blocks, none of which spans two slices. */
void ss_recorder_frames(struct ss_recorder *recorder, const struct iovec *slices, unsigned count,
			size_t length);
/* Key log lines; wiped from the recorder's memory. */
void ss_recorder_secrets(struct ss_recorder *recorder, const char *lines);
void ss_recorder_event(struct ss_recorder *recorder, uint32_t interface_id, uint64_t time_ns,
		       const char *info, const char *json);
/* Totals so far; the last ones before the end are the statistics of the replayed capture. */
void ss_recorder_counters(struct ss_recorder *recorder, uint32_t id,
			  const struct ss_interface_counters *counters);

#endif
