/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs after all other dissectors, on every record of every capture Wireshark opens. Almost none
 * of these are ours: what is not must cost next to nothing, and what is ours gets its tree only
 * when somebody will look at it.
 */
#include "metadata.h"

#include <string.h>

#include <epan/proto_data.h>
#include <epan/strutil.h>
#include <epan/tap.h>

#include "option.h"
#include "process.h"
#include "side_tree.h"
#include "text.h"

#include "format/pcapng.h"

#define CONTAINER_ID_DIGITS (2 * SS_CONTAINER_ID_SIZE)

static int tap = -1;

struct frame {
	const struct ss_interface *interface; /* NULL: none */
	struct ss_option option;
	const struct ss_process *process; /* NULL: not known */
	uint8_t direction;                /* enum ss_direction */
	bool sides_known;                 /* of at least one side it is known who it is */
	struct ss_sides sides;
};

/* The order of the tree; the rest comes from the record. */
static const enum ss_field interface_fields[] = {
	SS_FIELD_POD,     SS_FIELD_NAMESPACE, SS_FIELD_CONTAINER, SS_FIELD_NODE,
	SS_FIELD_RUNTIME, SS_FIELD_UID,       SS_FIELD_DEVICE,    SS_FIELD_HOOK,
};

static const char *container_id(wmem_allocator_t *scope, const struct ss_option *option)
{
	static const char digits[] = "0123456789abcdef";
	char *text = (char *)wmem_alloc(scope, CONTAINER_ID_DIGITS + 1);

	for (size_t i = 0; i < SS_CONTAINER_ID_SIZE; i++) {
		text[2 * i] = digits[option->container[i] >> 4];
		text[2 * i + 1] = digits[option->container[i] & 15];
	}
	text[CONTAINER_ID_DIGITS] = '\0';
	return text;
}

/* Any bytes: a process names itself. */
static const char *comm(wmem_allocator_t *scope, const struct ss_option *option)
{
	return ss_text(scope, option->comm, strlen(option->comm));
}

/* Without our option the direction in epb_flags still tells; it too is the pod's view. */
static uint8_t frame_direction(const packet_info *pinfo, const struct ss_option *option)
{
	uint32_t flags;

	if (option->has_direction)
		return option->direction;
	if (!pinfo->rec->block ||
	    wtap_block_get_uint32_option_value(pinfo->rec->block, OPT_PKT_FLAGS, &flags) !=
		    WTAP_OPTTYPE_SUCCESS)
		return SS_DIRECTION_UNKNOWN;
	switch (flags & (SS_EPB_FLAG_IN | SS_EPB_FLAG_OUT)) {
	case SS_EPB_FLAG_IN:
		return SS_DIRECTION_IN;
	case SS_EPB_FLAG_OUT:
		return SS_DIRECTION_OUT;
	default:
		return SS_DIRECTION_UNKNOWN;
	}
}

/* Who, in the words we have: the pod, else what the option identifies. */
static const char *subject(wmem_allocator_t *scope, const struct ss_interface *interface,
			   const struct ss_option *option)
{
	if (interface && interface->label)
		return interface->label;
	if (option->has_container)
		return wmem_strdup_printf(scope, "container %s", container_id(scope, option));
	if (option->has_cgroup)
		return wmem_strdup_printf(scope, "control group %" PRIu64, option->cgroup);
	if (option->has_netns)
		return wmem_strdup_printf(scope, "network namespace %u", option->netns);
	return "unknown pod";
}

/* "production/client (Deployment/client) → production/api (Service api:80), out, curl[4242]" */
static const char *summary(const packet_info *pinfo, const struct frame *frame)
{
	wmem_strbuf_t *text = wmem_strbuf_new(pinfo->pool, NULL);
	const char *device = frame->interface ? frame->interface->values[SS_FIELD_DEVICE] : NULL;
	const struct ss_option *option = &frame->option;
	const char *name = option->has_comm ? comm(pinfo->pool, option) : NULL;

	if (frame->process && frame->process->comm)
		name = frame->process->comm;
	if (frame->sides_known)
		wmem_strbuf_append_printf(text, "%s → %s",
					  ss_side_text(pinfo->pool, &frame->sides.src),
					  ss_side_text(pinfo->pool, &frame->sides.dst));
	else
		wmem_strbuf_append(text, subject(pinfo->pool, frame->interface, option));
	if (frame->direction != SS_DIRECTION_UNKNOWN)
		wmem_strbuf_append_printf(text, ", %s", ss_direction_name(frame->direction));
	if (device)
		wmem_strbuf_append_printf(text, ", %s", device);
	if (name)
		wmem_strbuf_append_printf(text, ", %s", name);
	if (option->has_pid && option->pid)
		wmem_strbuf_append_printf(text, name ? "[%u]" : ", process %u", option->pid);
	return (const char *)format_text(pinfo->pool, (const void *)wmem_strbuf_get_str(text),
					 wmem_strbuf_get_len(text));
}

/* The process' container says more than the pod's only one. */
static void add_interface(proto_tree *tree, tvbuff_t *tvb, const struct ss_interface *interface,
			  const struct ss_process *process)
{
	for (size_t i = 0; i < G_N_ELEMENTS(interface_fields); i++) {
		enum ss_field field = interface_fields[i];

		if (field != SS_FIELD_CONTAINER || !process || !process->container)
			ss_tree_add_string(tree, tvb, field, interface->values[field]);
	}
	for (unsigned i = 0; i < interface->containers_count; i++) {
		proto_item *item = ss_tree_add_string(tree, tvb, SS_FIELD_POD_CONTAINERS,
						      interface->containers[i]);

		/* Filters find it; to the eye it repeats stratoshark.container. */
		if (item && interface->containers_count == 1)
			proto_item_set_hidden(item);
	}
	if (interface->name[0])
		ss_tree_add_string(tree, tvb, SS_FIELD_INTERFACE, interface->name);
}

static void add_number(proto_tree *tree, tvbuff_t *tvb, enum ss_field field, uint32_t value)
{
	if (!ss_field_is_wanted(tree, field))
		return;
	proto_item_set_generated(proto_tree_add_uint(tree, ss_fields[field], tvb, 0, 0, value));
}

static void add_cgroup(proto_tree *tree, tvbuff_t *tvb, uint64_t cgroup)
{
	if (!ss_field_is_wanted(tree, SS_FIELD_CGROUP))
		return;
	proto_item_set_generated(
		proto_tree_add_uint64(tree, ss_fields[SS_FIELD_CGROUP], tvb, 0, 0, cgroup));
}

/* Numbers that are the same for all frames of an interface, where the frame does not say them. */
static void add_numbers(proto_tree *tree, tvbuff_t *tvb, const struct ss_interface *interface,
			const struct ss_option *option)
{
	const char *netns = interface->values[SS_FIELD_NETNS];
	const char *cgroup = interface->values[SS_FIELD_CGROUP];

	if (!ss_field_is_wanted(tree, SS_FIELD_NETNS) && !ss_field_is_wanted(tree, SS_FIELD_CGROUP))
		return;
	if (netns && !option->has_netns)
		add_number(tree, tvb, SS_FIELD_NETNS, (uint32_t)g_ascii_strtoull(netns, NULL, 10));
	if (cgroup && !option->has_cgroup)
		add_cgroup(tree, tvb, g_ascii_strtoull(cgroup, NULL, 10));
}

static void add_process(proto_tree *tree, tvbuff_t *tvb, const struct ss_process *process)
{
	const struct {
		enum ss_field field;
		const char *value;
	} fields[] = {
		{SS_FIELD_COMM, process->comm},
		{SS_FIELD_EXE, process->executable},
		{SS_FIELD_CONTAINER, process->container},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
		ss_tree_add_string(tree, tvb, fields[i].field, fields[i].value);
}

static void add_option(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
		       const struct ss_option *option)
{
	if (option->has_netns)
		add_number(tree, tvb, SS_FIELD_NETNS, option->netns);
	if (option->has_container && ss_field_is_wanted(tree, SS_FIELD_CONTAINER_ID))
		ss_tree_add_string(tree, tvb, SS_FIELD_CONTAINER_ID,
				   container_id(pinfo->pool, option));
	if (option->has_cgroup)
		add_cgroup(tree, tvb, option->cgroup);
	if (option->has_redirect)
		proto_item_set_generated(proto_tree_add_uint_format(
			tree, ss_fields[SS_FIELD_REDIRECT], tvb, 0, 0, option->redirect,
			"Redirected to port %u (sidecar)", option->redirect));
	if (option->is_context)
		proto_item_set_generated(
			proto_tree_add_boolean(tree, ss_fields[SS_FIELD_CONTEXT], tvb, 0, 0, true));
	if (option->has_pid && option->pid)
		add_number(tree, tvb, SS_FIELD_PID, option->pid);
	if (option->has_comm && ss_field_is_wanted(tree, SS_FIELD_COMM))
		ss_tree_add_string(tree, tvb, SS_FIELD_COMM, comm(pinfo->pool, option));
}

/* Id of the container that the frame belongs to, as far as it says so. */
static const char *known_container(wmem_allocator_t *scope, const struct frame *frame)
{
	if (frame->process && frame->process->container_id)
		return frame->process->container_id;
	return frame->option.has_container ? container_id(scope, &frame->option) : NULL;
}

static void add_pod(proto_tree *tree, tvbuff_t *tvb, const packet_info *pinfo,
		    const struct frame *frame)
{
	if (!ss_field_is_wanted(tree, SS_FIELD_WORKLOAD) &&
	    !ss_field_is_wanted(tree, SS_FIELD_LABEL) && !ss_field_is_wanted(tree, SS_FIELD_IMAGE))
		return;
	ss_tree_add_pod(tree, tvb, ss_interface_pod(frame->interface, pinfo->num),
			known_container(pinfo->pool, frame));
}

/* Returns the item that is made of the frame; NULL: none. */
static proto_item *add_tree(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
			    const struct frame *frame)
{
	const struct ss_option *option = &frame->option;
	proto_item *item = NULL;
	proto_tree *ours = tree;

	/* Nobody sees the line of a tree that is there for a filter or a column only. */
	if (PTREE_DATA(tree)->visible)
		item = proto_tree_add_protocol_format(tree, ss_proto, tvb, 0, 0, "Kubernetes: %s",
						      summary(pinfo, frame));
	else if (ss_root_is_wanted(tree) || option->problem)
		item = proto_tree_add_item(tree, ss_proto, tvb, 0, 0, ENC_NA);
	if (item)
		ours = proto_item_add_subtree(item, ss_tree);
	if (frame->sides_known)
		ss_tree_add_sides(ours, tvb, pinfo, &frame->sides, frame->direction);
	if (frame->interface)
		add_interface(ours, tvb, frame->interface, frame->process);
	add_pod(ours, tvb, pinfo, frame);
	add_number(ours, tvb, SS_FIELD_DIRECTION, frame->direction);
	if (frame->interface)
		add_numbers(ours, tvb, frame->interface, option);
	add_option(ours, tvb, pinfo, option);
	if (frame->process)
		add_process(ours, tvb, frame->process);
	return item;
}

static void tap_frame(packet_info *pinfo, const struct frame *frame)
{
	struct ss_tap *record = wmem_new(pinfo->pool, struct ss_tap);

	record->interface = frame->interface;
	record->direction = frame->direction;
	record->sides = frame->sides;
	ss_transport_get(pinfo, frame->interface, &record->transport);
	tap_queue_packet(tap, pinfo, record);
}

/* Filters and details, or the statistics of expert infos. */
static bool experts_wanted(proto_tree *tree)
{
	static int proto = -1, expert_tap;

	if (proto < 0) { /* registered after us */
		proto = proto_get_id_by_filter_name("_ws.expert");
		expert_tap = find_tap_id("expert");
	}
	return (proto >= 0 && proto_field_is_referenced(tree, proto)) ||
	       have_tap_listener(expert_tap);
}

/* What is known of a process, or of both sides, costs a look for it. */
static bool process_wanted(const proto_tree *tree)
{
	return ss_fields_are_wanted(tree, SS_FIELD_COMM, SS_FIELD_EXE) ||
	       ss_field_is_wanted(tree, SS_FIELD_CONTAINER) ||
	       ss_field_is_wanted(tree, SS_FIELD_IMAGE);
}

static bool sides_wanted(const proto_tree *tree)
{
	return ss_fields_are_wanted(tree, SS_FIELD_NAME, SS_FIELD_SIDES_END);
}

static int dissect(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
	bool listened = have_tap_listener(tap), shown = proto_field_is_referenced(tree, ss_proto);
	struct frame frame;
	proto_item *item = NULL;
	bool is_pod;

	(void)data;
	if (!listened && !shown && !experts_wanted(tree))
		return 0; /* nearly always */

	memset(&frame, 0, sizeof(frame));
	frame.interface = ss_interface_get(pinfo);
	is_pod = frame.interface && frame.interface->is_pod;
	ss_option_get(pinfo, &frame.option);
	if (!is_pod && !frame.option.present && ss_cluster_is_empty())
		return 0;
	/* An expert info needs an item: filters on _ws.expert do not reference fields of ours. */
	shown |= tree && frame.option.problem;
	if (!listened && !shown && !frame.option.problem)
		return 0;

	frame.direction = frame_direction(pinfo, &frame.option);
	if (listened || (!is_pod && !frame.option.present) || sides_wanted(tree))
		frame.sides_known =
			ss_sides_get(pinfo, frame.interface, frame.direction, &frame.sides);
	if (!is_pod && !frame.option.present && !frame.sides_known)
		return 0;
	if (frame.sides_known && tree && PTREE_DATA(tree)->visible)
		p_add_proto_data(pinfo->pool, pinfo, ss_proto, 0,
				 wmem_memdup(pinfo->pool, &frame.sides, sizeof(frame.sides)));
	if (shown && process_wanted(tree))
		frame.process = ss_process_find(pinfo, frame.interface, &frame.option);
	if (shown)
		item = add_tree(tree, tvb, pinfo, &frame);
	if (frame.option.problem)
		expert_add_info_format(pinfo, item, &ss_expert_malformed,
				       "Metadata of this frame cannot be read: %s",
				       frame.option.problem);
	if (listened)
		tap_frame(pinfo, &frame);
	/* A layer of the frame: only then Wireshark's menu offers to follow a stream as ours. */
	return item && pinfo->ptype == PT_TCP ? (int)tvb_captured_length(tvb) : 0;
}

bool ss_metadata_get_sides(const packet_info *pinfo, struct ss_sides *ret_sides)
{
	struct ss_option option;

	ss_option_get(pinfo, &option);
	return ss_sides_get(pinfo, ss_interface_get(pinfo), frame_direction(pinfo, &option),
			    ret_sides);
}

const struct ss_sides *ss_metadata_sides(packet_info *pinfo)
{
	return (const struct ss_sides *)p_get_proto_data(pinfo->pool, pinfo, ss_proto, 0);
}

void ss_metadata_register(void)
{
	tap = register_tap("stratoshark");
	register_postdissector(register_dissector("stratoshark_metadata", dissect, ss_proto));
}
