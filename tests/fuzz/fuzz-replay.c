/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a recording: every item is used as the session would, and what it would write stays
 * whole blocks of interfaces that exist.
 */
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "output/blocks.h"
#include "source/epb.h"
#include "source/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct ss_replay_item *item, GByteArray *bytes, uint32_t *interfaces)
{
	switch (item->type) {
	case SS_RECORDING_INTERFACE:
		g_assert(item->id == (*interfaces)++);
		ss_block_interface(bytes, item->interface);
		break;
	case SS_RECORDING_NAME:
		ss_block_name(bytes, item->address, item->name);
		break;
	case SS_RECORDING_FRAMES:
		g_byte_array_append(bytes, item->frames.iov_base, (guint)item->frames.iov_len);
		break;
	case SS_RECORDING_EVENT:
		g_assert(item->id < *interfaces);
		ss_block_event(bytes, item->id, item->time_ns, item->info, item->json);
		break;
	case SS_RECORDING_COUNTERS:
		g_assert(item->id < *interfaces);
		ss_block_statistics(bytes, item->id, 0, 0, &item->counters);
		break;
	case SS_RECORDING_SECRETS:
		ss_block_secrets(bytes, item->lines);
		break;
	case SS_RECORDING_END:
		g_assert_not_reached();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	uint64_t blocks = UINT64_MAX;
	struct ss_replay *replay = NULL;
	struct ss_error error = {0};
	struct ss_replay_item item;
	uint32_t interfaces = 0;
	int r;

	r = ss_replay_new_memory(data, size, &replay, &error);
	if (r == 0) {
		while ((r = ss_replay_next(replay, &item, &error)) == 1)
			use(&item, bytes, &interfaces);
	}
	g_assert(r < 0 ? error.message[0] != 0 : error.message[0] == 0);
	ss_replay_free(replay);
	g_assert(ss_block_walk(bytes->data, bytes->len, SIZE_MAX, &blocks) == bytes->len);
	return 0;
}
