/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adds items only: what they say was found out before. Fields that repeat others for the sake of
 * filters are hidden.
 */
#include "side_tree.h"

#include <string.h>

#include "format/metadata.h"

proto_item *ss_tree_add_string(proto_tree *tree, tvbuff_t *tvb, enum ss_field field,
			       const char *value)
{
	proto_item *item;

	if (!value || !ss_field_is_wanted(tree, field))
		return NULL;
	item = proto_tree_add_string(tree, ss_fields[field], tvb, 0, 0, value);
	proto_item_set_generated(item);
	return item;
}

static void add_hidden(proto_tree *tree, tvbuff_t *tvb, enum ss_field field, const char *value)
{
	proto_item *item = ss_tree_add_string(tree, tvb, field, value);

	if (item)
		proto_item_set_hidden(item);
}

void ss_tree_add_pod(proto_tree *tree, tvbuff_t *tvb, const struct ss_description *pod,
		     const char *container_id)
{
	if (!pod)
		return;
	ss_tree_add_string(tree, tvb, SS_FIELD_WORKLOAD, pod->workload);
	if (ss_field_is_wanted(tree, SS_FIELD_LABEL)) {
		for (guint i = 0; i < wmem_array_get_count(pod->labels); i++)
			ss_tree_add_string(tree, tvb, SS_FIELD_LABEL,
					   *(const char **)wmem_array_index(pod->labels, i));
	}
	if (!ss_field_is_wanted(tree, SS_FIELD_IMAGE))
		return;
	for (guint i = 0; i < wmem_array_get_count(pod->containers); i++) {
		const struct ss_pod_container *container =
			(struct ss_pod_container *)wmem_array_index(pod->containers, i);

		if (!container_id || strcmp(container_id, container->id) == 0)
			ss_tree_add_string(tree, tvb, SS_FIELD_IMAGE, container->image);
	}
}

/* One row: what is said of a side, with what it is made of below it. */
static void add_side(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
		     const struct ss_side *side, unsigned first)
{
	proto_item *item = NULL;
	proto_tree *below = tree;

	if (side->address->type == AT_NONE)
		return;
	if (!ss_fields_are_wanted(tree, first, first + SS_SIDE_FIELDS - 1))
		return;
	if (ss_field_is_wanted(tree, first + SS_SIDE_NAME))
		item = ss_tree_add_string(tree, tvb, first + SS_SIDE_NAME,
					  ss_side_name(pinfo->pool, side));
	if (item)
		below = proto_item_add_subtree(item, ss_side_tree);
	ss_tree_add_string(below, tvb, first + SS_SIDE_KIND, ss_side_kind_name(side->kind));
	ss_tree_add_string(below, tvb, first + SS_SIDE_POD, ss_side_pod(side));
	ss_tree_add_string(below, tvb, first + SS_SIDE_NAMESPACE, ss_side_namespace(side));
	ss_tree_add_string(below, tvb, first + SS_SIDE_WORKLOAD, ss_side_workload(side));
	for (unsigned i = 0; i < side->services_count; i++)
		ss_tree_add_string(below, tvb, first + SS_SIDE_SERVICE, side->services[i]->name);
	ss_tree_add_string(below, tvb, first + SS_SIDE_NODE, ss_side_node(side));
}

static void add_peer(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
		     const struct ss_side *side)
{
	if (side->address->type == AT_NONE ||
	    !ss_fields_are_wanted(tree, SS_FIELD_PEER, SS_FIELD_PEER + SS_SIDE_FIELDS - 1))
		return;
	if (ss_field_is_wanted(tree, SS_FIELD_PEER + SS_SIDE_NAME))
		add_hidden(tree, tvb, SS_FIELD_PEER + SS_SIDE_NAME,
			   ss_side_name(pinfo->pool, side));
	add_hidden(tree, tvb, SS_FIELD_PEER + SS_SIDE_KIND, ss_side_kind_name(side->kind));
	add_hidden(tree, tvb, SS_FIELD_PEER + SS_SIDE_POD, ss_side_pod(side));
	add_hidden(tree, tvb, SS_FIELD_PEER + SS_SIDE_NAMESPACE, ss_side_namespace(side));
	add_hidden(tree, tvb, SS_FIELD_PEER + SS_SIDE_WORKLOAD, ss_side_workload(side));
	for (unsigned i = 0; i < side->services_count; i++)
		add_hidden(tree, tvb, SS_FIELD_PEER + SS_SIDE_SERVICE, side->services[i]->name);
	add_hidden(tree, tvb, SS_FIELD_PEER + SS_SIDE_NODE, ss_side_node(side));
}

static void add_either(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
		       const struct ss_side *side)
{
	if (side->address->type != AT_NONE && ss_field_is_wanted(tree, SS_FIELD_NAME))
		add_hidden(tree, tvb, SS_FIELD_NAME, ss_side_name(pinfo->pool, side));
	for (unsigned i = 0; i < side->services_count; i++)
		add_hidden(tree, tvb, SS_FIELD_SERVICE, side->services[i]->name);
}

void ss_tree_add_sides(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
		       const struct ss_sides *sides, uint8_t direction)
{
	add_side(tree, tvb, pinfo, &sides->src, SS_FIELD_SRC);
	add_side(tree, tvb, pinfo, &sides->dst, SS_FIELD_DST);
	add_either(tree, tvb, pinfo, &sides->src);
	add_either(tree, tvb, pinfo, &sides->dst);
	if (direction == SS_DIRECTION_OUT)
		add_peer(tree, tvb, pinfo, &sides->dst);
	else if (direction == SS_DIRECTION_IN)
		add_peer(tree, tvb, pinfo, &sides->src);
}
