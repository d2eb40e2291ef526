/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names a display filter can use. All are registered at start, so that a filter compiles
 * before any file is read.
 */
#ifndef SS_PLUGIN_FIELDS_H
#define SS_PLUGIN_FIELDS_H

#include "compat.h"

#include <epan/expert.h>

enum ss_side_field {
	SS_SIDE_NAME,
	SS_SIDE_KIND,
	SS_SIDE_POD,
	SS_SIDE_NAMESPACE,
	SS_SIDE_WORKLOAD,
	SS_SIDE_SERVICE,
	SS_SIDE_NODE,
	SS_SIDE_FIELDS
};

enum ss_field {
	SS_FIELD_POD,
	SS_FIELD_NAMESPACE,
	SS_FIELD_CONTAINER,
	SS_FIELD_POD_CONTAINERS,
	SS_FIELD_NODE,
	SS_FIELD_RUNTIME,
	SS_FIELD_UID,
	SS_FIELD_DEVICE,
	SS_FIELD_HOOK,
	SS_FIELD_INTERFACE,
	SS_FIELD_DIRECTION,
	SS_FIELD_NETNS,
	SS_FIELD_CONTAINER_ID,
	SS_FIELD_CGROUP,
	SS_FIELD_REDIRECT,
	SS_FIELD_CONTEXT,
	SS_FIELD_PID,
	SS_FIELD_COMM,
	SS_FIELD_EXE,
	SS_FIELD_EVENT,
	SS_FIELD_MESSAGE,
	SS_FIELD_TLS_STATE,
	SS_FIELD_TLS_REASON,
	SS_FIELD_TLS_CLIENT,
	SS_FIELD_TLS_SERVER,
	SS_FIELD_TLS_SERVER_NAME,
	SS_FIELD_TLS_ALPN,
	SS_FIELD_DNS_FAILURE,
	SS_FIELD_DNS_NAME,
	SS_FIELD_DNS_TYPE,
	SS_FIELD_DNS_SERVER,
	SS_FIELD_DNS_CLIENT,
	SS_FIELD_DNS_TRANSPORT,
	SS_FIELD_DNS_RCODE,
	SS_FIELD_WORKLOAD,
	SS_FIELD_LABEL,
	SS_FIELD_IMAGE,
	SS_FIELD_NAME,
	SS_FIELD_SERVICE,
	/* Of each side the same, in the order of enum ss_side_field. */
	SS_FIELD_SRC,
	SS_FIELD_DST = SS_FIELD_SRC + SS_SIDE_FIELDS,
	SS_FIELD_PEER = SS_FIELD_DST + SS_SIDE_FIELDS,
	SS_FIELD_SIDES_END = SS_FIELD_PEER + SS_SIDE_FIELDS - 1,
	SS_FIELD_COUNT
};

extern int ss_proto;
extern int ss_fields[SS_FIELD_COUNT];
extern int ss_tree, ss_side_tree;
extern expert_field ss_expert_malformed;

void ss_fields_register(void);

/* Does anybody look at the field: a filter, a column, the eye? False without a tree. */
bool ss_field_is_wanted(const proto_tree *tree, enum ss_field field);
bool ss_fields_are_wanted(const proto_tree *tree, enum ss_field first, enum ss_field last);
/* The same of the item that has the fields below it. */
bool ss_root_is_wanted(const proto_tree *tree);

/* "in", "out", "local", "unknown" for an enum ss_direction. */
const char *ss_direction_name(uint8_t direction);

#endif
