/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thing being captured: a pod, or a device of the host. Knows where to hook for it and holds
 * the hooks; each of its devices is an interface of the stream.
 */
#ifndef SS_TARGET_H
#define SS_TARGET_H

#include <stdbool.h>

#include "error.h"
#include "k8s/pod.h"
#include "tap.h"

struct ss_target;

/* Hooks every device of the pod. early: what it sends and receives waits for ss_target_settle().
 * -ENOENT: its process ended meanwhile. */
int ss_target_new_pod(struct ss_target_context *context, const struct ss_pod *pod, bool early,
		      struct ss_target **ret_target, struct ss_error *error);
/* Loads a program that pods which come will need, unless there are enough for so many: a new pod
 * has its first packet soon. Returns 1 if it did, then call again when there is time. */
int ss_target_prepare(struct ss_target_context *context, unsigned pods);
/* The pod is meant: its interfaces come into the stream, with what waits. After an error: free it.
 */
int ss_target_settle(struct ss_target *target, const struct ss_pod *pod, struct ss_error *error);
/* Hooks a device of the host; "any": every device that is up. */
int ss_target_new_device(struct ss_target_context *context, const char *device,
			 struct ss_target **ret_target, struct ss_error *error);
/* Detaches, leaves the last counters in the stream. */
void ss_target_free(struct ss_target *target);

/* Hooks devices that came since, lets go of those that went. Returns whether any device is left,
 * or an error. */
int ss_target_refresh(struct ss_target *target, struct ss_error *error);
/* What is known of the pod changed: names its new addresses, and says so in new interfaces when it
 * has other containers. */
int ss_target_update(struct ss_target *target, const struct ss_pod *pod, struct ss_error *error);
/* Readable when ss_target_refresh() has something to do; -1 when devices are not watched. */
int ss_target_fd(const struct ss_target *target);

/* Brings the counters of its interfaces up to date in the stream, and adds drops by cause. */
void ss_target_count(struct ss_target *target, uint64_t drops[SS_DROP_CAUSES]);

/* "production/api" or "eth0". */
const char *ss_target_name(const struct ss_target *target);
const struct ss_pod *ss_target_pod(const struct ss_target *target); /* NULL: a device */
/* How: "netns". */
const char *ss_target_how(const struct ss_target *target);

#endif
