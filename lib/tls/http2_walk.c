/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks the frames. Every stream's body is a text of its own, for frames of streams alternate; a
 * body that holds something back keeps it over short frames in between only. Behind what is no
 * frame (a gap, a beginning in the middle) the way is lost: bytes are taken as text until something
 * looks like a frame again, and what HPACK's table held is forgotten.
 */
#include "tls/http2_walk.h"

#include <string.h>

#include "tls/hpack.h"
#include "tls/http2.h"
#include "tls/text.h"

#define STREAMS_MAX 64u /* whose bodies are remembered */
#define BETWEEN_MAX 64u /* a longer frame is not waited for */

enum state { PREFACE, HEADER, PAYLOAD, LOST };

struct ss_http2_walk {
	const struct ss_tls_rules *rules;
	enum state state;
	uint64_t released;
	uint8_t header[SS_HTTP2_FRAME_HEADER_SIZE]; /* or, when lost, the latest bytes */
	uint64_t header_at[SS_HTTP2_FRAME_HEADER_SIZE];
	uint32_t header_length, skip; /* skip: bytes of the preface still to come */
	struct ss_http2_frame frame;
	uint32_t offset, begin, end; /* in the payload; what is neither padding nor priority */
	bool is_sure;                /* it is HTTP/2 */
	struct ss_hpack *hpack;
	GHashTable *texts;    /* struct ss_text * by stream */
	GQueue streams;       /* their numbers, oldest first */
	struct ss_text *body; /* of the DATA frame that is walked, or of the one before */
	uint32_t body_stream;
	struct ss_text *lost; /* what is read while lost */
};

static void text_free(gpointer text)
{
	ss_text_free(text);
}

static void forget_body(struct ss_http2_walk *walk, struct ss_mask *mask, uint32_t stream,
			uint64_t position)
{
	struct ss_text *text = g_hash_table_lookup(walk->texts, GUINT_TO_POINTER(stream));

	if (!text)
		return;
	ss_text_settle(text, mask, position);
	if (walk->body == text)
		walk->body = NULL;
	g_queue_remove(&walk->streams, GUINT_TO_POINTER(stream));
	g_hash_table_remove(walk->texts, GUINT_TO_POINTER(stream));
}

static struct ss_text *body_of(struct ss_http2_walk *walk, struct ss_mask *mask, uint32_t stream,
			       uint64_t position)
{
	struct ss_text *text = g_hash_table_lookup(walk->texts, GUINT_TO_POINTER(stream));

	if (text)
		return text;
	if (walk->streams.length == STREAMS_MAX)
		forget_body(walk, mask, GPOINTER_TO_UINT(walk->streams.head->data), position);
	text = ss_text_new(walk->rules);
	g_hash_table_insert(walk->texts, GUINT_TO_POINTER(stream), text);
	g_queue_push_tail(&walk->streams, GUINT_TO_POINTER(stream));
	return text;
}

static void end_frame(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t next)
{
	const struct ss_http2_frame *frame = &walk->frame;

	walk->state = HEADER;
	walk->header_length = 0;
	if ((frame->type == SS_HTTP2_DATA && frame->flags & SS_HTTP2_END_STREAM) ||
	    frame->type == SS_HTTP2_RST_STREAM)
		forget_body(walk, mask, frame->stream, next);
	if ((frame->type == SS_HTTP2_HEADERS || frame->type == SS_HTTP2_PUSH_PROMISE ||
	     frame->type == SS_HTTP2_CONTINUATION) &&
	    frame->flags & SS_HTTP2_END_HEADERS)
		ss_hpack_end(walk->hpack, mask);
}

/* Where the payload proper begins and, unless padding says otherwise, ends. */
static void lay_out(struct ss_http2_walk *walk)
{
	const struct ss_http2_frame *frame = &walk->frame;
	bool can_pad = frame->type == SS_HTTP2_DATA || frame->type == SS_HTTP2_HEADERS ||
		       frame->type == SS_HTTP2_PUSH_PROMISE;

	walk->offset = 0;
	walk->begin = can_pad && frame->flags & SS_HTTP2_PADDED ? 1 : 0;
	walk->end = frame->length;
	if (frame->type == SS_HTTP2_HEADERS && frame->flags & SS_HTTP2_PRIORITIZED)
		walk->begin += 5;
	if (frame->type == SS_HTTP2_PUSH_PROMISE)
		walk->begin += 4;
}

static void begin_frame(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t next)
{
	const struct ss_http2_frame *frame = &walk->frame;
	bool same = frame->type == SS_HTTP2_DATA && frame->stream == walk->body_stream;

	if (walk->body && !same && (frame->type == SS_HTTP2_DATA || frame->length > BETWEEN_MAX))
		ss_text_settle(walk->body, mask, next);
	if (frame->type == SS_HTTP2_DATA) {
		walk->body = body_of(walk, mask, frame->stream, next);
		walk->body_stream = frame->stream;
	}
	lay_out(walk);
	walk->state = PAYLOAD;
	if (!frame->length)
		end_frame(walk, mask, next);
}

static void lose(struct ss_http2_walk *walk, struct ss_mask *mask)
{
	walk->state = LOST;
	ss_hpack_end(walk->hpack, mask);
	ss_hpack_forget(walk->hpack);
	for (uint32_t i = 0; i < walk->header_length; i++)
		ss_text_byte(walk->lost, mask, walk->header_at[i], walk->header[i]);
}

static void take_header(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t position,
			uint8_t byte)
{
	walk->header[walk->header_length] = byte;
	walk->header_at[walk->header_length++] = position;
	if (walk->header_length < SS_HTTP2_FRAME_HEADER_SIZE)
		return;
	walk->frame = ss_http2_frame_read(walk->header);
	if (!ss_http2_frame_acceptable(&walk->frame)) {
		lose(walk, mask);
		return;
	}
	walk->header_length = 0;
	begin_frame(walk, mask, position + 1);
}

/* In between: are the latest nine bytes a header? */
static void take_lost(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t position,
		      uint8_t byte)
{
	ss_text_byte(walk->lost, mask, position, byte);
	if (walk->header_length == SS_HTTP2_FRAME_HEADER_SIZE)
		memmove(walk->header, walk->header + 1, --walk->header_length);
	walk->header[walk->header_length++] = byte;
	if (!walk->is_sure || walk->header_length < SS_HTTP2_FRAME_HEADER_SIZE)
		return;
	walk->frame = ss_http2_frame_read(walk->header);
	if (!ss_http2_frame_convincing(&walk->frame))
		return;
	walk->header_length = 0;
	ss_text_settle(walk->lost, mask, position + 1);
	begin_frame(walk, mask, position + 1);
}

static void take_payload(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t position,
			 uint8_t byte)
{
	uint32_t offset = walk->offset++;
	bool is_padding = offset == 0 && walk->begin && walk->frame.flags & SS_HTTP2_PADDED;

	if (is_padding)
		walk->end = byte <= walk->frame.length ? walk->frame.length - byte : 0;
	else if (offset >= walk->begin && offset < walk->end) {
		switch (walk->frame.type) {
		case SS_HTTP2_DATA:
			ss_text_byte(walk->body, mask, position, byte);
			break;
		case SS_HTTP2_HEADERS:
		case SS_HTTP2_PUSH_PROMISE:
		case SS_HTTP2_CONTINUATION:
			ss_hpack_byte(walk->hpack, mask, position, byte);
			break;
		default:
			break;
		}
	}
	if (walk->offset == walk->frame.length) {
		walk->is_sure = true;
		end_frame(walk, mask, position + 1);
	}
}

struct ss_http2_walk *ss_http2_walk_new(const struct ss_tls_rules *rules, bool preface,
					bool in_frame)
{
	struct ss_http2_walk *walk = g_new0(struct ss_http2_walk, 1);

	walk->rules = rules;
	walk->state = preface ? PREFACE : in_frame ? LOST : HEADER;
	walk->skip = SS_HTTP2_PREFACE_SIZE;
	walk->is_sure = preface || in_frame;
	walk->hpack = ss_hpack_new(rules);
	walk->texts = g_hash_table_new_full(NULL, NULL, NULL, text_free);
	walk->lost = ss_text_new(rules);
	g_queue_init(&walk->streams);
	return walk;
}

void ss_http2_walk_free(struct ss_http2_walk *walk)
{
	if (!walk)
		return;
	ss_hpack_free(walk->hpack);
	g_hash_table_unref(walk->texts);
	g_queue_clear(&walk->streams);
	ss_text_free(walk->lost);
	explicit_bzero(walk, sizeof(*walk));
	g_free(walk);
}

void ss_http2_walk_byte(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t position,
			uint8_t byte)
{
	switch (walk->state) {
	case PREFACE:
		if (!--walk->skip)
			walk->state = HEADER;
		break;
	case HEADER:
		take_header(walk, mask, position, byte);
		break;
	case PAYLOAD:
		take_payload(walk, mask, position, byte);
		break;
	case LOST:
		take_lost(walk, mask, position, byte);
		break;
	}
}

void ss_http2_walk_forget(struct ss_http2_walk *walk)
{
	ss_hpack_forget(walk->hpack);
}

void ss_http2_walk_settle(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t position)
{
	ss_hpack_settle(walk->hpack, mask, position);
	ss_text_settle(walk->lost, mask, position);
	if (walk->body)
		ss_text_settle(walk->body, mask, position);
	walk->released = position;
}

uint64_t ss_http2_walk_hold(const struct ss_http2_walk *walk)
{
	uint64_t hold = ss_hpack_hold(walk->hpack), other = SS_MASK_NONE;

	if (walk->state == HEADER)
		other = ss_mask_first(walk->header_at, walk->header_length, walk->released);
	else if (walk->state == LOST)
		other = ss_text_hold(walk->lost);
	hold = MIN(hold, other);
	other = walk->body ? ss_text_hold(walk->body) : SS_MASK_NONE;
	return MIN(hold, other);
}
