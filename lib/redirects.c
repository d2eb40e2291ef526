/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As the kernel does, by addresses: the mesh does not make different ones the same, unless a pod
 * asks itself. */
#include "redirects.h"

#include <netinet/in.h>
#include <string.h>

#include <glib.h>

#include "format/pcapng.h"
#include "output/block.h"
#include "transport.h"

struct ss_redirects {
	const struct ss_filter *filter;
	struct ss_stream *stream;
	GArray *link_types; /* uint16_t by interface id; UINT16_MAX: not lo */
};

struct ss_redirects *ss_redirects_new(const struct ss_filter *filter, struct ss_stream *stream)
{
	struct ss_redirects *redirects = g_new0(struct ss_redirects, 1);

	redirects->filter = filter;
	redirects->stream = stream;
	redirects->link_types = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	return redirects;
}

void ss_redirects_free(struct ss_redirects *redirects)
{
	if (!redirects)
		return;
	g_array_unref(redirects->link_types);
	g_free(redirects);
}

void ss_redirects_interface(struct ss_redirects *redirects, uint32_t interface_id,
			    uint16_t link_type)
{
	const uint16_t none = UINT16_MAX;

	while (redirects->link_types->len <= interface_id)
		g_array_append_val(redirects->link_types, none);
	g_array_index(redirects->link_types, uint16_t, interface_id) = link_type;
}

bool ss_redirects_is_open(const struct ss_redirects *redirects, const void *block, size_t size)
{
	uint32_t id = ss_block_word((const uint8_t *)block + 8);
	struct ss_transport segment;
	uint16_t link_type;

	if (id >= redirects->link_types->len)
		return false;
	link_type = g_array_index(redirects->link_types, uint16_t, id);
	return link_type != UINT16_MAX &&
	       ss_transport_read(ss_cursor(block, size), link_type, &segment) &&
	       segment.protocol == IPPROTO_TCP && !segment.is_error &&
	       memcmp(segment.source.address, segment.destination.address, 16) != 0;
}

void ss_redirects_filter(const struct ss_redirects *redirects, void *blocks, size_t length)
{
	uint8_t *bytes = blocks;
	uint64_t one = 1;
	size_t size;

	if (ss_filter_language(redirects->filter) != SS_FILTER_PCAP)
		return;
	for (size_t at = 0; (size = ss_block_walk(bytes + at, length - at, SIZE_MAX, &one));
	     at += size) {
		uint8_t *block = bytes + at;
		struct ss_interface_counters *counters;
		uint32_t id = ss_block_word(block + 8);

		if (ss_block_type(block) == SS_BLOCK_LEFT_OUT ||
		    !ss_redirects_is_open(redirects, block, size) ||
		    ss_filter_matches(redirects->filter,
				      g_array_index(redirects->link_types, uint16_t, id),
				      block + SS_EPB_HEADER_SIZE, ss_block_word(block + 20),
				      ss_block_word(block + 24),
				      ss_block_flags(block, size) & SS_EPB_FLAG_OUT))
			continue;
		counters = ss_stream_counters(redirects->stream, id);
		counters->unmatched++;
		counters->unmatched_bytes += ss_block_word(block + 24);
		ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
	}
}
