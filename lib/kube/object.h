/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the API server sends, as what the project keeps of it. Every name is checked by the rules
 * Kubernetes has for it, every address is made an address: what does not obey is left out, an
 * object without a proper name is none.
 * https://kubernetes.io/docs/reference/kubernetes-api/
 */
#ifndef SS_KUBE_OBJECT_H
#define SS_KUBE_OBJECT_H

#include <stdbool.h>

#include <jansson.h>

#include "k8s/pod.h"
#include "k8s/service.h"

/* The controller of an object (metadata.ownerReferences); empty strings: it has none. */
struct ss_kube_object_owner {
	char kind[64];
	char name[254];
	char uid[65];
	char group[64]; /* of apiVersion, without its version: "apps" */
};

/* One slice of a service's endpoints, or all of them (Endpoints). */
struct ss_kube_object_slice {
	char *namespace, *name, *service;
	GPtrArray *endpoints; /* struct ss_service_endpoint * */
};

/* metadata.<key>, NULL if it is no text. Borrowed; not checked. */
const char *ss_kube_object_meta(const json_t *object, const char *key);

/* Each NULL when the object has no proper name. whole: labels, annotations and containers too. A
 * static pod gets the uid that the kubelet gave it. ret_finished: it has no process any more. */
struct ss_pod *ss_kube_object_pod(const json_t *object, bool whole,
				  struct ss_kube_object_owner *ret_owner, bool *ret_finished);
struct ss_service *ss_kube_object_service(const json_t *object);
struct ss_kube_object_slice *ss_kube_object_slice(const json_t *object);
struct ss_kube_object_slice *ss_kube_object_endpoints(const json_t *object);
struct ss_cluster_node *ss_kube_object_node(const json_t *object);
void ss_kube_object_slice_free(struct ss_kube_object_slice *slice);

void ss_kube_object_owner(const json_t *object, struct ss_kube_object_owner *ret);

#endif
