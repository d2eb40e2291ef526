/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is this a packet block that every reader takes? Stricter than the pcapng draft: what we do not
 * write is refused, because readers reject a whole file for one option of a wrong length.
 */
#include "epb.h"

#include <stdbool.h>

#include "format/metadata.h"
#include "format/pcapng.h"

/* The options that a frame of ours may have: readers refuse a file for a wrong length of these. */
static const struct {
	uint16_t code, shortest, longest;
	bool pen; /* begins with ours */
} frame_options[] = {
	{SS_OPT_COMMENT, 0, UINT16_MAX, false},   {SS_EPB_FLAGS, 4, 4, false},
	{SS_EPB_DROPCOUNT, 8, 8, false},          {SS_OPT_CUSTOM_STR, 4, UINT16_MAX, true},
	{SS_OPT_CUSTOM_BIN, 4, UINT16_MAX, true},
};

static bool is_frame_option(uint16_t code, struct ss_cursor value)
{
	for (size_t i = 0; i < G_N_ELEMENTS(frame_options); i++) {
		uint32_t pen;

		if (code != frame_options[i].code)
			continue;
		return value.length >= frame_options[i].shortest &&
		       value.length <= frame_options[i].longest &&
		       (!frame_options[i].pen ||
			(ss_cursor_u32(&value, &pen) == 0 && pen == SS_METADATA_PEN));
	}
	return false;
}

static bool are_frame_options(struct ss_cursor options)
{
	while (options.length) {
		struct ss_cursor value;
		uint16_t code, length;

		if (ss_cursor_u16(&options, &code) < 0 || ss_cursor_u16(&options, &length) < 0)
			return false;
		if (code == SS_OPT_END)
			return length == 0 && options.length == 0;
		if (ss_cursor_part(&options, length, &value) < 0 ||
		    ss_cursor_skip(&options, -(size_t)length & 3) < 0 ||
		    !is_frame_option(code, value))
			return false;
	}
	return true; /* opt_endofopt may be missing */
}

const char *ss_epb_check(struct ss_cursor *cursor, uint32_t interfaces)
{
	uint32_t type, size, id, captured, original, trailer;
	struct ss_cursor peek = *cursor, block;

	if (ss_cursor_u32(&peek, &type) < 0 || ss_cursor_u32(&peek, &size) < 0 ||
	    ss_cursor_part(cursor, size, &block) < 0)
		return "a packet block is cut short";
	if (type != SS_PCAPNG_EPB || size % 4 || size > SS_PCAPNG_BLOCK_MAX ||
	    size < SS_EPB_HEADER_SIZE + SS_EPB_TRAILER_SIZE)
		return "something else is where a packet block should begin";
	block.length -= SS_EPB_TRAILER_SIZE;
	peek = ss_cursor(block.data + block.length, SS_EPB_TRAILER_SIZE);
	if (ss_cursor_u32(&peek, &trailer) < 0 || trailer != size)
		return "a packet block has two different lengths";
	if (ss_cursor_skip(&block, 8) < 0 || ss_cursor_u32(&block, &id) < 0 || id >= interfaces)
		return "a packet is of an interface that the recording does not have";
	if (ss_cursor_skip(&block, 8) < 0 || ss_cursor_u32(&block, &captured) < 0 ||
	    ss_cursor_u32(&block, &original) < 0 || ss_cursor_skip(&block, captured) < 0 ||
	    ss_cursor_skip(&block, -(size_t)captured & 3) < 0 || captured > original)
		return "a packet is longer than its block";
	if (!are_frame_options(block))
		return "the options of a packet block are malformed";
	return NULL;
}
