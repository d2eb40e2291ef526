/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of lib/tls: TCP segments as packet blocks, TLS messages to put into them. */
#ifndef SS_TESTS_TLS_FRAMES_H
#define SS_TESTS_TLS_FRAMES_H

#include <string.h>

#include <glib.h>

#include "blocks.h"
#include "format/tls.h"
#include "transport.h"

static inline GByteArray *from_hex(const char *hex)
{
	GByteArray *bytes = g_byte_array_new();

	for (; g_ascii_isxdigit(hex[0]) && g_ascii_isxdigit(hex[1]); hex += 2) {
		guint8 byte =
			(guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));

		g_byte_array_append(bytes, &byte, 1);
	}
	return bytes;
}

static inline struct ss_cursor all_of(const GByteArray *bytes)
{
	return ss_cursor(bytes->data, bytes->len);
}

static inline void put8(GByteArray *bytes, unsigned value)
{
	guint8 byte = (guint8)value;

	g_byte_array_append(bytes, &byte, 1);
}

static inline void put16(GByteArray *bytes, unsigned value)
{
	put8(bytes, value >> 8);
	put8(bytes, value);
}

static inline void put32(GByteArray *bytes, uint32_t value)
{
	put16(bytes, value >> 16);
	put16(bytes, value);
}

static inline void put_all(GByteArray *bytes, struct ss_cursor data)
{
	g_byte_array_append(bytes, data.data, (guint)data.length);
}

/* One end of a segment's connection. */
struct segment {
	uint32_t interface_id;
	bool ipv6, vlan;
	uint32_t source, destination; /* the last bytes of the addresses */
	uint16_t source_port, destination_port;
	uint32_t sequence, acknowledgement;
	uint8_t flags;
	struct ss_cursor payload;
	uint32_t cut; /* bytes of the frame that were not captured */
};

/* The frame, beginning with its Ethernet header. */
static inline GByteArray *segment_frame(const struct segment *segment)
{
	GByteArray *frame = g_byte_array_new();
	uint32_t length = 20 + (uint32_t)segment->payload.length;
	static const guint8 zeros[12];

	g_byte_array_append(frame, zeros, 12);
	if (segment->vlan)
		put32(frame, 0x81000007);
	if (segment->ipv6) {
		put16(frame, 0x86dd);
		put32(frame, 6u << 28);
		put16(frame, length);
		put16(frame, 6 << 8 | 64);
		for (unsigned i = 0; i < 2; i++) {
			put32(frame, 0xfd000000);
			put32(frame, 0);
			put32(frame, 0);
			put32(frame, i ? segment->destination : segment->source);
		}
	} else {
		put16(frame, 0x0800);
		put16(frame, 0x4500);
		put16(frame, 20 + length);
		put32(frame, 0);
		put32(frame, 64u << 24 | 6u << 16);
		put32(frame, segment->source);
		put32(frame, segment->destination);
	}
	put16(frame, segment->source_port);
	put16(frame, segment->destination_port);
	put32(frame, segment->sequence);
	put32(frame, segment->acknowledgement);
	put16(frame, 5u << 12 | segment->flags);
	put16(frame, 1000);
	put32(frame, 0);
	put_all(frame, segment->payload);
	return frame;
}

static inline void put_block(GByteArray *blocks, uint32_t interface_id, uint64_t time_ns,
			     struct ss_cursor frame, uint32_t cut)
{
	uint32_t captured = (uint32_t)frame.length - cut, padded = (captured + 3) & ~3u;
	guint start;

	put_word(blocks, SS_PCAPNG_EPB);
	put_word(blocks, 32 + padded);
	put_word(blocks, interface_id);
	put_word(blocks, (uint32_t)(time_ns >> 32));
	put_word(blocks, (uint32_t)time_ns);
	put_word(blocks, captured);
	put_word(blocks, (uint32_t)frame.length);
	start = blocks->len;
	g_byte_array_append(blocks, frame.data, captured);
	g_byte_array_set_size(blocks, start + padded);
	memset(blocks->data + start + captured, 0, padded - captured);
	put_word(blocks, 32 + padded);
}

static inline void put_segment(GByteArray *blocks, const struct segment *segment)
{
	g_autoptr(GByteArray) frame = segment_frame(segment);

	put_block(blocks, segment->interface_id, 1000, all_of(frame), segment->cut);
}

/* A TLS record around data, appended. */
static inline void put_tls_record(GByteArray *bytes, unsigned type, struct ss_cursor data)
{
	put8(bytes, type);
	put16(bytes, 0x0303);
	put16(bytes, (unsigned)data.length);
	put_all(bytes, data);
}

static inline void put_extension(GByteArray *bytes, unsigned type, struct ss_cursor value)
{
	put16(bytes, type);
	put16(bytes, (unsigned)value.length);
	put_all(bytes, value);
}

/* A handshake message around a body. */
static inline GByteArray *tls_message(unsigned type, const GByteArray *body)
{
	GByteArray *message = g_byte_array_new();

	put8(message, type);
	put8(message, body->len >> 16);
	put16(message, body->len);
	put_all(message, all_of(body));
	return message;
}

/* Of TLS 1.3, or 1.2; with SNI "api.test", ALPN "h2"; padded to be at least so long. */
static inline GByteArray *client_hello(const uint8_t *random, bool tls13, bool early,
				       unsigned padding)
{
	g_autoptr(GByteArray) body = g_byte_array_new();
	g_autoptr(GByteArray) extensions = g_byte_array_new();

	put16(body, 0x0303);
	g_byte_array_append(body, random, 32);
	put8(body, 0);
	put16(body, 2);
	put16(body, 0x1301);
	put16(body, 0x0100);
	put_extension(extensions, 0,
		      ss_cursor("\0\x0b\0\0\x08"
				"api.test",
				13));
	put_extension(extensions, 16, ss_cursor("\0\x03\x02h2", 5));
	if (tls13)
		put_extension(extensions, 43, ss_cursor("\x06\x7a\x7a\x03\x04\x03\x03", 7));
	if (early)
		put_extension(extensions, 42, ss_cursor(NULL, 0));
	if (padding) {
		g_autofree uint8_t *zeros = g_malloc0(padding);

		put_extension(extensions, 21, ss_cursor(zeros, padding));
	}
	put16(body, extensions->len);
	put_all(body, all_of(extensions));
	return tls_message(1, body);
}

static inline GByteArray *server_hello(const uint8_t *random, bool tls13, unsigned cipher)
{
	g_autoptr(GByteArray) body = g_byte_array_new();
	g_autoptr(GByteArray) extensions = g_byte_array_new();

	put16(body, 0x0303);
	g_byte_array_append(body, random, 32);
	put8(body, 0);
	put16(body, cipher);
	put8(body, 0);
	if (tls13)
		put_extension(extensions, 43, ss_cursor("\x03\x04", 2));
	else
		put_extension(extensions, 16, ss_cursor("\0\x09\x08http/1.1", 11));
	put16(body, extensions->len);
	put_all(body, all_of(extensions));
	return tls_message(2, body);
}

static inline struct ss_tls_kdf kdf_record(enum ss_tls_kdf_kind kind, struct ss_cursor key,
					   const char *label, struct ss_cursor context,
					   struct ss_cursor out)
{
	struct ss_tls_kdf kdf = {
		.head = {.type = SS_TLS_RECORD_KDF,
			 .size = sizeof(kdf),
			 .pid = 4711,
			 .tid = 4712,
			 .library = 7},
		.kind = (uint8_t)kind,
		.key_length = (uint8_t)MIN(key.length, sizeof(kdf.key)),
		.label_length = (uint8_t)(label ? MIN(strlen(label), sizeof(kdf.label)) : 0),
		.context_length = (uint8_t)MIN(context.length, sizeof(kdf.context)),
		.out_length = (uint8_t)MIN(out.length, sizeof(kdf.out)),
	};

	if (key.length)
		memcpy(kdf.key, key.data, kdf.key_length);
	if (label)
		memcpy(kdf.label, label, kdf.label_length);
	if (context.length)
		memcpy(kdf.context, context.data, kdf.context_length);
	if (out.length)
		memcpy(kdf.out, out.data, kdf.out_length);
	return kdf;
}

#endif
