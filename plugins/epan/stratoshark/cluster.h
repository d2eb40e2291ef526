/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is who in this file: what its description records (format/events.md) say about pods, services
 * and nodes, found by address or uid. Valid until the file is closed.
 *
 * A description holds from its frame on, until the next one of the same object; before the first
 * one, the first one holds. In merged files each node's own descriptions are preferred.
 */
#ifndef SS_PLUGIN_CLUSTER_H
#define SS_PLUGIN_CLUSTER_H

#include "compat.h"

enum ss_kind {
	SS_KIND_UNKNOWN,
	SS_KIND_POD,
	SS_KIND_SERVICE,
	SS_KIND_NODE,
	SS_KIND_OUTSIDE, /* none of those, in a file that knows its cluster */
};

/* IPv6, or IPv4 mapped into it. */
struct ss_ip {
	uint8_t bytes[16];
};

struct ss_pod_container {
	const char *id;    /* first 12 hex digits, "" if unknown */
	const char *name;  /* "" if unknown */
	const char *image; /* NULL if unknown */
};

struct ss_service_port {
	uint8_t protocol; /* IPPROTO_* */
	uint16_t port;
	uint16_t node_port; /* 0: none */
};

struct ss_endpoint {
	struct ss_ip address;
	uint16_t port;
};

/* One object as one record describes it. Strings are NULL where unknown. */
struct ss_description {
	enum ss_kind kind;
	uint32_t frame;
	uint64_t hash;        /* of the record without its time, and of its observer */
	const char *observer; /* node that wrote the record; "" if unknown */
	const char *namespace, *name, *uid, *node;
	const char *full_name; /* printable: "production/api-1", "production/svc/api", "node/n1" */
	wmem_array_t *addresses; /* struct ss_ip, sorted */
	/* of a pod */
	const char *workload;     /* "Deployment/api" */
	wmem_array_t *labels;     /* const char *: "key=value" */
	wmem_array_t *containers; /* struct ss_pod_container */
	bool host_network;
	/* of a service */
	wmem_array_t *ports;     /* struct ss_service_port */
	wmem_array_t *endpoints; /* struct ss_endpoint, sorted */
};

void ss_cluster_register(void);

/* Is this hash that of the last description of some object? Then it says nothing new. */
bool ss_cluster_has(uint64_t hash);
/* Takes a description (file scope) of a frame not earlier than those before. */
void ss_cluster_add(struct ss_description *description);

/* Nothing is described in this file (so far). */
bool ss_cluster_is_empty(void);
/* Is so much known that an unknown address is outside of the cluster? */
bool ss_cluster_is_known(void);

/* False: not an IPv4 or IPv6 address. */
bool ss_ip_parse(const char *text, struct ss_ip *ret_ip);
int ss_ip_compare(const void *a, const void *b);

/* All that is said of one pod. NULL: nothing is, so far. Holds as long as the count below. */
struct ss_history;
const struct ss_history *ss_cluster_pod(const char *uid, const char *observer);
const struct ss_description *ss_history_at(const struct ss_history *history, uint32_t frame);
/* Grows with each description, also from file to file. */
uint64_t ss_cluster_count(void);
/* The pod that has the address of its own. */
const struct ss_description *ss_cluster_pod_at(const struct ss_ip *ip, uint32_t frame,
					       const char *observer);
const struct ss_description *ss_cluster_node_at(const struct ss_ip *ip, uint32_t frame,
						const char *observer);
/*
 * Services at the address (protocol and port 0: whichever port): by an address of their own
 * (*ret_own), as a port of a node, or with an endpoint there. Returns how many, at most max.
 */
unsigned ss_cluster_services_at(const struct ss_ip *ip, uint8_t protocol, uint16_t port,
				uint32_t frame, const char *observer,
				const struct ss_description **ret_services, unsigned max,
				bool *ret_own);

bool ss_description_has(const struct ss_description *description, const struct ss_ip *ip);
/* What a description says of arrays that are sorted: bring them in order, before it is added. */
void ss_description_sort(struct ss_description *description);

#endif
