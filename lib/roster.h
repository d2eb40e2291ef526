/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is who, in the stream: describes (description.h) the captured pods at once, and other pods,
 * services and nodes before the first frame with an address of theirs; again when they change; and
 * in each new file of a ring those that the file before had. So a capture has what its frames need,
 * however large the cluster is.
 */
#ifndef SS_ROSTER_H
#define SS_ROSTER_H

#include "k8s/provider.h"
#include "stream.h"

/* Objects that are kept; what comes beyond stays without a name, and is told. The captured pods
 * are kept in any case. */
#define SS_ROSTER_OBJECTS_MAX 50000u

struct ss_roster;

struct ss_roster_writer {
	/* time_ns (UTC): of the frame that needs it; 0: now. */
	void (*event)(uint64_t time_ns, const struct ss_event *event, void *user_data);
	void (*name)(uint64_t time_ns, const char *address, const char *name, void *user_data);
	void *user_data;
};

/* host: the name of this node. Both are copied. */
struct ss_roster *ss_roster_new(const struct ss_roster_writer *writer, const char *host);
void ss_roster_free(struct ss_roster *roster);

/* captured: its frames are in the stream, until it is told as gone. */
void ss_roster_pod(struct ss_roster *roster, enum ss_object_change change, const struct ss_pod *pod,
		   bool captured);
void ss_roster_service(struct ss_roster *roster, enum ss_object_change change,
		       const struct ss_service *service);
void ss_roster_node(struct ss_roster *roster, enum ss_object_change change,
		    const struct ss_cluster_node *node);

/* Frames of this interface have that link type. */
void ss_roster_interface(struct ss_roster *roster, uint32_t id, uint16_t link_type);
/* Looks at the frames of whole Enhanced Packet Blocks, before they are written. */
void ss_roster_see(struct ss_roster *roster, const void *blocks, size_t length);

/* A new file begins: calls writer for what it is to begin with, at most max_bytes of records. */
void ss_roster_new_file(struct ss_roster *roster, const struct ss_roster_writer *writer,
			uint64_t max_bytes);

/* Objects that were not kept. */
uint64_t ss_roster_left_out(const struct ss_roster *roster);

#endif
