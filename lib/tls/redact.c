/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream is HTTP/2 or text, by its first bytes, and every byte goes through its scanner once.
 * What the caller offers again was seen already; only its bytes may still change. So the result
 * does not depend on how the stream is cut into pieces.
 */
#include "tls/redact.h"

#include <string.h>

#include "tls/http2.h"
#include "tls/http2_walk.h"
#include "tls/mask.h"
#include "tls/rules.h"
#include "tls/text.h"

struct ss_tls_redact {
	struct ss_tls_rules rules;
	uint64_t masked; /* bytes */
};

enum kind {
	UNDECIDED,
	TEXT,
	HTTP2,
};

struct ss_tls_redact_stream {
	struct ss_tls_redact *redact;
	enum kind kind;
	bool is_http2; /* the caller says so */
	uint64_t base,
		seen; /* positions: of the next piece, after the last byte that was scanned */
	struct ss_text *text;
	struct ss_http2_walk *walk;
	uint8_t first[SS_HTTP2_PREFACE_SIZE]; /* while undecided */
	uint32_t first_length;
};

int ss_tls_redact_new(const char *path, struct ss_tls_redact **ret_redact, struct ss_error *error)
{
	struct ss_tls_redact *redact = g_new0(struct ss_tls_redact, 1);
	int r = ss_tls_rules_init(&redact->rules, path, error);

	if (r < 0) {
		g_free(redact);
		return r;
	}
	*ret_redact = redact;
	return 0;
}

void ss_tls_redact_free(struct ss_tls_redact *redact)
{
	if (!redact)
		return;
	ss_tls_rules_deinit(&redact->rules);
	g_free(redact);
}

struct ss_tls_redact_stream *ss_tls_redact_stream_new(struct ss_tls_redact *redact)
{
	struct ss_tls_redact_stream *stream = g_new0(struct ss_tls_redact_stream, 1);

	stream->redact = redact;
	return stream;
}

void ss_tls_redact_stream_free(struct ss_tls_redact_stream *stream)
{
	if (!stream)
		return;
	ss_text_free(stream->text);
	ss_http2_walk_free(stream->walk);
	explicit_bzero(stream, sizeof(*stream));
	g_free(stream);
}

void ss_tls_redact_stream_http2(struct ss_tls_redact_stream *stream)
{
	stream->is_http2 = true;
}

void ss_tls_redact_stream_gap(struct ss_tls_redact_stream *stream)
{
	if (stream->walk)
		ss_http2_walk_forget(stream->walk);
}

static void scan(struct ss_tls_redact_stream *stream, struct ss_mask *mask, uint64_t position,
		 uint8_t byte)
{
	if (stream->kind == HTTP2)
		ss_http2_walk_byte(stream->walk, mask, position, byte);
	else
		ss_text_byte(stream->text, mask, position, byte);
}

/* What the stream is; UNDECIDED while more bytes may tell. */
static enum kind decide(const struct ss_tls_redact_stream *stream, bool *ret_preface)
{
	uint32_t length = stream->first_length;
	struct ss_http2_frame frame;

	*ret_preface = false;
	if (!memcmp(stream->first, SS_HTTP2_PREFACE, length)) {
		*ret_preface = true;
		return length == SS_HTTP2_PREFACE_SIZE ? HTTP2 : UNDECIDED;
	}
	if (stream->first[0]) /* no frame is that long */
		return TEXT;
	if (length < SS_HTTP2_FRAME_HEADER_SIZE)
		return UNDECIDED;
	frame = ss_http2_frame_read(stream->first);
	return ss_http2_frame_plausible(&frame) ? HTTP2 : TEXT;
}

static void begin(struct ss_tls_redact_stream *stream, struct ss_mask *mask, uint64_t position,
		  uint8_t byte)
{
	const struct ss_tls_rules *rules = &stream->redact->rules;
	enum kind kind;
	bool preface;

	stream->first[stream->first_length++] = byte;
	kind = decide(stream, &preface);
	if (kind == UNDECIDED)
		return;
	if (kind == HTTP2 || stream->is_http2)
		stream->walk = ss_http2_walk_new(rules, preface, kind != HTTP2);
	else
		stream->text = ss_text_new(rules);
	stream->kind = stream->walk ? HTTP2 : TEXT;
	for (uint32_t i = 0; i < stream->first_length; i++)
		scan(stream, mask, position + 1 - stream->first_length + i, stream->first[i]);
}

/* Nothing is waited for. */
static void settle(struct ss_tls_redact_stream *stream, struct ss_mask *mask)
{
	if (stream->kind == HTTP2)
		ss_http2_walk_settle(stream->walk, mask, stream->seen);
	else if (stream->kind == TEXT)
		ss_text_settle(stream->text, mask, stream->seen);
}

static uint64_t hold(const struct ss_tls_redact_stream *stream)
{
	switch (stream->kind) {
	case HTTP2:
		return ss_http2_walk_hold(stream->walk);
	case TEXT:
		return ss_text_hold(stream->text);
	default:
		return stream->seen - stream->first_length;
	}
}

size_t ss_tls_redact_run(struct ss_tls_redact_stream *stream, uint8_t *data, size_t length,
			 bool end)
{
	struct ss_mask mask = {data, stream->base, stream->base + length, 0};
	uint64_t final = mask.end;

	for (; stream->seen < mask.end; stream->seen++) {
		uint8_t byte = data[stream->seen - mask.base];

		if (stream->kind == UNDECIDED)
			begin(stream, &mask, stream->seen, byte);
		else
			scan(stream, &mask, stream->seen, byte);
	}
	if (end)
		settle(stream, &mask);
	else
		final = CLAMP(hold(stream), mask.base, mask.end);
	stream->base = final;
	stream->redact->masked += mask.masked;
	return final - mask.base;
}

uint64_t ss_tls_redact_count(const struct ss_tls_redact *redact)
{
	return redact->masked;
}
