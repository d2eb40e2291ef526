/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only frames of the containers that were asked for: a stage of the gate (gate.h). All containers
 * of a pod share one network; whose a frame is says the kernel part (owners.h). Frames of which
 * nobody knows the container are kept.
 */
#ifndef SS_CONTAINERS_H
#define SS_CONTAINERS_H

#include <stdint.h>

#include <glib.h>

#include "k8s/pod.h"
#include "k8s/watch.h"
#include "stage.h"

struct ss_containers;

/* names: char *, borrowed for its life. left_out: a frame of the interface is not written. */
struct ss_containers *ss_containers_new(GPtrArray *names,
					void (*left_out)(uint32_t interface_id, void *user_data),
					void *user_data);
void ss_containers_free(struct ss_containers *containers);

/* A captured pod comes, changes or goes. */
void ss_containers_pod(struct ss_containers *containers, enum ss_pod_change change,
		       const struct ss_pod *pod);
/* Leaves out (SS_BLOCK_LEFT_OUT) what is of other containers. */
struct ss_stage ss_containers_stage(struct ss_containers *containers);

#endif
