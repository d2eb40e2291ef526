/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who can tell more about the pods of this node than the node itself: the container runtime (cri),
 * the API server (kube). A provider never blocks and never fails the capture: what it can't tell
 * stays unknown, and it says once why.
 */
#ifndef SS_K8S_PROVIDER_H
#define SS_K8S_PROVIDER_H

#include <stdbool.h>

#include "k8s/pod.h"
#include "k8s/service.h"

enum ss_object_change { SS_OBJECT_SET, SS_OBJECT_GONE };

/* What a provider tells on the loop. All may be NULL; objects are borrowed for the call. */
struct ss_provider_callbacks {
	/* More is known of this pod than at its last _complete(): ask again. */
	void (*changed)(const char *uid, void *user_data);
	/* Pods of other nodes, services, nodes: they name addresses. Added or changed: SET. */
	void (*peer)(enum ss_object_change change, const struct ss_pod *pod, void *user_data);
	void (*service)(enum ss_object_change change, const struct ss_service *service,
			void *user_data);
	void (*node)(enum ss_object_change change, const struct ss_cluster_node *node,
		     void *user_data);
	void *user_data;
};

struct ss_provider {
	const char *name; /* "cri" */
	/* Adds what it knows of the pod with this uid, and marks its facts' sources; a better
	 * source's facts stay. False: it is asking, and changed() will be called, at the latest
	 * when it gives up. */
	bool (*complete)(struct ss_provider *provider, struct ss_pod *pod);
	/* The pod is gone: forget it. */
	void (*forget)(struct ss_provider *provider, const char *uid);
	/* One line about its state for people: "containerd 1.6.20", "API server: 403 Forbidden
	 * ..."; borrowed until the next call. */
	const char *(*state)(struct ss_provider *provider);
	void (*free)(struct ss_provider *provider);
	/* Has it answered, and nothing gone wrong since? */
	bool (*works)(struct ss_provider *provider);
	/* All pods of the node are about to be asked about: begin to find out. May be NULL. */
	void (*expect)(struct ss_provider *provider);
};

#endif
