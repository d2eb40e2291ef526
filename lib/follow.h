/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that is captured right now: the pods and devices that were asked for, as they come,
 * change and go. Each coming and going of a pod is an event record in the stream.
 */
#ifndef SS_FOLLOW_H
#define SS_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "k8s/directory.h"
#include "loop.h"
#include "options.h"
#include "target.h"

struct ss_follow;

struct ss_follow_callbacks {
	/* Writes an event between the frames before it and those after it. */
	void (*event)(const struct ss_event *event, void *user_data);
	/* Nothing can go on: the reader has gone (-EPIPE), or an error with its sentence. */
	void (*failed)(int status, void *user_data);
	/* It is decided of a pod that was hooked early whether it is meant: frames that waited may
	 * go on; may be NULL. */
	void (*decided)(void *user_data);
	/* A selected pod came, changed or went; may be NULL. */
	void (*pod)(enum ss_pod_change change, const struct ss_pod *pod, void *user_data);
	/* Every pod of this node, selected or not, before anything is done about it; may be NULL.
	 */
	void (*seen)(enum ss_pod_change change, const struct ss_pod *pod, void *user_data);
	/* What names other addresses, as in k8s/directory.h; may be NULL. */
	void (*peer)(enum ss_object_change change, const struct ss_pod *pod, void *user_data);
	void (*service)(enum ss_object_change change, const struct ss_service *service,
			void *user_data);
	void (*node)(enum ss_object_change change, const struct ss_cluster_node *node,
		     void *user_data);
	void *user_data;
};

/* Borrows all but callbacks. Nothing is attached yet. */
struct ss_follow *ss_follow_new(struct ss_loop *loop, const struct ss_options *options,
				struct ss_target_context *context,
				const struct ss_follow_callbacks *callbacks,
				struct ss_error *error);
void ss_follow_free(struct ss_follow *follow);

/* Attaches to what is there; from now on follows by itself, on the loop. */
int ss_follow_start(struct ss_follow *follow);
/* Detaches everything. */
void ss_follow_stop(struct ss_follow *follow);

/* Will anything be attached later? If not, capabilities are of no more use. */
bool ss_follow_is_watching(const struct ss_follow *follow);
/* "production/api, hooked by netns", "production/api and 3 more", NULL: nothing yet. g_free(). */
char *ss_follow_summary(const struct ss_follow *follow);
/* Counters of all interfaces in the stream up to date; adds drops by cause. */
void ss_follow_count(struct ss_follow *follow, uint64_t drops[SS_DROP_CAUSES]);

#endif
