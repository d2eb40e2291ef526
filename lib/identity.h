/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is who, in the stream: describes (description.h) the captured pods at once, and other pods,
 * services and nodes before the first frame with an address of theirs; again when they change; and
 * in each new file of a ring those that the file before had. So a capture has what its frames need,
 * however large the cluster is.
 */
#ifndef SS_IDENTITY_H
#define SS_IDENTITY_H

#include "k8s/provider.h"
#include "stream.h"

/* Objects that are kept; what comes beyond stays without a name, and is told. The captured pods
 * are kept in any case. */
#define SS_IDENTITY_OBJECTS_MAX 50000u

struct ss_identity;

struct ss_identity_writer {
	/* time_ns (UTC): of the frame that needs it; 0: now. */
	void (*event)(uint64_t time_ns, const struct ss_event *event, void *user_data);
	void (*name)(uint64_t time_ns, const char *address, const char *name, void *user_data);
	void *user_data;
};

/* host: the name of this node. Both are copied. */
struct ss_identity *ss_identity_new(const struct ss_identity_writer *writer, const char *host);
void ss_identity_free(struct ss_identity *identity);

/* captured: its frames are in the stream, until it is told as gone. */
void ss_identity_pod(struct ss_identity *identity, enum ss_object_change change,
		     const struct ss_pod *pod, bool captured);
void ss_identity_service(struct ss_identity *identity, enum ss_object_change change,
			 const struct ss_service *service);
void ss_identity_node(struct ss_identity *identity, enum ss_object_change change,
		      const struct ss_cluster_node *node);

/* Frames of this interface have that link type. */
void ss_identity_interface(struct ss_identity *identity, uint32_t id, uint16_t link_type);
/* Looks at the frames of whole Enhanced Packet Blocks, before they are written. */
void ss_identity_see(struct ss_identity *identity, const void *blocks, size_t length);

/* A new file begins: calls writer for what it is to begin with, at most max_bytes of records. */
void ss_identity_new_file(struct ss_identity *identity, const struct ss_identity_writer *writer,
			  uint64_t max_bytes);

/* Objects that were not kept. */
uint64_t ss_identity_left_out(const struct ss_identity *identity);

#endif
