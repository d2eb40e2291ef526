/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Living pods as they come, change and go, for a caller with an event loop of its own:
 *
 *	poll(ss_pod_watch_fd(), ss_pod_watch_next_ms()) → ss_pod_watch_dispatch()
 *
 * A pod is added when its first process runs in the pod's own namespaces, and removed when the last
 * one has ended; the pid may change in between.
 */
#ifndef SS_K8S_WATCH_H
#define SS_K8S_WATCH_H

#include "error.h"
#include "k8s/node.h"

enum ss_pod_change {
	SS_POD_ADDED,
	SS_POD_CHANGED, /* another process stands for it, its containers or addresses changed */
	SS_POD_REMOVED,
};

/* The pod is borrowed for the call. */
typedef void (*ss_pod_callback)(enum ss_pod_change change, const struct ss_pod *pod,
				void *user_data);

/* Borrows node until _free. Calls back from _dispatch only; the first adds what lives already. */
struct ss_pod_watch *ss_pod_watch_new(struct ss_node *node, ss_pod_callback callback,
				      void *user_data);
void ss_pod_watch_free(struct ss_pod_watch *watch);

/* Readable when _dispatch has something to do; -1 if the system gave none: time alone counts. */
int ss_pod_watch_fd(const struct ss_pod_watch *watch);

/* Milliseconds until _dispatch is wanted even if the descriptor stays silent; 0: now. */
int ss_pod_watch_next_ms(const struct ss_pod_watch *watch);

/* Cheap when nothing happened. A negative errno (the log directories may not be read any more)
 * leaves the pods as they were; calling again is fine. */
int ss_pod_watch_dispatch(struct ss_pod_watch *watch, struct ss_error *error);

#endif
