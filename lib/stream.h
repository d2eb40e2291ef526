/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture as one stream: interfaces, names, events and frames, in order, into the output and,
 * if asked for, into a recording. Keeps the interfaces' counters for the statistics.
 */
#ifndef SS_STREAM_H
#define SS_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <glib.h>

#include "error.h"
#include "interface.h"
#include "output/output.h"
#include "source/record.h"

struct ss_stream;

/* What happened to a pod or device: format/events.md. Strings are borrowed, NULL where unknown. */
struct ss_event {
	const char *event; /* "pod-gone" */
	const char *namespace, *pod, *uid, *interface;
	const char *node; /* NULL: this one */
	const char *message;
	const char *details; /* more JSON members, "\"a\":1,...", of ss_json_text() and the like */
	bool quiet;          /* a record only: not worth a line to people */
};

/* Takes output and recorder (may be NULL); on failure too. */
struct ss_stream *ss_stream_new(struct ss_output *output, struct ss_recorder *recorder);
/* Writes the statistics and closes output and recording. */
int ss_stream_close(struct ss_stream *stream, struct ss_error *error);

/* Errors are those of ss_output_*(). Takes the interface. */
int ss_stream_interface(struct ss_stream *stream, struct ss_interface *interface, uint32_t *ret_id,
			struct ss_error *error);
int ss_stream_name(struct ss_stream *stream, const char *address, const char *name,
		   struct ss_error *error);
/* In this file of a ring only: whoever tells it tells it again in the next. */
int ss_stream_name_once(struct ss_stream *stream, const char *address, const char *name,
			struct ss_error *error);
int ss_stream_event(struct ss_stream *stream, uint64_t time_ns, const struct ss_event *event,
		    struct ss_error *error);
/* The event as one JSON object (format/events.md). g_free(). */
char *ss_event_json(uint64_t time_ns, const struct ss_event *event);
/* The interface of events, before the first of them: editcap and mergecap want to know all link
 * types of a file before its first frame. */
int ss_stream_expect_events(struct ss_stream *stream, struct ss_error *error);
/* They are on this interface, which a recording has. */
void ss_stream_events_are_on(struct ss_stream *stream, uint32_t interface_id);
/* Its id; UINT32_MAX: there is none yet. */
uint32_t ss_stream_events(const struct ss_stream *stream);
int ss_stream_event_json(struct ss_stream *stream, uint64_t time_ns, const char *info,
			 const char *json, struct ss_error *error);
/* The same as bytes, for a file that begins (output.h). */
void ss_stream_put_event(struct ss_stream *stream, GByteArray *blocks, uint64_t time_ns,
			 const struct ss_event *event);
/* An event that is finished already (from a recording). */
int ss_stream_record(struct ss_stream *stream, uint32_t interface_id, uint64_t time_ns,
		     const char *info, const char *json, struct ss_error *error);
/* NSS key log lines, each with its newline, which the frames that follow need. */
int ss_stream_secrets(struct ss_stream *stream, const char *lines, struct ss_error *error);
/* A frame that user space made: a whole Enhanced Packet Block of interface_id. What goes to the
 * primary sink is counted as seen and accepted, with its length, and recorded. */
int ss_stream_made(struct ss_stream *stream, uint32_t interface_id, const GByteArray *block,
		   uint64_t length, enum ss_output_sinks sinks, struct ss_error *error);
/* A block of the ring that comes later, not from there. */
int ss_stream_late(struct ss_stream *stream, const GByteArray *block, struct ss_error *error);
int ss_stream_frames(struct ss_stream *stream, const struct iovec *slices, unsigned count,
		     size_t *ret_taken, struct ss_error *error);

uint32_t ss_stream_interfaces(const struct ss_stream *stream);
/* Borrowed for the life of the stream. */
const struct ss_interface *ss_stream_interface_at(const struct ss_stream *stream, uint32_t id);
/* The place where the owner of an interface keeps its counters current. */
struct ss_interface_counters *ss_stream_counters(struct ss_stream *stream, uint32_t id);
struct ss_output *ss_stream_output(struct ss_stream *stream);

/* Into the recording, so that a replay has statistics for each file of a ring. */
void ss_stream_record_counters(struct ss_stream *stream);
/* Called before the counters are written at the end of a file, to bring them up to date. */
void ss_stream_set_refresh(struct ss_stream *stream, void (*refresh)(void *user_data),
			   void *user_data);
/* Somebody else who reads the frames needs the secrets, too. */
void ss_stream_copy_secrets(struct ss_stream *stream,
			    void (*copy)(const char *lines, void *user_data), void *user_data);
/* For the output, which asks when it ends a file. */
void ss_stream_output_counters(uint32_t id, struct ss_interface_counters *ret, void *user_data);

#endif
