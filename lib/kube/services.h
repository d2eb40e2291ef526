/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services, joined with the slices of their endpoints, and nodes. A service is told when something
 * of it changed, at most some times a second.
 */
#ifndef SS_KUBE_SERVICES_H
#define SS_KUBE_SERVICES_H

#include "k8s/provider.h"
#include "kube/mark.h"
#include "kube/object.h"
#include "loop.h"

struct ss_kube_services;

/* Borrows callbacks. */
struct ss_kube_services *ss_kube_services_new(struct ss_loop *loop,
					      const struct ss_provider_callbacks *callbacks);
void ss_kube_services_free(struct ss_kube_services *services);

/* All take the object. False: there are too many. */
bool ss_kube_services_set(struct ss_kube_services *services, struct ss_kube_mark mark,
			  struct ss_service *service);
bool ss_kube_services_set_slice(struct ss_kube_services *services, struct ss_kube_mark mark,
				struct ss_kube_object_slice *slice);
bool ss_kube_services_set_node(struct ss_kube_services *services, struct ss_kube_mark mark,
			       struct ss_cluster_node *node);

void ss_kube_services_remove(struct ss_kube_services *services, const char *namespace,
			     const char *name);
void ss_kube_services_remove_slice(struct ss_kube_services *services, const char *namespace,
				   const char *name);
void ss_kube_services_remove_node(struct ss_kube_services *services, const char *name);

/* Drops what a complete list did not tell, of any kind: marks tell them apart. */
void ss_kube_services_sweep(struct ss_kube_services *services, struct ss_kube_mark listed);

unsigned ss_kube_services_count(const struct ss_kube_services *services);
unsigned ss_kube_services_count_nodes(const struct ss_kube_services *services);

#endif
