/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The provider that asks the container runtime (containerd, CRI-O) on its socket: labels,
 * annotations, images, names of containers and addresses of this node's pods, some milliseconds
 * after a pod's first process began. It asks when a pod or a container is new; both never change
 * these facts later.
 */
#ifndef SS_CRI_CRI_H
#define SS_CRI_CRI_H

#include "error.h"
#include "k8s/provider.h"
#include "loop.h"

struct ss_cri_options {
	const char *socket; /* path, or "unix://path"; NULL: $CONTAINER_RUNTIME_ENDPOINT, else the
			     * usual places */
};

/* Copies options and callbacks; asks nothing yet. 0; -ENOENT when there is no socket (an ordinary
 * machine), -EACCES when it may not be opened, -EINVAL, -EOPNOTSUPP in a build without WITH_CRI;
 * each with a sentence. */
int ss_cri_new(struct ss_loop *loop, const struct ss_cri_options *options,
	       const struct ss_provider_callbacks *callbacks, struct ss_provider **ret,
	       struct ss_error *error);

#endif
