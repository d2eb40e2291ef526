/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As the kernel does, by addresses: the mesh does not make different ones the same, unless a pod
 * asks itself. */
#include "redirects.h"

#include <netinet/in.h>
#include <string.h>

#include <glib.h>

#include "format/pcapng.h"
#include "output/blocks.h"
#include "transport.h"

struct ss_redirects {
	const struct ss_filter *filter;
	struct ss_stream *stream;
	GArray *loopbacks; /* places */
};

struct ss_redirects *ss_redirects_new(const struct ss_filter *filter, struct ss_stream *stream)
{
	struct ss_redirects *redirects = g_new0(struct ss_redirects, 1);

	redirects->filter = filter;
	redirects->stream = stream;
	redirects->loopbacks = ss_places_new();
	return redirects;
}

void ss_redirects_free(struct ss_redirects *redirects)
{
	if (!redirects)
		return;
	g_array_unref(redirects->loopbacks);
	g_free(redirects);
}

bool ss_redirects_is_open(const struct ss_redirects *redirects, const void *block, size_t size)
{
	const struct ss_place *place =
		ss_places_get(redirects->loopbacks, ss_block_word((const uint8_t *)block + 8));
	struct ss_transport segment;

	return place && ss_transport_read(ss_cursor(block, size), place->link_type, &segment) &&
	       segment.protocol == IPPROTO_TCP && !segment.is_error &&
	       memcmp(segment.source.address, segment.destination.address, 16) != 0;
}

static void look(void *blocks, size_t length, void *user_data)
{
	const struct ss_redirects *redirects = user_data;

	if (ss_filter_language(redirects->filter) != SS_FILTER_PCAP)
		return;
	for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);) {
		uint8_t *block = (uint8_t *)blocks + walk.at;
		struct ss_interface_counters *counters;
		uint32_t id = ss_block_word(block + 8);

		if (ss_block_type(block) == SS_BLOCK_LEFT_OUT ||
		    !ss_redirects_is_open(redirects, block, walk.size) ||
		    ss_filter_matches(redirects->filter,
				      ss_places_get(redirects->loopbacks, id)->link_type,
				      block + SS_EPB_HEADER_SIZE, ss_block_word(block + 20),
				      ss_block_word(block + 24),
				      ss_block_flags(block, walk.size) & SS_EPB_FLAG_OUT))
			continue;
		counters = ss_stream_counters(redirects->stream, id);
		counters->unmatched++;
		counters->unmatched_bytes += ss_block_word(block + 24);
		ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
	}
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	struct ss_redirects *redirects = user_data;

	if (place->is_lo)
		ss_places_set(redirects->loopbacks, place);
}

struct ss_stage ss_redirects_stage(struct ss_redirects *redirects)
{
	return (struct ss_stage){
		.look = look,
		.interface = add_interface,
		.leaves_out = true,
		.user_data = redirects,
	};
}
