/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs after all other dissectors, on every record of every capture Wireshark opens. Almost none
 * of these are ours: what is not must cost next to nothing, and what is ours gets its tree only
 * when somebody will look at it.
 */
#include "metadata.h"

#include <string.h>

#include <epan/charsets.h>
#include <epan/tap.h>

#include "option.h"
#include "process.h"

#include "format/pcapng.h"

#define CONTAINER_ID_DIGITS (2 * SS_CONTAINER_ID_SIZE)

static int tap = -1;

/* The order of the tree; the rest comes from the record. */
static const enum ss_field interface_fields[] = {
	SS_FIELD_POD,     SS_FIELD_NAMESPACE, SS_FIELD_CONTAINER, SS_FIELD_NODE,
	SS_FIELD_RUNTIME, SS_FIELD_UID,       SS_FIELD_DEVICE,    SS_FIELD_HOOK,
};

static const char *container_id(wmem_allocator_t *scope, const struct ss_option *option)
{
	char *text = (char *)wmem_alloc(scope, CONTAINER_ID_DIGITS + 1);

	for (size_t i = 0; i < SS_CONTAINER_ID_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", option->container[i]);
	return text;
}

/* Any bytes: a process names itself. */
static const char *comm(wmem_allocator_t *scope, const struct ss_option *option)
{
	return (const char *)get_utf_8_string(scope, (const uint8_t *)option->comm,
					      (int)strlen(option->comm));
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

static const char *arrow(uint8_t direction)
{
	switch (direction) {
	case SS_DIRECTION_IN:
		return " ← in";
	case SS_DIRECTION_OUT:
		return " → out";
	case SS_DIRECTION_LOCAL:
		return " ↔ local";
	default:
		return "";
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

/* The process' container says more than the pod's only one. */
static void add_interface(proto_tree *tree, tvbuff_t *tvb, const struct ss_interface *interface,
			  const struct ss_process *process)
{
	for (size_t i = 0; i < G_N_ELEMENTS(interface_fields); i++) {
		enum ss_field field = interface_fields[i];

		if (field == SS_FIELD_CONTAINER && process && process->container)
			continue;
		if (interface->values[field])
			proto_tree_add_string(tree, ss_fields[field], tvb, 0, 0,
					      interface->values[field]);
	}
	for (unsigned i = 0; i < interface->containers_count; i++) {
		proto_item *item = proto_tree_add_string(tree, ss_fields[SS_FIELD_POD_CONTAINERS],
							 tvb, 0, 0, interface->containers[i]);

		/* Filters find it; to the eye it repeats stratoshark.container. */
		if (interface->containers_count == 1)
			proto_item_set_hidden(item);
	}
	if (interface->name[0])
		proto_tree_add_string(tree, ss_fields[SS_FIELD_INTERFACE], tvb, 0, 0,
				      interface->name);
}

/* Numbers that are the same for all frames of an interface, where the frame does not say them. */
static void add_numbers(proto_tree *tree, tvbuff_t *tvb, const struct ss_interface *interface,
			const struct ss_option *option)
{
	const char *netns = interface->values[SS_FIELD_NETNS];
	const char *cgroup = interface->values[SS_FIELD_CGROUP];

	if (netns && !option->has_netns)
		proto_tree_add_uint(tree, ss_fields[SS_FIELD_NETNS], tvb, 0, 0,
				    (uint32_t)g_ascii_strtoull(netns, NULL, 10));
	if (cgroup && !option->has_cgroup)
		proto_tree_add_uint64(tree, ss_fields[SS_FIELD_CGROUP], tvb, 0, 0,
				      g_ascii_strtoull(cgroup, NULL, 10));
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

	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		if (fields[i].value)
			proto_tree_add_string(tree, ss_fields[fields[i].field], tvb, 0, 0,
					      fields[i].value);
	}
}

static void add_option(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
		       const struct ss_option *option)
{
	if (option->has_netns)
		proto_tree_add_uint(tree, ss_fields[SS_FIELD_NETNS], tvb, 0, 0, option->netns);
	if (option->has_container)
		proto_tree_add_string(tree, ss_fields[SS_FIELD_CONTAINER_ID], tvb, 0, 0,
				      container_id(pinfo->pool, option));
	if (option->has_cgroup)
		proto_tree_add_uint64(tree, ss_fields[SS_FIELD_CGROUP], tvb, 0, 0, option->cgroup);
	if (option->has_redirect)
		proto_tree_add_uint_format(tree, ss_fields[SS_FIELD_REDIRECT], tvb, 0, 0,
					   option->redirect, "Redirected to port %u (sidecar)",
					   option->redirect);
	if (option->has_pid && option->pid)
		proto_tree_add_uint(tree, ss_fields[SS_FIELD_PID], tvb, 0, 0, option->pid);
	if (option->has_comm)
		proto_tree_add_string(tree, ss_fields[SS_FIELD_COMM], tvb, 0, 0,
				      comm(pinfo->pool, option));
}

static proto_item *add_tree(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo,
			    const struct ss_interface *interface, const struct ss_option *option,
			    uint8_t direction)
{
	const char *device = interface ? interface->values[SS_FIELD_DEVICE] : NULL;
	const struct ss_process *process = ss_process_find(pinfo, interface, option);
	proto_item *item;
	proto_tree *ours;

	item = proto_tree_add_protocol_format(tree, ss_proto, tvb, 0, 0, "Kubernetes: %s%s%s%s",
					      subject(pinfo->pool, interface, option),
					      arrow(direction), device ? ", " : "",
					      device ? device : "");
	ours = proto_item_add_subtree(item, ss_tree);
	if (interface)
		add_interface(ours, tvb, interface, process);
	proto_tree_add_uint(ours, ss_fields[SS_FIELD_DIRECTION], tvb, 0, 0, direction);
	if (interface)
		add_numbers(ours, tvb, interface, option);
	add_option(ours, tvb, pinfo, option);
	if (process)
		add_process(ours, tvb, process);
	return item;
}

static int dissect(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
	const struct ss_interface *interface = ss_interface_get(pinfo);
	bool is_pod = interface && interface->is_pod;
	proto_item *item = NULL;
	struct ss_option option;
	uint8_t direction;

	(void)data;
	ss_option_get(pinfo, &option);
	if (!is_pod && !option.present)
		return 0;

	direction = frame_direction(pinfo, &option);
	/* An expert info needs an item: filters on _ws.expert do not reference fields of ours. */
	if (proto_field_is_referenced(tree, ss_proto) || (tree && option.problem))
		item = add_tree(tree, tvb, pinfo, interface, &option, direction);
	if (option.problem)
		expert_add_info_format(pinfo, item, &ss_expert_malformed,
				       "Metadata of this frame cannot be read: %s", option.problem);
	if (interface && interface->label && have_tap_listener(tap)) {
		struct ss_tap *record = wmem_new(pinfo->pool, struct ss_tap);

		record->interface = interface;
		record->direction = direction;
		tap_queue_packet(tap, pinfo, record);
	}
	return 0;
}

void ss_metadata_register(void)
{
	tap = register_tap("stratoshark");
	register_postdissector(register_dissector("stratoshark_metadata", dissect, ss_proto));
}
