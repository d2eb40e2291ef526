/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS messages and the frames that carry them, made by hand. */
#ifndef DNS_FRAMES_H
#define DNS_FRAMES_H

#include <arpa/inet.h>
#include <string.h>

#include <glib.h>

#include "blocks.h"
#include "format/metadata.h"
#include "output/block.h"

static inline void dns_put(GByteArray *bytes, uint32_t value, unsigned size)
{
	for (unsigned i = size; i-- > 0;) {
		guint8 byte = (guint8)(value >> 8 * i);

		g_byte_array_append(bytes, &byte, 1);
	}
}

struct dns {
	uint16_t id;
	bool answer, truncated;
	uint16_t rcode;   /* above 15: with an OPT record */
	const char *name; /* without the last dot; NULL: no question */
	uint16_t type;
};

/* Labels and a class; "." is the root. */
static inline void dns_put_name(GByteArray *bytes, const char *name)
{
	g_auto(GStrv) labels = g_strsplit(name, ".", -1);

	for (char **label = labels; *label; label++) {
		if (!**label)
			continue;
		dns_put(bytes, (uint32_t)strlen(*label), 1);
		g_byte_array_append(bytes, (const guint8 *)*label, (guint)strlen(*label));
	}
	dns_put(bytes, 0, 1);
}

static inline GByteArray *dns_message(const struct dns *dns)
{
	GByteArray *bytes = g_byte_array_new();
	bool edns = dns->rcode > 15;

	dns_put(bytes, dns->id, 2);
	dns_put(bytes,
		(dns->answer ? 0x8080u : 0) | 0x100u | (dns->truncated ? 0x200u : 0) |
			(dns->rcode & 15u),
		2);
	dns_put(bytes, dns->name ? 1 : 0, 2);
	dns_put(bytes, 0, 4);
	dns_put(bytes, edns, 2);
	if (dns->name) {
		dns_put_name(bytes, dns->name);
		dns_put(bytes, dns->type, 2);
		dns_put(bytes, 1, 2);
	}
	if (edns) {
		dns_put(bytes, 0, 1);
		dns_put(bytes, 41, 2);
		dns_put(bytes, 1232, 2);
		dns_put(bytes, (uint32_t)(dns->rcode >> 4) << 24, 4);
		dns_put(bytes, 0, 2);
	}
	return bytes;
}

/* A frame of UDP, or of TCP when flags are given. */
struct packet {
	const char *from, *to; /* addresses */
	uint16_t from_port, to_port;
	uint32_t interface_id;
	uint64_t time_ns;
	uint32_t sequence, acknowledgement;
	uint8_t flags;
	bool raw; /* no Ethernet header */
	const uint8_t *payload;
	size_t length;
	uint16_t fragment; /* the fragment field of IPv4 */
	uint16_t fragment_id;
	uint8_t protocol; /* 0: as above */
	size_t captured;  /* of the payload; 0: all */
};

static inline void dns_put_packet(GByteArray *frame, const struct packet *packet)
{
	bool six = strchr(packet->from, ':');
	uint8_t protocol = packet->protocol ? packet->protocol : packet->flags ? 6 : 17;
	bool later = packet->fragment & 0x1fff;
	size_t header = later ? 0 : protocol == 6 ? 20 : protocol == 17 ? 8 : 0;
	uint8_t addresses[32];

	inet_pton(six ? AF_INET6 : AF_INET, packet->from, addresses);
	inet_pton(six ? AF_INET6 : AF_INET, packet->to, addresses + (six ? 16 : 4));
	if (!packet->raw) {
		dns_put(frame, 0, 4);
		dns_put(frame, 0, 4);
		dns_put(frame, 0, 4);
		dns_put(frame, six ? 0x86dd : 0x0800, 2);
	}
	if (six) {
		dns_put(frame, 0x60000000, 4);
		dns_put(frame, (uint32_t)(header + packet->length), 2);
		dns_put(frame, (uint32_t)protocol << 8 | 64, 2);
	} else {
		dns_put(frame, 0x45000000 | (uint32_t)(20 + header + packet->length), 4);
		dns_put(frame, (uint32_t)packet->fragment_id << 16 | packet->fragment, 4);
		dns_put(frame, 0x40000000u | (uint32_t)protocol << 16, 4);
	}
	g_byte_array_append(frame, addresses, six ? 32 : 8);
	if (header) {
		dns_put(frame, packet->from_port, 2);
		dns_put(frame, packet->to_port, 2);
	}
	if (header == 20) {
		dns_put(frame, packet->sequence, 4);
		dns_put(frame, packet->acknowledgement, 4);
		dns_put(frame, 0x50000000u | (uint32_t)packet->flags << 16 | 512, 4);
		dns_put(frame, 0, 4);
	} else if (header == 8) {
		dns_put(frame, (uint32_t)(8 + packet->length), 2);
		dns_put(frame, 0, 2);
	}
	if (packet->length)
		g_byte_array_append(frame, packet->payload, (guint)packet->length);
}

/* The whole block, as the kernel writes it; returns where it begins. */
static inline guint dns_put_block(GByteArray *blocks, const struct packet *packet)
{
	static const uint8_t direction[] = {SS_METADATA_DIRECTION, 1, 1};
	g_autoptr(GByteArray) frame = g_byte_array_new();
	size_t cut = packet->captured ? packet->length - packet->captured : 0;
	guint start = blocks->len;
	uint32_t original;

	dns_put_packet(frame, packet);
	original = GUINT32_TO_LE(frame->len);
	ss_block_frame(blocks, &(struct ss_block_frame){
				       .interface_id = packet->interface_id,
				       .length = frame->len - (uint32_t)cut,
				       .time_ns = packet->time_ns,
				       .data = frame->data,
				       .metadata = direction,
				       .metadata_length = sizeof(direction),
			       });
	memcpy(blocks->data + start + 24, &original, sizeof(original));
	return start;
}

#endif
