/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every TCP frame of a pod costs a look-up here; there is no such stage without --ssl-plaintext. */
#include "twin.h"

#include <glib.h>

#include "output/blocks.h"
#include "transport.h"

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

static bool is_twin(const struct ss_twin *twin, const uint8_t *block, size_t size)
{
	const struct ss_place *place = ss_places_get(twin->places, ss_block_word(block + 8));
	struct ss_transport packet;

	return place && ss_transport_read_tcp(ss_cursor(block, size), place->link_type, &packet) &&
	       twin->callbacks.is_shown(&packet.source, &packet.destination,
					twin->callbacks.user_data);
}

static void leave_out(const struct ss_twin *twin, uint8_t *block)
{
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
	twin->callbacks.left_out(ss_block_word(block + 8), twin->callbacks.user_data);
}

static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_twin *twin = user_data;
	uint64_t limit_ns = twin->callbacks.utc_ns(twin->callbacks.user_data) - twin->window_ns;
	struct ss_blocks walk = ss_blocks(blocks, length, 0);

	(void)now_ns;
	while (ss_blocks_next(&walk)) {
		uint8_t *block = (uint8_t *)blocks + walk.at;
		uint64_t time_ns = ss_block_time(block, walk.size);

		if (time_ns > limit_ns && !twin->released) {
			*ret_again_ns = time_ns - limit_ns;
			return walk.at;
		}
		if (is_twin(twin, block, walk.size))
			leave_out(twin, block);
	}
	twin->released = false;
	return walk.at;
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
