/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sent a frame and to whom, as far as the file tells: by the addresses in it, and for the pod
 * that was captured by the interface and the direction.
 */
#ifndef SS_PLUGIN_SIDE_H
#define SS_PLUGIN_SIDE_H

#include "cluster.h"
#include "interface.h"

/* More services than that at one address and port are left out. */
#define SS_SIDE_SERVICES_MAX 4

struct ss_side {
	enum ss_kind kind;
	const address *address; /* AT_NONE: the frame has none */
	uint16_t port;          /* 0: none */
	/* The captured pod, which may be all that is known of it; else NULL. */
	const struct ss_interface *own;
	const struct ss_description *pod, *node; /* NULL if unknown */
	const struct ss_description *services[SS_SIDE_SERVICES_MAX];
	unsigned services_count;
};

struct ss_sides {
	struct ss_side src, dst;
};

/* Borrows from pinfo and the file. False: neither side is known. */
bool ss_sides_get(const packet_info *pinfo, const struct ss_interface *interface, uint8_t direction,
		  struct ss_sides *ret_sides);

/* What is known of a side now, beside what was known of the same address and port before. */
enum ss_side_change {
	SS_SIDE_SAME,
	SS_SIDE_MORE,  /* the same, and perhaps more of it: its service, its pod's owner */
	SS_SIDE_OTHER, /* somebody else has the address now, or nobody */
};

enum ss_side_change ss_side_change(const struct ss_side *before, const struct ss_side *now);
/* It has a name of its own: a pod, service or node is known. */
bool ss_side_is_named(const struct ss_side *side);

/* NULL if unknown. The namespace of a pod, else that of the service. */
const char *ss_side_namespace(const struct ss_side *side);
const char *ss_side_pod(const struct ss_side *side);
const char *ss_side_workload(const struct ss_side *side);
const char *ss_side_node(const struct ss_side *side);
const char *ss_side_kind_name(enum ss_kind kind);

/* "production/api-1", "production/svc/api", "node/n1", else the address; "" without one. Printable.
 */
const char *ss_side_name(wmem_allocator_t *scope, const struct ss_side *side);
/* "production/api-1 (Deployment/api, Service api:80)". Printable. */
const char *ss_side_text(wmem_allocator_t *scope, const struct ss_side *side);

#endif
