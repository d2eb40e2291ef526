/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A service and a node of the cluster, as far as they give names to addresses. Filled by a
 * provider, read by everybody. Strings and arrays belong to the object; NULL or empty where
 * unknown.
 */
#ifndef SS_K8S_SERVICE_H
#define SS_K8S_SERVICE_H

#include <stdint.h>

#include <glib.h>

struct ss_service_port {
	char *name;         /* "http"; NULL: it has none */
	uint8_t protocol;   /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port;      /* at the service's addresses */
	uint16_t node_port; /* at every node; 0: none */
};

/* One of the pods (or other hosts) behind a service. */
struct ss_service_endpoint {
	char *address;         /* IPv4 or IPv6 in text form */
	char *namespace, *pod; /* NULL: not a pod */
	GArray *ports;         /* uint16_t, host byte order; in no order that means anything */
};

struct ss_service {
	char *namespace, *name, *uid;
	char *type;           /* "ClusterIP", "NodePort", "LoadBalancer", "ExternalName" */
	GPtrArray *addresses; /* char *: cluster IPs (not of headless ones), external, of the
				 balancer */
	GPtrArray *ports;     /* struct ss_service_port * */
	GPtrArray *endpoints; /* struct ss_service_endpoint *, of all its slices */
};

struct ss_cluster_node {
	char *name;
	GPtrArray *addresses; /* char * */
};

/* Empty, with their arrays. */
struct ss_service *ss_service_new(void);
void ss_service_free(struct ss_service *service);
struct ss_service_port *ss_service_port_new(const char *name, uint8_t protocol, uint16_t port,
					    uint16_t node_port);
struct ss_service_endpoint *ss_service_endpoint_new(const char *address, const char *namespace,
						    const char *pod);
void ss_service_endpoint_free(struct ss_service_endpoint *endpoint);
struct ss_cluster_node *ss_cluster_node_new(const char *name);
void ss_cluster_node_free(struct ss_cluster_node *node);

#endif
