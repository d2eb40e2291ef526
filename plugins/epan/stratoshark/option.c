/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes option 2989. Pure but for the walk over the record's options: no memory is kept, every
 * length is checked against what remains before it is used.
 */
#include "option.h"

#include <string.h>

static uint64_t little_endian(const uint8_t *bytes, size_t length)
{
	uint64_t value = 0;

	while (length > 0)
		value = value << 8 | bytes[--length];
	return value;
}

static void set_direction(struct ss_option *option, const uint8_t *value)
{
	option->direction = value[0];
	option->has_direction = true;
}

static void set_netns(struct ss_option *option, const uint8_t *value)
{
	option->netns = (uint32_t)little_endian(value, sizeof(option->netns));
	option->has_netns = true;
}

static void set_container(struct ss_option *option, const uint8_t *value)
{
	memcpy(option->container, value, sizeof(option->container));
	option->has_container = true;
}

static void set_cgroup(struct ss_option *option, const uint8_t *value)
{
	option->cgroup = little_endian(value, sizeof(option->cgroup));
	option->has_cgroup = true;
}

static void set_redirect(struct ss_option *option, const uint8_t *value)
{
	option->redirect = (uint16_t)little_endian(value, sizeof(option->redirect));
	option->has_redirect = true;
}

static void set_pid(struct ss_option *option, const uint8_t *value)
{
	option->pid = (uint32_t)little_endian(value, sizeof(option->pid));
	option->has_pid = true;
}

static void set_process(struct ss_option *option, const uint8_t *value)
{
	set_pid(option, value);
	option->start = (uint32_t)little_endian(value + 4, sizeof(option->start));
}

static void set_comm(struct ss_option *option, const uint8_t *value)
{
	memcpy(option->comm, value, SS_COMM_SIZE);
	option->has_comm = true;
}

/* By enum ss_metadata_type; a type without a row is of a later version and skipped. */
static const struct {
	size_t length;
	void (*set)(struct ss_option *option, const uint8_t *value);
} rows[] = {
	[SS_METADATA_DIRECTION] = {1, set_direction},
	[SS_METADATA_NETNS] = {4, set_netns},
	[SS_METADATA_CONTAINER] = {SS_CONTAINER_ID_SIZE, set_container},
	[SS_METADATA_CGROUP] = {8, set_cgroup},
	[SS_METADATA_REDIRECT] = {SS_REDIRECT_SIZE, set_redirect},
	[SS_METADATA_PID] = {4, set_pid},
	[SS_METADATA_COMM] = {SS_COMM_SIZE, set_comm},
	[SS_METADATA_PROCESS] = {SS_PROCESS_SIZE, set_process},
};

void ss_option_decode(const uint8_t *data, size_t length, struct ss_option *ret_option)
{
	memset(ret_option, 0, sizeof(*ret_option));
	if (length < 2 || data[0] != SS_METADATA_MAGIC0 || data[1] != SS_METADATA_MAGIC1)
		return;
	ret_option->present = true;

	for (size_t offset = 2; offset < length;) {
		uint8_t type = data[offset++];
		size_t value_length;

		if (type == SS_METADATA_PAD)
			continue;
		if (offset == length) {
			ret_option->problem = "the option ends inside an item";
			return;
		}
		if (type == (SS_METADATA_DIRECTION | SS_METADATA_CONTEXT) ||
		    type == (SS_METADATA_REDIRECT | SS_METADATA_CONTEXT)) {
			type ^= SS_METADATA_CONTEXT;
			ret_option->is_context = true;
		}
		value_length = data[offset++];
		if (value_length > length - offset) {
			ret_option->problem = "an item is longer than the option";
			return;
		}
		if (type < G_N_ELEMENTS(rows) && rows[type].set) {
			if (value_length != rows[type].length) {
				ret_option->problem = "an item has the wrong length";
				return;
			}
			rows[type].set(ret_option, data + offset);
		}
		offset += value_length;
	}
	if (ret_option->has_redirect && !ret_option->has_direction) /* it took its place */
		set_direction(ret_option, &(uint8_t){SS_DIRECTION_LOCAL});
}

static ss_bool visit(wtap_block_t block, unsigned id, wtap_opttype_e type, wtap_optval_t *value,
		     void *data)
{
	struct ss_option *option = (struct ss_option *)data;
	const uint8_t *bytes;
	size_t length;

	(void)block;
	(void)type;
	if (id != OPT_CUSTOM_BIN_COPY || option->present)
		return true;
	if (ss_custom_option(value, &bytes, &length) == SS_METADATA_PEN && bytes)
		ss_option_decode(bytes, length, option);
	return true;
}

void ss_option_get(const packet_info *pinfo, struct ss_option *ret_option)
{
	memset(ret_option, 0, sizeof(*ret_option));
	if (pinfo->rec && pinfo->rec->block)
		wtap_block_foreach_option(pinfo->rec->block, visit, ret_option);
}
