/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What frames pass on their way from the ring to the stream, as the options want it: the stages of
 * a gate (gate.h), and the events that belong between frames.
 */
#ifndef SS_STAGES_H
#define SS_STAGES_H

#include <stdint.h>

#include "early.h"
#include "error.h"
#include "follow.h"
#include "k8s/pod.h"
#include "loop.h"
#include "options.h"
#include "pump.h"
#include "sieve.h"
#include "source/bpf.h"
#include "stream.h"

struct ss_stages;

struct ss_stages_context { /* borrowed for its life */
	const struct ss_options *options;
	struct ss_loop *loop;
	struct ss_bpf_source *source;
	struct ss_stream *stream;
	struct ss_pump *pump; /* gets the gate, if one is needed */
	const struct ss_sieve *sieve;
	const char *node; /* host name */
	/* Nothing can go on: -EPIPE, or an error whose sentence is in error. */
	void (*failed)(int status, void *user_data);
	void *user_data;
	struct ss_error *error;
};

/* Before the first frame. */
int ss_stages_new(const struct ss_stages_context *context, struct ss_stages **ret_stages);
/* After the pump is gone. */
void ss_stages_free(struct ss_stages *stages);

/* What is to be told by who follows pods and devices. */
void ss_stages_callbacks(struct ss_stages *stages, struct ss_follow_callbacks *ret_callbacks);
/* A new interface, before its first frame. pod: NULL for a device of the host. */
void ss_stages_interface(struct ss_stages *stages, uint32_t id, uint16_t link_type,
			 const struct ss_pod *pod, const char *device);

/* Where pods of which it is not decided whether they are meant have their frames wait; NULL: no
 * pod needs that. */
struct ss_early *ss_stages_early(const struct ss_stages *stages);

/* Everything is attached. */
void ss_stages_start(struct ss_stages *stages);
/* No more frames come: what waits for something is not to wait any more. */
void ss_stages_stop(struct ss_stages *stages);
/* The ring is empty: the rest of what user space made. */
void ss_stages_flush(struct ss_stages *stages);

/* As in capture.h. */
uint64_t ss_stages_undecided(const struct ss_stages *stages);
uint64_t ss_stages_late(const struct ss_stages *stages);
char *ss_stages_tls_summary(const struct ss_stages *stages);
char *ss_stages_exchange_summary(const struct ss_stages *stages);
/* Frames that user space made. */
uint64_t ss_stages_made(const struct ss_stages *stages);

#endif
