/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/framing.h"

#include <string.h>

#include <glib.h>

#define SEEK_MAX 65536u /* bytes without a frame: it is no HTTP/2 */

/* In the middle of a frame its rest would be taken for another by who reads the new stream. */
void ss_tls_framing_begin(struct ss_tls_framing *framing, bool is_http2)
{
	bool in_frame = framing->tracked && (framing->frames.left || framing->frames.header_length);

	framing->tracked = is_http2;
	framing->seeking = is_http2 && (framing->seeking || in_frame);
	framing->left_out = 0;
	framing->frames = (struct ss_http2_track){.begun = framing->seeking};
}

/* Can the first bytes of a way be the beginning of a frame, or of the connection? */
static bool begins_frame(const uint8_t *data, size_t length)
{
	struct ss_http2_frame frame;

	if (!memcmp(data, SS_HTTP2_PREFACE, MIN(length, SS_HTTP2_PREFACE_SIZE)))
		return true;
	if (length < SS_HTTP2_FRAME_HEADER_SIZE)
		return data[0] == 0;
	frame = ss_http2_frame_read(data);
	return ss_http2_frame_acceptable(&frame);
}

/* Leaves out what is in front of a frame. False if none begins here. */
static bool seek_frame(struct ss_tls_framing *framing, const uint8_t **data, size_t *length)
{
	ssize_t found = ss_http2_frame_find(*data, *length);
	size_t before = found < 0 ? *length : (size_t)found;

	framing->left_out += before;
	*data += before;
	*length -= before;
	if (found < 0) {
		framing->tracked = framing->seeking = framing->left_out < SEEK_MAX;
		return false;
	}
	framing->seeking = false;
	framing->frames = (struct ss_http2_track){.begun = true};
	return true;
}

bool ss_tls_framing_take(struct ss_tls_framing *framing, const uint8_t **data, size_t *length,
			 char **ret_comment)
{
	char *comment = NULL;

	if (framing->tracked) {
		if (*length && !framing->frames.begun && !begins_frame(*data, *length))
			framing->seeking = true;
		if (framing->seeking) {
			if (!seek_frame(framing, data, length))
				return false;
			comment = g_strdup_printf("StratoShark: %" G_GUINT64_FORMAT
						  " bytes are missing here, up to the next HTTP/2 "
						  "frame",
						  framing->left_out);
		}
		framing->tracked = ss_http2_track_take(&framing->frames, *data, *length);
	}
	*ret_comment = comment;
	return true;
}

static void take_zeros(struct ss_tls_framing *framing, uint64_t length)
{
	static const uint8_t zeros[4096];

	for (uint64_t done = 0; done < length; done += sizeof(zeros))
		ss_http2_track_take(&framing->frames, zeros, MIN(length - done, sizeof(zeros)));
}

bool ss_tls_framing_lose(struct ss_tls_framing *framing, uint64_t lost, uint64_t fill_max,
			 uint64_t *ret_fill)
{
	uint64_t fill = framing->tracked ? MIN(lost, framing->frames.left) : lost;

	if (framing->seeking) {
		framing->left_out += lost;
		*ret_fill = 0;
		return true;
	}
	if (fill > fill_max || (framing->tracked && framing->frames.header_length)) {
		framing->seeking = framing->tracked;
		return false;
	}
	if (framing->tracked)
		take_zeros(framing, fill);
	if (fill < lost) {
		framing->seeking = true;
		framing->left_out = lost - fill;
	}
	*ret_fill = fill;
	return true;
}
