/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pod an interface of the capture belongs to, from if_name and if_description (grammar:
 * format/metadata.h). Decoded once per interface and section, kept until the file is closed.
 */
#ifndef SS_PLUGIN_INTERFACE_H
#define SS_PLUGIN_INTERFACE_H

#include "cluster.h"
#include "fields.h"

/* Beyond any pod that Kubernetes would accept; bounds what a hostile file can cost per frame. */
#define SS_INTERFACE_CONTAINERS_MAX 64

struct ss_interface_history;

struct ss_interface {
	const char *name;                   /* if_name */
	const char *values[SS_FIELD_COUNT]; /* by enum ss_field, NULL when not known */
	const char *containers[SS_INTERFACE_CONTAINERS_MAX];
	unsigned containers_count;
	const char *label;     /* "production/api (web)", printable; NULL when no pod is known */
	bool is_pod;           /* its frames belong to a pod, by the name of the interface */
	const char *full_name; /* "production/api", printable; NULL when no pod is known */
	struct ss_interface_history *history; /* what is said of the pod, as of its last use */
};

void ss_interface_register(void);

/* The interface of this record, valid until the file is closed; NULL when there is none. */
const struct ss_interface *ss_interface_get(const packet_info *pinfo);

/* The node on which it was captured; "" if unknown, or when interface is NULL. */
const char *ss_interface_observer(const struct ss_interface *interface);

/* How the interface's pod is described at a frame; NULL: it is not, or the interface is no pod's.
 */
const struct ss_description *ss_interface_pod(const struct ss_interface *interface, uint32_t frame);

#endif
