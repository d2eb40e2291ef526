/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a block to its TCP segment, layer by layer; every layer takes its header off the cursor and
 * cuts it to what the header says, so padding behind the packet is gone. Runs for every captured
 * frame. Surprising: a packet that the kernel will segment, or has merged, may be longer than its
 * length field can say; then the field is 0 and the frame's own length counts.
 */
#include "tls/packet.h"

#include "format/pcapng.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

#define PROTOCOL_TCP      6
#define PROTOCOL_HOP      0 /* IPv6 extension headers */
#define PROTOCOL_ROUTING  43
#define PROTOCOL_FRAGMENT 44
#define PROTOCOL_AUTH     51
#define PROTOCOL_OPTIONS  60

#define VLAN_TAGS_MAX      4
#define EXTENSION_MAX      8
#define FRAGMENT_OFFSET    0x1fff /* IPv4, in units of 8 bytes */
#define FRAGMENT_OFFSET_V6 0xfff8
#define IPV4_HEADER_MIN    20u
#define TCP_HEADER_MIN     20u

/* What is left of a frame: captured bytes, and their number on the wire. */
struct rest {
	struct ss_cursor data;
	uint32_t length;
};

static bool skip(struct rest *rest, uint32_t length)
{
	if (length > rest->length || ss_cursor_skip(&rest->data, length) < 0)
		return false;
	rest->length -= length;
	return true;
}

/* The layer's own length, if it tells one. */
static void cut(struct rest *rest, uint32_t length)
{
	if (length == 0 || length >= rest->length)
		return;
	rest->length = length;
	rest->data.length = MIN(rest->data.length, length);
}

bool ss_tls_block_read(struct ss_cursor block, struct ss_tls_block *ret_block)
{
	uint32_t type, size, id, high, low, captured, original;
	struct ss_cursor frame;

	if (ss_cursor_u32(&block, &type) < 0 || type != SS_PCAPNG_EPB ||
	    ss_cursor_u32(&block, &size) < 0 || ss_cursor_u32(&block, &id) < 0 ||
	    ss_cursor_u32(&block, &high) < 0 || ss_cursor_u32(&block, &low) < 0 ||
	    ss_cursor_u32(&block, &captured) < 0 || ss_cursor_u32(&block, &original) < 0 ||
	    ss_cursor_part(&block, captured, &frame) < 0)
		return false;
	*ret_block = (struct ss_tls_block){
		.interface_id = id,
		.time_ns = (uint64_t)high << 32 | low,
		.frame = frame,
		.original = MAX(original, captured),
	};
	return true;
}

static bool read_tcp(struct rest *rest, struct ss_tls_packet *packet)
{
	struct ss_cursor header = rest->data;
	uint32_t offset;
	uint8_t byte;

	if (ss_cursor_be16(&header, &packet->source.port) < 0 ||
	    ss_cursor_be16(&header, &packet->destination.port) < 0 ||
	    ss_cursor_be32(&header, &packet->sequence) < 0 ||
	    ss_cursor_be32(&header, &packet->acknowledgement) < 0 ||
	    ss_cursor_u8(&header, &byte) < 0 || ss_cursor_u8(&header, &packet->flags) < 0)
		return false;
	offset = (byte >> 4) * 4u;
	if (offset < TCP_HEADER_MIN || offset > rest->length)
		return false;
	packet->tcp = rest->data.data;
	rest->length -= offset;
	ss_cursor_skip(&rest->data, MIN(offset, rest->data.length));
	if (packet->flags & SS_TCP_SYN)
		packet->sequence++;
	packet->payload = rest->data;
	packet->length = rest->length;
	return true;
}

static void map_ipv4(struct ss_tls_address *address, const uint8_t *bytes)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(address->bytes, prefix, sizeof(prefix));
	memcpy(address->bytes + sizeof(prefix), bytes, 4);
}

static bool read_ipv4(struct rest *rest, struct ss_tls_packet *packet)
{
	const uint8_t *header;
	struct ss_cursor data = rest->data;
	uint32_t length;

	if (ss_cursor_bytes(&data, IPV4_HEADER_MIN, &header) < 0 || header[0] >> 4 != 4 ||
	    header[9] != PROTOCOL_TCP || ((header[6] << 8 | header[7]) & FRAGMENT_OFFSET))
		return false;
	length = (header[0] & 15) * 4u;
	cut(rest, (uint32_t)header[2] << 8 | header[3]);
	if (length < IPV4_HEADER_MIN || !skip(rest, length))
		return false;
	packet->ip = header;
	map_ipv4(&packet->source, header + 12);
	map_ipv4(&packet->destination, header + 16);
	return read_tcp(rest, packet);
}

/* Takes one extension header off; false: none that we know, or a later fragment. */
static bool read_extension(struct rest *rest, uint8_t *protocol)
{
	struct ss_cursor data = rest->data;
	const uint8_t *header;
	uint32_t length;

	if (ss_cursor_bytes(&data, 8, &header) < 0)
		return false;
	switch (*protocol) {
	case PROTOCOL_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_OPTIONS:
		length = (header[1] + 1) * 8u;
		break;
	case PROTOCOL_AUTH:
		length = (header[1] + 2) * 4u;
		break;
	case PROTOCOL_FRAGMENT:
		if ((header[2] << 8 | header[3]) & FRAGMENT_OFFSET_V6)
			return false;
		length = 8;
		break;
	default:
		return false;
	}
	*protocol = header[0];
	return skip(rest, length);
}

static bool read_ipv6(struct rest *rest, struct ss_tls_packet *packet)
{
	const uint8_t *header;
	struct ss_cursor data = rest->data;
	uint8_t protocol;

	if (ss_cursor_bytes(&data, 40, &header) < 0 || header[0] >> 4 != 6 || !skip(rest, 40))
		return false;
	cut(rest, (uint32_t)header[4] << 8 | header[5]);
	packet->ip = header;
	memcpy(packet->source.bytes, header + 8, 16);
	memcpy(packet->destination.bytes, header + 24, 16);
	protocol = header[6];
	for (unsigned i = 0; i < EXTENSION_MAX && protocol != PROTOCOL_TCP; i++) {
		if (!read_extension(rest, &protocol))
			return false;
	}
	return protocol == PROTOCOL_TCP && read_tcp(rest, packet);
}

static bool read_ip(struct rest *rest, struct ss_tls_packet *packet)
{
	if (!rest->data.length)
		return false;
	return rest->data.data[0] >> 4 == 4 ? read_ipv4(rest, packet) : read_ipv6(rest, packet);
}

static bool is_vlan(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static bool read_ethernet(struct rest *rest, struct ss_tls_packet *packet)
{
	struct ss_cursor peek;
	uint16_t type;

	if (!skip(rest, 12))
		return false;
	peek = rest->data;
	if (ss_cursor_be16(&peek, &type) < 0)
		return false;
	for (unsigned i = 0; i < VLAN_TAGS_MAX && is_vlan(type); i++) {
		if (!skip(rest, 4))
			return false;
		peek = rest->data;
		if (ss_cursor_be16(&peek, &type) < 0)
			return false;
	}
	if (!skip(rest, 2))
		return false;
	if (type == ETHERTYPE_IPV4)
		return read_ipv4(rest, packet);
	return type == ETHERTYPE_IPV6 && read_ipv6(rest, packet);
}

bool ss_tls_packet_read(struct ss_cursor frame, uint32_t original, uint16_t link_type,
			struct ss_tls_packet *ret_packet)
{
	struct rest rest = {frame, original};

	switch (link_type) {
	case SS_LINKTYPE_ETHERNET:
		return read_ethernet(&rest, ret_packet);
	case SS_LINKTYPE_RAW:
		return read_ip(&rest, ret_packet);
	default:
		return false;
	}
}
