/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of HTTP/2 frames, and the table of what RFC 9113 6 allows in them. */
#include "tls/http2.h"

#include <string.h>

#include <glib.h>

#define FOUND_STREAM_MAX 0xfffffu /* a larger number is not believed when looking for a frame */

enum on_stream { CONNECTION, STREAM, EITHER };

static const struct {
	uint8_t flags; /* those allowed */
	uint8_t on;    /* enum on_stream */
	uint32_t min, max;
} allowed[SS_HTTP2_TYPES] = {
	[SS_HTTP2_DATA] = {SS_HTTP2_END_STREAM | SS_HTTP2_PADDED, STREAM, 0, UINT16_MAX},
	[SS_HTTP2_HEADERS] = {SS_HTTP2_END_STREAM | SS_HTTP2_END_HEADERS | SS_HTTP2_PADDED |
				      SS_HTTP2_PRIORITIZED,
			      STREAM, 1, UINT16_MAX},
	[SS_HTTP2_PRIORITY] = {0, STREAM, 5, 5},
	[SS_HTTP2_RST_STREAM] = {0, STREAM, 4, 4},
	[SS_HTTP2_SETTINGS] = {SS_HTTP2_ACK, CONNECTION, 0, 6 * 64},
	[SS_HTTP2_PUSH_PROMISE] = {SS_HTTP2_END_HEADERS | SS_HTTP2_PADDED, STREAM, 4, UINT16_MAX},
	[SS_HTTP2_PING] = {SS_HTTP2_ACK, CONNECTION, 8, 8},
	[SS_HTTP2_GOAWAY] = {0, CONNECTION, 8, UINT16_MAX},
	[SS_HTTP2_WINDOW_UPDATE] = {0, EITHER, 4, 4},
	[SS_HTTP2_CONTINUATION] = {SS_HTTP2_END_HEADERS, STREAM, 0, UINT16_MAX},
};

static uint32_t big_endian(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

struct ss_http2_frame ss_http2_frame_read(const uint8_t *bytes)
{
	uint32_t stream = big_endian(bytes + 5);

	return (struct ss_http2_frame){
		.length = big_endian(bytes) >> 8,
		.type = bytes[3],
		.flags = bytes[4],
		.stream = stream & 0x7fffffffu,
		.reserved = stream >> 31,
	};
}

bool ss_http2_frame_plausible(const struct ss_http2_frame *frame)
{
	if (frame->type >= SS_HTTP2_TYPES || frame->reserved ||
	    frame->flags & ~allowed[frame->type].flags ||
	    frame->length < allowed[frame->type].min || frame->length > allowed[frame->type].max)
		return false;
	if (frame->type == SS_HTTP2_SETTINGS &&
	    (frame->length % 6 || (frame->flags & SS_HTTP2_ACK && frame->length)))
		return false;
	return allowed[frame->type].on == EITHER ||
	       (allowed[frame->type].on == STREAM) == (frame->stream != 0);
}

bool ss_http2_frame_acceptable(const struct ss_http2_frame *frame)
{
	struct ss_http2_frame check = *frame;

	if (frame->type >= SS_HTTP2_TYPES)
		return !frame->reserved;
	if (check.type == SS_HTTP2_DATA || check.type == SS_HTTP2_HEADERS ||
	    check.type == SS_HTTP2_CONTINUATION)
		check.length = MIN(check.length, UINT16_MAX);
	return ss_http2_frame_plausible(&check);
}

bool ss_http2_frame_convincing(const struct ss_http2_frame *frame)
{
	return ss_http2_frame_plausible(frame) && frame->length &&
	       frame->type != SS_HTTP2_PUSH_PROMISE && frame->stream <= FOUND_STREAM_MAX;
}

ssize_t ss_http2_frame_find(const uint8_t *data, size_t length)
{
	for (size_t i = 0; i + SS_HTTP2_FRAME_HEADER_SIZE <= length; i++) {
		struct ss_http2_frame frame = ss_http2_frame_read(data + i), next;
		size_t end = i + SS_HTTP2_FRAME_HEADER_SIZE + frame.length;

		if (!ss_http2_frame_convincing(&frame))
			continue;
		if (end + SS_HTTP2_FRAME_HEADER_SIZE > length)
			return (ssize_t)i;
		next = ss_http2_frame_read(data + end);
		if (ss_http2_frame_acceptable(&next))
			return (ssize_t)i;
	}
	return -1;
}

bool ss_http2_track_take(struct ss_http2_track *track, const uint8_t *data, size_t length)
{
	if (!track->begun && length >= 3 && !memcmp(data, SS_HTTP2_PREFACE, 3))
		track->left = SS_HTTP2_PREFACE_SIZE;
	track->begun |= length > 0;
	while (length) {
		size_t part = MIN(length, track->left);
		struct ss_http2_frame frame;

		if (part) {
			track->left -= (uint32_t)part;
			data += part;
			length -= part;
			continue;
		}
		track->header[track->header_length++] = *data++;
		length--;
		if (track->header_length < SS_HTTP2_FRAME_HEADER_SIZE)
			continue;
		track->header_length = 0;
		frame = ss_http2_frame_read(track->header);
		if (!ss_http2_frame_acceptable(&frame))
			return false;
		track->left = frame.length;
	}
	return true;
}
