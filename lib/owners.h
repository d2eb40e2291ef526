/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes that frames are of. Hangs the owner programs on the cgroups of captured pods, finds
 * out more about each process that owns a socket there, and describes it in the stream, by an event
 * record "process" (format/events.md) before the first frame that names it.
 */
#ifndef SS_OWNERS_H
#define SS_OWNERS_H

#include <stdint.h>

#include "error.h"
#include "k8s/pod.h"
#include "k8s/watch.h"
#include "loop.h"
#include "source/bpf.h"
#include "stream.h"

struct ss_owners;

struct ss_owners_context { /* borrowed for its life */
	struct ss_loop *loop;
	struct ss_bpf_source *source;
	/* Writes an event of that time (UTC) into the stream. */
	void (*event)(uint64_t time_ns, const struct ss_event *event, void *user_data);
	/* Events were told outside of ss_owners_drain(): the pump may have a look. */
	void (*retry)(void *user_data);
	void *user_data;
};

/* Needs the privilege to load programs (raised by the caller). */
int ss_owners_new(const struct ss_owners_context *context, struct ss_owners **ret_owners,
		  struct ss_error *error);
void ss_owners_free(struct ss_owners *owners);

/* A captured pod comes, before its frames, changes or goes. */
void ss_owners_pod(struct ss_owners *owners, enum ss_pod_change change, const struct ss_pod *pod);

/* Tells of the processes that the kernel part has named up to now. */
void ss_owners_drain(struct ss_owners *owners);

/* Tells again of the processes that live, for a reader who begins now. */
void ss_owners_repeat(struct ss_owners *owners,
		      void (*event)(uint64_t time_ns, const struct ss_event *event,
				    void *user_data),
		      void *user_data);

#endif
