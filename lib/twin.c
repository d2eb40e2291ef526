/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every TCP frame of a pod costs a look-up here; there is no such stage without --ssl-plaintext. */
#include "twin.h"

#include <string.h>

#include <glib.h>

#include "output/block.h"
#include "tls/packet.h"

struct ss_twin {
	struct ss_twin_callbacks callbacks;
	uint64_t window_ns;
	GArray *link_types; /* uint16_t by interface id; UINT16_MAX: not looked at */
	bool released;
};

struct ss_twin *ss_twin_new(uint64_t window_ns, const struct ss_twin_callbacks *callbacks)
{
	struct ss_twin *twin = g_new0(struct ss_twin, 1);

	twin->callbacks = *callbacks;
	twin->window_ns = window_ns;
	twin->link_types = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	return twin;
}

void ss_twin_free(struct ss_twin *twin)
{
	if (!twin)
		return;
	g_array_unref(twin->link_types);
	g_free(twin);
}

void ss_twin_interface(struct ss_twin *twin, uint32_t interface_id, uint16_t link_type)
{
	const uint16_t none = UINT16_MAX;

	while (twin->link_types->len <= interface_id)
		g_array_append_val(twin->link_types, none);
	g_array_index(twin->link_types, uint16_t, interface_id) = link_type;
}

static bool is_twin(const struct ss_twin *twin, const struct ss_tls_block *block)
{
	struct ss_tls_packet packet;
	uint16_t link_type;

	if (block->interface_id >= twin->link_types->len)
		return false;
	link_type = g_array_index(twin->link_types, uint16_t, block->interface_id);
	return link_type != UINT16_MAX &&
	       ss_tls_packet_read(block->frame, block->original, link_type, &packet) &&
	       twin->callbacks.is_shown(&packet.source, &packet.destination,
					twin->callbacks.user_data);
}

static void leave_out(const struct ss_twin *twin, uint8_t *block, uint32_t interface_id)
{
	uint32_t type = GUINT32_TO_LE(SS_BLOCK_LEFT_OUT);

	memcpy(block, &type, sizeof(type));
	twin->callbacks.left_out(interface_id, twin->callbacks.user_data);
}

size_t ss_twin_admit(struct ss_twin *twin, void *blocks, size_t length, uint64_t now_ns,
		     uint64_t *ret_again_ns)
{
	uint64_t limit_ns = twin->callbacks.utc_ns(twin->callbacks.user_data) - twin->window_ns;
	uint8_t *bytes = blocks;
	size_t at = 0, size;
	uint64_t one = 1;

	(void)now_ns;
	while ((size = ss_block_walk(bytes + at, length - at, SIZE_MAX, &one))) {
		struct ss_tls_block block;

		if (ss_tls_block_read(ss_cursor(bytes + at, size), &block)) {
			if (block.time_ns > limit_ns && !twin->released) {
				*ret_again_ns = block.time_ns - limit_ns;
				return at;
			}
			if (is_twin(twin, &block))
				leave_out(twin, bytes + at, block.interface_id);
		}
		at += size;
	}
	twin->released = false;
	return at;
}

void ss_twin_release(struct ss_twin *twin)
{
	twin->released = true;
}
