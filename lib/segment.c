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

#define ETHERNET_SIZE    14
#define ETHERTYPE_IPV4   0x0800
#define ETHERTYPE_IPV6   0x86dd
#define IPV4_SIZE        20
#define IPV6_SIZE        40
#define PROTOCOL_TCP     6
#define TCP_CHECKSUM     16
#define TCP_LEAST        18 /* up to the checksum, behind which nothing is needed */
#define TLS_HANDSHAKE    22
#define TLS_CLIENT_HELLO 1

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static uint16_t get_be16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t get_be32(const uint8_t *bytes)
{
	return (uint32_t)get_be16(bytes) << 16 | get_be16(bytes + 2);
}

static void put_be16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

/* Where the frame, the IP header of the link type, begins; NULL: it is not IP. */
static uint8_t *skip_link(uint8_t *frame, size_t length, uint16_t link_type)
{
	uint16_t type;

	if (link_type == SS_LINKTYPE_RAW)
		return frame;
	if (link_type != SS_LINKTYPE_ETHERNET || length < ETHERNET_SIZE)
		return NULL;
	type = get_be16(frame + ETHERNET_SIZE - 2);
	return type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6 ? frame + ETHERNET_SIZE : NULL;
}

/* Sets ip, ipv6 and tcp. sent: length of the IP packet by the link. Returns how much the IP header
 * says comes from the TCP header on, or 0. */
static uint32_t read_ip(struct ss_segment *segment, uint8_t *ip, size_t captured, uint32_t sent)
{
	uint32_t header, total;

	segment->ip = ip;
	if (captured >= IPV4_SIZE && ip[0] >> 4 == 4) {
		header = (ip[0] & 0xfu) * 4;
		total = get_be16(ip + 2) ? get_be16(ip + 2) : sent; /* 0: more than 64 KiB */
		if (header < IPV4_SIZE || ip[9] != PROTOCOL_TCP || get_be16(ip + 6) & 0x3fff)
			return 0;
	} else if (captured >= IPV6_SIZE && ip[0] >> 4 == 6) {
		header = IPV6_SIZE;
		total = get_be16(ip + 4) ? header + get_be16(ip + 4) : sent;
		if (ip[6] != PROTOCOL_TCP)
			return 0;
		segment->ipv6 = true;
	} else {
		return 0;
	}
	if (captured < header + TCP_LEAST || total < header)
		return 0;
	segment->tcp = ip + header;
	return total - header;
}

static void read_endpoint(struct ss_endpoint *endpoint, const uint8_t *address, bool ipv6,
			  const uint8_t *port)
{
	if (ipv6) {
		memcpy(endpoint->address, address, 16);
	} else {
		memcpy(endpoint->address, mapped_prefix, sizeof(mapped_prefix));
		memcpy(endpoint->address + sizeof(mapped_prefix), address, 4);
	}
	endpoint->port = get_be16(port);
}

static bool read_tcp(struct ss_segment *segment, size_t captured, uint32_t sent)
{
	uint32_t header = (segment->tcp[12] >> 4) * 4u;
	const uint8_t *ip = segment->ip, *tcp = segment->tcp;

	if (header < 20 || header > sent)
		return false;
	read_endpoint(&segment->source, segment->ipv6 ? ip + 8 : ip + 12, segment->ipv6, tcp);
	read_endpoint(&segment->destination, segment->ipv6 ? ip + 24 : ip + 16, segment->ipv6,
		      tcp + 2);
	segment->sequence = get_be32(tcp + 4);
	segment->acknowledgement = get_be32(tcp + 8);
	segment->flags = tcp[13];
	segment->length = sent - header;
	if (captured > header) {
		segment->payload = tcp + header;
		segment->captured = MIN(captured - header, segment->length);
	}
	return true;
}

bool ss_segment_find(void *block, size_t length, uint16_t link_type, struct ss_segment *ret_segment)
{
	struct ss_cursor cursor = ss_cursor(block, length);
	uint32_t type, captured, original, sent;
	struct ss_segment segment = {0};
	uint8_t *frame, *ip;

	if (length < SS_EPB_HEADER_SIZE + SS_EPB_TRAILER_SIZE ||
	    ss_cursor_u32(&cursor, &type) < 0 || type != SS_PCAPNG_EPB ||
	    ss_cursor_skip(&cursor, 16) < 0 || ss_cursor_u32(&cursor, &captured) < 0 ||
	    ss_cursor_u32(&cursor, &original) < 0)
		return false;
	cursor.length -= SS_EPB_TRAILER_SIZE;
	if (ss_cursor_skip(&cursor, captured) < 0 ||
	    ss_cursor_skip(&cursor, -(size_t)captured & 3) < 0 || original < captured)
		return false;
	frame = (uint8_t *)block + SS_EPB_HEADER_SIZE;
	segment.options_length = cursor.length;
	segment.options = (uint8_t *)block + length - SS_EPB_TRAILER_SIZE - cursor.length;
	ip = skip_link(frame, captured, link_type);
	if (!ip)
		return false;
	sent = read_ip(&segment, ip, captured - (size_t)(ip - frame),
		       original - (uint32_t)(ip - frame));
	if (!sent || !read_tcp(&segment, captured - (size_t)(segment.tcp - frame), sent))
		return false;
	*ret_segment = segment;
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
