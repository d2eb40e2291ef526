/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the table of processes, in file-scope memory. A process is found by node, pid and start, of
 * several descriptions (it executed another program) the last one before the frame, or else the
 * first. Frames that do not know the start (0) mean the process of that number at their time.
 */
#include "process.h"

#include <string.h>

#define KEYS 4 /* pid, start, node, frame */

struct description {
	uint32_t pid, start, node; /* a look-up finds the nearest below, whatever that is */
	struct ss_process process;
};

static wmem_tree_t *descriptions; /* KEYS words → struct description */
static wmem_tree_t *firsts;       /* the first KEYS - 1 → struct description */

static uint32_t node_key(const char *node)
{
	return node ? g_str_hash(node) : 0;
}

static void make_keys(wmem_tree_key_t keys[2], uint32_t *words, uint32_t count)
{
	keys[0].length = count;
	keys[0].key = words;
	keys[1].length = 0;
	keys[1].key = NULL;
}

/* False for what 32 bits do not hold; so is 0. */
static bool number(const char *text, struct ss_json_value value, uint32_t *ret_number)
{
	uint64_t number = ss_json_number(text, value);

	*ret_number = number <= UINT32_MAX ? (uint32_t)number : 0;
	return *ret_number != 0;
}

void ss_process_member(struct ss_process_event *event, const char *text, struct ss_json_span key,
		       struct ss_json_value value)
{
	const struct {
		const char *key;
		const char **place;
	} strings[] = {
		{"comm", &event->process.comm},
		{"executable", &event->process.executable},
		{"container", &event->process.container},
		{"container_id", &event->process.container_id},
		{"node", &event->node},
	};

	if (value.type == SS_JSON_WORD) {
		if (ss_json_key_is(text, key, "pid"))
			event->has_pid = number(text, value, &event->pid);
		else if (ss_json_key_is(text, key, "start") && !number(text, value, &event->start))
			event->start = 0;
	}
	if (value.type != SS_JSON_STRING)
		return;
	if (ss_json_key_is(text, key, "event"))
		event->is_process = ss_json_key_is(text, value.span, "process");
	for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
		if (ss_json_key_is(text, key, strings[i].key))
			*strings[i].place = ss_json_decode(event->scope, text, value.span);
	}
}

static const char *keep(const char *text)
{
	return text ? wmem_strdup(wmem_file_scope(), text) : NULL;
}

static void remember(const struct ss_process_event *event, uint32_t start, uint32_t frame)
{
	struct description *description = wmem_new(wmem_file_scope(), struct description);
	uint32_t words[KEYS] = {event->pid, start, node_key(event->node), frame};
	wmem_tree_key_t keys[2];

	description->pid = words[0];
	description->start = words[1];
	description->node = words[2];
	description->process.comm = keep(event->process.comm);
	description->process.executable = keep(event->process.executable);
	description->process.container = keep(event->process.container);
	description->process.container_id = keep(event->process.container_id);
	make_keys(keys, words, KEYS);
	wmem_tree_insert32_array(descriptions, keys, description);
	make_keys(keys, words, KEYS - 1);
	if (!wmem_tree_lookup32_array(firsts, keys))
		wmem_tree_insert32_array(firsts, keys, description);
}

void ss_process_learn(const packet_info *pinfo, const struct ss_process_event *event)
{
	if (!event->is_process || !event->has_pid || event->pid == 0 || pinfo->fd->visited)
		return;
	remember(event, 0, pinfo->num);
	if (event->start)
		remember(event, event->start, pinfo->num);
}

const struct ss_process *ss_process_find(const packet_info *pinfo,
					 const struct ss_interface *interface,
					 const struct ss_option *option)
{
	const char *node = interface ? interface->values[SS_FIELD_NODE] : NULL;
	uint32_t words[KEYS] = {option->pid, option->start, node_key(node), pinfo->num};
	const struct description *found;
	wmem_tree_key_t keys[2];

	if (!option->has_pid || option->pid == 0)
		return NULL;
	make_keys(keys, words, KEYS);
	found = (const struct description *)wmem_tree_lookup32_array_le(descriptions, keys);
	if (found && found->pid == words[0] && found->start == words[1] && found->node == words[2])
		return &found->process;
	make_keys(keys, words, KEYS - 1);
	found = (const struct description *)wmem_tree_lookup32_array(firsts, keys);
	return found ? &found->process : NULL;
}

void ss_process_register(void)
{
	descriptions = wmem_tree_new_autoreset(wmem_epan_scope(), wmem_file_scope());
	firsts = wmem_tree_new_autoreset(wmem_epan_scope(), wmem_file_scope());
}
