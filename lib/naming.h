/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Brings the roster (roster.h) into a capture: as a stage of the gate it looks at frames, and what
 * the roster says goes between them, as records and names, and to the beginning of each file of a
 * ring.
 */
#ifndef SS_NAMING_H
#define SS_NAMING_H

#include "gate.h"
#include "loop.h"
#include "roster.h"
#include "source/bpf.h"
#include "stream.h"

struct ss_naming;

struct ss_naming_context { /* borrowed for its life */
	struct ss_loop *loop;
	struct ss_bpf_source *source;
	struct ss_stream *stream;
	struct ss_gate *gate;
	const char *node;
	uint64_t ring_bytes; /* size of a ring's file; 0: without limit */
	/* Something was queued: the pump may have a look. */
	void (*retry)(void *user_data);
	void *user_data;
	struct ss_error *error;
};

/* Adds its stage to the gate. */
int ss_naming_new(const struct ss_naming_context *context, struct ss_naming **ret_naming);
void ss_naming_free(struct ss_naming *naming);

/* Appends what a new file of a ring begins with, as ss_output_new_file. */
void ss_naming_new_file(struct ss_naming *naming, GByteArray *blocks, uint64_t time_ns);

/* As those of roster.h. */
void ss_naming_pod(struct ss_naming *naming, enum ss_object_change change, const struct ss_pod *pod,
		   bool captured);
void ss_naming_service(struct ss_naming *naming, enum ss_object_change change,
		       const struct ss_service *service);
void ss_naming_node(struct ss_naming *naming, enum ss_object_change change,
		    const struct ss_cluster_node *node);

/* What could not be named, a line; NULL: nothing. g_free(). */
char *ss_naming_summary(const struct ss_naming *naming);

#endif
