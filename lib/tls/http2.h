/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of HTTP/2 frames (RFC 9113 4.1). */
#ifndef SS_TLS_HTTP2_H
#define SS_TLS_HTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SS_HTTP2_FRAME_HEADER_SIZE 9u
#define SS_HTTP2_PREFACE           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SS_HTTP2_PREFACE_SIZE      24u

enum ss_http2_type {
	SS_HTTP2_DATA,
	SS_HTTP2_HEADERS,
	SS_HTTP2_PRIORITY,
	SS_HTTP2_RST_STREAM,
	SS_HTTP2_SETTINGS,
	SS_HTTP2_PUSH_PROMISE,
	SS_HTTP2_PING,
	SS_HTTP2_GOAWAY,
	SS_HTTP2_WINDOW_UPDATE,
	SS_HTTP2_CONTINUATION,
	SS_HTTP2_TYPES
};

#define SS_HTTP2_ACK         0x01u /* SETTINGS, PING */
#define SS_HTTP2_END_STREAM  0x01u /* DATA, HEADERS */
#define SS_HTTP2_END_HEADERS 0x04u
#define SS_HTTP2_PADDED      0x08u
#define SS_HTTP2_PRIORITIZED 0x20u

struct ss_http2_frame {
	uint32_t length; /* of the payload, 24 bits */
	uint8_t type;    /* enum ss_http2_type, or one of an extension */
	uint8_t flags;
	uint32_t stream; /* 31 bits */
	bool reserved;   /* the bit above it, zero in what is sent */
};

/* Of SS_HTTP2_FRAME_HEADER_SIZE bytes. */
struct ss_http2_frame ss_http2_frame_read(const uint8_t *bytes);
/* Could such a frame exist: a type of the RFC, with the flags, length and stream that it allows?
 * Text never could, random bytes rarely. */
bool ss_http2_frame_plausible(const struct ss_http2_frame *frame);
/* As good, for who knows that a frame must be here: longer ones and types of extensions, too. */
bool ss_http2_frame_acceptable(const struct ss_http2_frame *frame);
/* For who looks for one in the middle of something: not of zeros and what follows them, not rare.
 */
bool ss_http2_frame_convincing(const struct ss_http2_frame *frame);
/* Where a frame begins in the middle of something: -1 if nowhere. */
ssize_t ss_http2_frame_find(const uint8_t *data, size_t length);

/* Where in a frame one direction of a connection is. Zero is its beginning. */
struct ss_http2_track {
	uint8_t header[SS_HTTP2_FRAME_HEADER_SIZE];
	uint8_t header_length; /* bytes of it so far; 0 in a payload, or between frames */
	uint32_t left;         /* of the payload, or of the preface */
	bool begun;
};

/* The next bytes. False when they are no frames. */
bool ss_http2_track_take(struct ss_http2_track *track, const uint8_t *data, size_t length);

#endif
