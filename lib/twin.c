/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every TCP frame of a pod costs a look-up here; there is no such stage without --ssl-plaintext. */
#include "twin.h"

#include <glib.h>

#include "output/block.h"
#include "tls/packet.h"

struct ss_twin {
	struct ss_twin_callbacks callbacks;
	uint64_t window_ns;
	GArray *places;
	bool released;
};

struct ss_twin *ss_twin_new(uint64_t window_ns, const struct ss_twin_callbacks *callbacks)
{
	struct ss_twin *twin = g_new0(struct ss_twin, 1);

	twin->callbacks = *callbacks;
	twin->window_ns = window_ns;
	twin->places = ss_places_new();
	return twin;
}

void ss_twin_free(struct ss_twin *twin)
{
	if (!twin)
		return;
	g_array_unref(twin->places);
	g_free(twin);
}

static bool is_twin(const struct ss_twin *twin, const struct ss_tls_block *block)
{
	const struct ss_place *place = ss_places_get(twin->places, block->interface_id);
	struct ss_tls_packet packet;

	return place &&
	       ss_tls_packet_read(block->frame, block->original, place->link_type, &packet) &&
	       twin->callbacks.is_shown(&packet.source, &packet.destination,
					twin->callbacks.user_data);
}

static void leave_out(const struct ss_twin *twin, uint8_t *block, uint32_t interface_id)
{
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
	twin->callbacks.left_out(interface_id, twin->callbacks.user_data);
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_twin *twin = user_data;
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

static void release(void *user_data)
{
	((struct ss_twin *)user_data)->released = true;
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	struct ss_twin *twin = user_data;

	if (place->pod)
		ss_places_set(twin->places, place);
}

struct ss_stage ss_twin_stage(struct ss_twin *twin)
{
	return (struct ss_stage){
		.admit = admit,
		.release = release,
		.interface = add_interface,
		.leaves_out = true,
		.user_data = twin,
	};
}
