/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a capture says about a pod beside its frames' bytes: format/metadata.md, written. */
#ifndef SS_DESCRIBE_H
#define SS_DESCRIBE_H

#include "format/metadata.h"
#include "format/ring.h"
#include "interface.h"
#include "k8s/pod.h"

/* The constant options of every block of the slot: direction, and who; pod may be NULL. */
void ss_describe_slot(struct ss_slot *slot, const struct ss_pod *pod, enum ss_direction direction);

/* Name and description of the pod's interface for a device; the first one has the bare name. */
struct ss_interface *ss_describe_pod_interface(const struct ss_pod *pod, const char *device,
					       bool first, const char *node, const char *hook,
					       uint16_t link_type);
/* Of what the pod's processes say through TLS. */
struct ss_interface *ss_describe_plaintext_interface(const struct ss_pod *pod, const char *node);
/* Of a device of the host. */
struct ss_interface *ss_describe_host_interface(const char *device, const char *node,
						const char *hook, uint16_t link_type);

/* TLVs (option 2989) of a frame that a process of the pod sent (out) or received. */
GByteArray *ss_describe_process(bool out, uint32_t pid, const char *comm);

/* "web,sidecar". Free with g_free(). */
char *ss_describe_containers(const struct ss_pod *pod);

#endif
