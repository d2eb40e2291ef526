/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sides of a frame, and what is known of the captured pod, in the packet's details.
 */
#ifndef SS_PLUGIN_SIDE_TREE_H
#define SS_PLUGIN_SIDE_TREE_H

#include "side.h"

/* A string that is not in the frame's bytes; NULL adds nothing. Returns NULL or the item. */
proto_item *ss_tree_add_string(proto_tree *tree, tvbuff_t *tvb, enum ss_field field,
			       const char *value);

/* Workload, labels, images; of one container only, when its id (12 hex digits) is not NULL. */
void ss_tree_add_pod(proto_tree *tree, tvbuff_t *tvb, const struct ss_description *pod,
		     const char *container_id);

/* Source, destination and peer (the other side than that of the direction). */
void ss_tree_add_sides(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
		       const struct ss_sides *sides, uint8_t direction);

#endif
