/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pod, service or node as the capture describes it: a record of format/events.md, names for its
 * addresses, and the addresses in frames that are about it.
 */
#ifndef SS_DESCRIPTION_H
#define SS_DESCRIPTION_H

#include "k8s/pod.h"
#include "k8s/service.h"
#include "stream.h"

struct ss_description {
	struct ss_event event; /* its strings are those below */
	char *namespace, *pod, *uid, *node, *message, *details;
	char *name;           /* for its addresses: "api.production"; NULL: they have another's */
	GPtrArray *addresses; /* char * */
	GPtrArray *endpoints; /* char *: addresses that frames have after translation */
	bool has_node_ports;  /* frames to any node may be about it */
};

struct ss_description *ss_description_of_pod(const struct ss_pod *pod, const char *host);
struct ss_description *ss_description_of_service(const struct ss_service *service);
struct ss_description *ss_description_of_node(const struct ss_cluster_node *node);
void ss_description_free(struct ss_description *description);

/* Would a record say the same? */
bool ss_description_equal(const struct ss_description *a, const struct ss_description *b);

#endif
