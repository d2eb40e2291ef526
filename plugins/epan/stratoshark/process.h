/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes that frames name by number, from the event records "process" that describe them
 * (format/events.md). A frame may come before its description: the second pass knows it.
 */
#ifndef SS_PLUGIN_PROCESS_H
#define SS_PLUGIN_PROCESS_H

#include "interface.h"
#include "json.h"
#include "option.h"

/* NULL where unknown. */
struct ss_process {
	const char *comm, *executable;
	const char *container, *container_id;
};

/* What an event record says of a process, member by member. */
struct ss_process_event {
	wmem_allocator_t *scope; /* of its strings */
	uint32_t pid, start;
	bool has_pid;
	bool is_process; /* of the members so far */
	struct ss_process process;
	const char *node;
};

void ss_process_register(void);

/* Takes a member of an event record, if it is about processes. */
void ss_process_member(struct ss_process_event *event, const char *text, struct ss_json_span key,
		       struct ss_json_value value);
/* After the last member: remembers the process. */
void ss_process_learn(const packet_info *pinfo, const struct ss_process_event *event);

/* Whom the option means; NULL: nobody, or not described (yet). */
const struct ss_process *ss_process_find(const packet_info *pinfo,
					 const struct ss_interface *interface,
					 const struct ss_option *option);

#endif
