/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes that frames are of. Hangs the owner programs on the cgroups of captured pods, finds
 * out more about each process that owns a socket there, and describes it in the stream, by an event
 * record "process" (format/events.md) before the first frame that names it.
 */
#ifndef SS_OWNERS_H
#define SS_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "k8s/pod.h"
#include "k8s/watch.h"
#include "loop.h"
#include "source/bpf.h"
#include "stage.h"
#include "stream.h"

struct ss_owners;

/* Writes an event of that time (UTC) into the stream. */
typedef void (*ss_owners_event)(uint64_t time_ns, const struct ss_event *event, void *user_data);

struct ss_owners_context { /* borrowed for its life */
	struct ss_loop *loop;
	struct ss_bpf_source *source;
	ss_owners_event event;
	void *user_data;
};

/* Needs the privilege to load programs (raised by the caller). */
int ss_owners_new(const struct ss_owners_context *context, struct ss_owners **ret_owners,
		  struct ss_error *error);
void ss_owners_free(struct ss_owners *owners);

/* A captured pod comes, before its frames, changes or goes. */
void ss_owners_pod(struct ss_owners *owners, enum ss_pod_change change, const struct ss_pod *pod);

/* Names the containers that the kernel part did not know when a process got its socket. The last
 * stage does, too: for others that look at them before. */
struct ss_stage ss_owners_container_stage(struct ss_owners *owners);
/* The last one: describes the processes that frames name which are about to be written. */
struct ss_stage ss_owners_stage(struct ss_owners *owners);

/* For another reader of frames, of which this block is the next: describes the process that it
 * names, unless this reader knows it (anew: it knows none any more). Calls event. */
void ss_owners_introduce(struct ss_owners *owners, const void *block, size_t size, bool anew,
			 ss_owners_event event, void *user_data);

/* Describes again, for a reader who begins with a frame of that time, the processes that it may
 * meet. Calls event. */
void ss_owners_repeat(struct ss_owners *owners, uint64_t time_ns, ss_owners_event event,
		      void *user_data);

#endif
