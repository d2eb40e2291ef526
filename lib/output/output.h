/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a capture goes: one pcapng stream into a file, a ring of files, or a pipe, and a copy of it
 * to a live viewer. Files are created 0600.
 *
 * Files are written blocking (the frame ring takes the waiting). Pipes are written non-blocking:
 * while a pipe is full, ss_output_blocked() is true, frames are not taken, and the caller waits for
 * ss_output_fd() to become writable.
 */
#ifndef SS_OUTPUT_OUTPUT_H
#define SS_OUTPUT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <glib.h>

#include "error.h"
#include "interface.h"

struct ss_output;

/* Which readers get blocks that user space made. */
enum ss_output_sinks {
	SS_OUTPUT_PRIMARY = 1, /* the file or pipe; the live viewer if there is nothing else */
	SS_OUTPUT_VIEWER = 2,  /* the live viewer beside it */
	SS_OUTPUT_ALL = 3,
};

struct ss_output_options {
	const char *path;    /* "-": standard output; NULL: only the live viewer */
	int live_fd;         /* pipe to a viewer, handed over; -1: none */
	uint64_t ring_bytes; /* begin a new file above this size; 0: never */
	uint64_t ring_ns;    /* begin a new file after this time; 0: never */
	unsigned ring_files; /* keep only so many; 0: all */
	bool discard;        /* write nowhere: for measurements */
};

/* Counters of interface id at this moment, for the statistics at the end of a file. */
typedef void (*ss_output_counters)(uint32_t interface_id, struct ss_interface_counters *ret,
				   void *user_data);

/* Appends the key log lines that a new file of a ring must begin with. */
typedef void (*ss_output_live_secrets)(GString *lines, void *user_data);

/* Appends whole blocks that a new file of a ring begins with, after its header; time_ns: stamp of
 * the frame that comes next. */
typedef void (*ss_output_new_file)(GByteArray *blocks, uint64_t time_ns, void *user_data);

int ss_output_new(const struct ss_output_options *options, ss_output_counters counters,
		  void *user_data, struct ss_output **ret_output, struct ss_error *error);
/* Without it, a new file begins without secrets. */
void ss_output_set_live_secrets(struct ss_output *output, ss_output_live_secrets secrets,
				void *user_data);
void ss_output_set_new_file(struct ss_output *output, ss_output_new_file new_file, void *user_data);
/* Writes the statistics of all interfaces, closes. Keeps what it can: the error is the first. */
int ss_output_close(struct ss_output *output, struct ss_error *error);

/*
 * The following return 0, -EPIPE when the reader has gone (an ordinary end), or an error with a
 * sentence; then the file ends after its last whole block.
 */
/* Ids count from 0. Borrows the interface for the call. */
int ss_output_interface(struct ss_output *output, const struct ss_interface *interface,
			uint32_t *ret_id, struct ss_error *error);
int ss_output_name(struct ss_output *output, const char *address, const char *name,
		   struct ss_error *error);
/* In this file only. */
int ss_output_name_once(struct ss_output *output, const char *address, const char *name,
			struct ss_error *error);
int ss_output_event(struct ss_output *output, uint32_t interface_id, uint64_t time_ns,
		    const char *info, const char *json, struct ss_error *error);
/* Key log lines, in the file before whatever comes next. */
int ss_output_secrets(struct ss_output *output, const char *lines, struct ss_error *error);
/* Whole blocks made here (frames that never were in the ring): always taken; a slow pipe's reader
 * gets them later, a slow live viewer perhaps not. */
int ss_output_blocks(struct ss_output *output, const GByteArray *blocks, enum ss_output_sinks sinks,
		     struct ss_error *error);
/* Takes whole blocks from the front of the slices; *ret_taken may be less than offered when a
 * pipe is full or a file is complete: offer the rest again. */
int ss_output_frames(struct ss_output *output, const struct iovec *slices, unsigned count,
		     size_t *ret_taken, struct ss_error *error);

/* A full pipe: wait for ss_output_fd() to be writable, then ss_output_flush(). */
bool ss_output_blocked(const struct ss_output *output);
int ss_output_flush(struct ss_output *output, struct ss_error *error);
/* The pipe, to watch for a reader that leaves (POLLERR) or becomes ready; -1 for files. */
int ss_output_fd(const struct ss_output *output);
int ss_output_live_fd(const struct ss_output *output);
/* Blocks that the live viewer was too slow to take; the file has them. */
uint64_t ss_output_live_skipped(const struct ss_output *output);
/* Bytes written so far, all files together. */
uint64_t ss_output_bytes(const struct ss_output *output);
unsigned ss_output_files(const struct ss_output *output);

#endif
