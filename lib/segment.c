/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP over IPv4 and IPv6 in packet blocks. Nothing is trusted but the length of the block.
 *
 * Checksums are adjusted by what changed (RFC 1624). Frames that never left the machine have only
 * the sum of the pseudo header where the network card would have put the checksum; that is
 * recognised by its value and replaced by the sum of the new pseudo header.
 */
#include "segment.h"

#include <string.h>

#include "cursor.h"
#include "format/metadata.h"
#include "format/pcapng.h"
#include "output/block.h"

#define IPV6_SIZE        40
#define PROTOCOL_TCP     6
#define TCP_CHECKSUM     16
#define TCP_LEAST        18 /* up to the checksum, behind which nothing is needed */
#define TLS_HANDSHAKE    22
#define TLS_CLIENT_HELLO 1

static uint16_t get_be16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put_be16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

/* Neither a fragment nor behind extension headers. */
static bool is_plain(const struct ss_transport *packet, bool ipv6)
{
	return ipv6 ? packet->tcp == packet->ip + IPV6_SIZE : !packet->is_fragment;
}

bool ss_segment_find(void *block, size_t length, uint16_t link_type, struct ss_segment *ret_segment)
{
	uint8_t *bytes = block, *options, *end;
	struct ss_transport packet;
	uint32_t captured;
	bool ipv6;

	if (length < SS_EPB_HEADER_SIZE + SS_EPB_TRAILER_SIZE ||
	    !ss_transport_read_tcp(ss_cursor(block, length), link_type, &packet))
		return false;
	captured = ss_block_word(bytes + 20);
	ipv6 = packet.ip[0] >> 4 == 6;
	end = bytes + length - SS_EPB_TRAILER_SIZE;
	options = bytes + SS_EPB_HEADER_SIZE + (captured + 3) / 4 * 4;
	if (!is_plain(&packet, ipv6) || options > end ||
	    packet.tcp + TCP_LEAST > bytes + SS_EPB_HEADER_SIZE + captured)
		return false;
	*ret_segment = (struct ss_segment){
		.source = packet.source,
		.destination = packet.destination,
		.sequence = packet.sequence - (packet.flags & SS_SEGMENT_SYN ? 1 : 0),
		.acknowledgement = packet.acknowledgement,
		.length = packet.length,
		.flags = packet.flags,
		.ipv6 = ipv6,
		.payload = packet.payload.data,
		.captured = packet.payload.length,
		.ip = bytes + (packet.ip - bytes),
		.tcp = bytes + (packet.tcp - bytes),
		.options = options,
		.options_length = (size_t)(end - options),
	};
	return true;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

static uint32_t sum_words(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += get_be16(bytes + i);
	return sum;
}

/* The new value of a checksum when words with this sum are replaced by ones with that sum. */
static uint16_t adjust(uint16_t checksum, uint32_t before, uint32_t after)
{
	return (uint16_t)~fold((uint16_t)~checksum + (uint16_t)~fold(before) +
			       (uint32_t)fold(after));
}

static uint16_t pseudo_header(const struct ss_segment *segment, uint32_t length)
{
	uint32_t addresses =
		segment->ipv6 ? sum_words(segment->ip + 8, 32) : sum_words(segment->ip + 12, 8);

	return fold(addresses + PROTOCOL_TCP + (length >> 16) + (length & 0xffff));
}

void ss_segment_readdress(struct ss_segment *segment, const struct ss_endpoint *destination)
{
	size_t size = segment->ipv6 ? 16 : 4;
	uint8_t *address = segment->ip + (segment->ipv6 ? 24 : 16), *tcp = segment->tcp;
	uint32_t length = (tcp[12] >> 4) * 4u + segment->length;
	uint16_t checksum = get_be16(tcp + TCP_CHECKSUM);
	bool partial = checksum == pseudo_header(segment, length);
	uint32_t before = sum_words(address, size), after;

	memcpy(address, destination->address + sizeof(destination->address) - size, size);
	after = sum_words(address, size);
	if (!segment->ipv6)
		put_be16(segment->ip + 10, adjust(get_be16(segment->ip + 10), before, after));
	if (partial)
		checksum = pseudo_header(segment, length);
	else
		checksum = adjust(checksum, before + get_be16(tcp + 2), after + destination->port);
	put_be16(tcp + 2, destination->port);
	put_be16(tcp + TCP_CHECKSUM, checksum);
	segment->destination = *destination;
}

/* The value of a block's first option of this code. */
static bool find_option(const struct ss_segment *segment, uint16_t wanted,
			struct ss_cursor *ret_value)
{
	struct ss_cursor options = ss_cursor(segment->options, segment->options_length);
	uint16_t code, length;

	while (ss_cursor_u16(&options, &code) == 0 && ss_cursor_u16(&options, &length) == 0 &&
	       code != SS_OPT_END) {
		struct ss_cursor value;

		if (ss_cursor_part(&options, length, &value) < 0 ||
		    ss_cursor_skip(&options, -(size_t)length & 3) < 0)
			return false;
		if (code == wanted) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* The direction and the padding behind it, in whose place the port of a redirect goes: such a frame
 * is on lo, where there is one direction only. */
static const uint8_t *find_room(struct ss_cursor tlvs)
{
	const uint8_t *start;
	uint8_t type, length, after;

	while (start = tlvs.data, ss_cursor_u8(&tlvs, &type) == 0) {
		if (type == SS_METADATA_PAD)
			continue;
		if (type == SS_METADATA_REDIRECT || ss_cursor_u8(&tlvs, &length) < 0 ||
		    ss_cursor_skip(&tlvs, length) < 0)
			return NULL;
		if (type == SS_METADATA_DIRECTION && length == 1)
			return ss_cursor_u8(&tlvs, &after) == 0 && after == SS_METADATA_PAD ? start
											    : NULL;
	}
	return NULL;
}

void ss_segment_name_redirect(struct ss_segment *segment, uint16_t port)
{
	struct ss_cursor value;
	const uint8_t *place;
	uint8_t magic[2];
	uint32_t pen;
	uint8_t *to;

	if (!find_option(segment, SS_OPT_CUSTOM_BIN, &value) || ss_cursor_u32(&value, &pen) < 0 ||
	    pen != SS_METADATA_PEN || ss_cursor_copy(&value, sizeof(magic), magic) < 0 ||
	    magic[0] != SS_METADATA_MAGIC0 || magic[1] != SS_METADATA_MAGIC1)
		return;
	place = find_room(value);
	if (!place)
		return;
	to = segment->options + (place - segment->options);
	to[0] = SS_METADATA_REDIRECT;
	to[1] = SS_REDIRECT_SIZE;
	to[2] = (uint8_t)port;
	to[3] = (uint8_t)(port >> 8);
}

bool ss_segment_is_client_hello(const struct ss_segment *segment)
{
	return segment->captured >= 6 && segment->payload[0] == TLS_HANDSHAKE &&
	       segment->payload[1] == 3 && segment->payload[5] == TLS_CLIENT_HELLO;
}

bool ss_segment_is_after_loss(const struct ss_segment *segment)
{
	struct ss_cursor value;

	return find_option(segment, SS_EPB_DROPCOUNT, &value);
}
