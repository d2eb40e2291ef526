/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a block to its payload, layer by layer; every layer takes its header off, and cuts the rest
 * to what the header says. Nothing is trusted but the length of the block. What could surprise: a
 * packet that the kernel will segment, or has merged, may be longer than its length field can say;
 * then the field is 0 and the frame's own length counts.
 */
#include "transport.h"

#include <netinet/in.h>
#include <string.h>

#include "format/pcapng.h"
#include "output/block.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define VLAN_TAGS_MAX  4

#define IPV4_SIZE      20u
#define IPV6_SIZE      40u
#define TCP_SIZE       20u
#define TCP_LEAST      14u /* with the flags; what follows may not have been captured */
#define UDP_SIZE       8u
#define ICMP_SIZE      8u /* of an error, before the packet that it quotes */
#define EXTENSIONS_MAX 8

#define ICMP_UNREACHABLE   3
#define ICMPV6_UNREACHABLE 1

/* What is left of a frame: captured bytes, and their number on the wire. */
struct rest {
	struct ss_cursor data;
	uint32_t length;
};

static uint16_t be16_at(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t be32_at(const uint8_t *bytes)
{
	return (uint32_t)be16_at(bytes) << 16 | be16_at(bytes + 2);
}

/* The header at the front, if it was captured whole. */
static const uint8_t *peek(const struct rest *rest, uint32_t length)
{
	return length <= rest->length && length <= rest->data.length ? rest->data.data : NULL;
}

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

static bool read_ip(struct rest *rest, struct ss_transport *transport);

static bool read_ports(struct rest *rest, struct ss_transport *transport)
{
	const uint8_t *ports = peek(rest, 4);

	if (!ports)
		return false;
	transport->source.port = be16_at(ports);
	transport->destination.port = be16_at(ports + 2);
	return true;
}

static bool read_tcp(struct rest *rest, struct ss_transport *transport)
{
	const uint8_t *header = peek(rest, transport->is_error ? TCP_SIZE : TCP_LEAST);
	uint32_t size;

	if (!header)
		return transport->is_error; /* quotes have 8 bytes at least */
	size = (header[12] >> 4) * 4u;
	if (size < TCP_SIZE || size > rest->length)
		return false;
	transport->tcp = header;
	transport->flags = header[13];
	transport->acknowledgement = be32_at(header + 8);
	transport->sequence = be32_at(header + 4) + !!(header[13] & SS_SEGMENT_SYN);
	rest->length -= size;
	return ss_cursor_skip(&rest->data, MIN(size, rest->data.length)) == 0;
}

static bool read_udp(struct rest *rest, const struct ss_transport *transport)
{
	const uint8_t *header = peek(rest, UDP_SIZE);

	if (!header)
		return false;
	if (!transport->is_fragment)
		cut(rest, be16_at(header + 4));
	return skip(rest, UDP_SIZE);
}

/* The packet that an error quotes was sent by who gets the error. */
static bool read_error(struct rest *rest, struct ss_transport *transport, uint8_t unreachable)
{
	const uint8_t *header = peek(rest, ICMP_SIZE);

	if (!header || header[0] != unreachable || transport->is_error)
		return false;
	transport->is_error = true;
	return skip(rest, ICMP_SIZE) && read_ip(rest, transport);
}

static bool read_protocol(struct rest *rest, uint8_t protocol, struct ss_transport *transport)
{
	transport->protocol = protocol;
	if (transport->is_later)
		return protocol == IPPROTO_UDP;
	switch (protocol) {
	case IPPROTO_TCP:
		return read_ports(rest, transport) && read_tcp(rest, transport);
	case IPPROTO_UDP:
		return read_ports(rest, transport) && read_udp(rest, transport);
	case IPPROTO_ICMP:
		return read_error(rest, transport, ICMP_UNREACHABLE);
	case IPPROTO_ICMPV6:
		return read_error(rest, transport, ICMPV6_UNREACHABLE);
	default:
		return false;
	}
}

static void map_ipv4(struct ss_endpoint *endpoint, const uint8_t *address)
{
	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->address[10] = endpoint->address[11] = 0xff;
	memcpy(endpoint->address + 12, address, 4);
}

static bool read_ipv4(struct rest *rest, struct ss_transport *transport)
{
	const uint8_t *header = peek(rest, IPV4_SIZE);
	uint32_t size;

	if (!header)
		return false;
	transport->ip = header;
	size = (header[0] & 15) * 4u;
	cut(rest, be16_at(header + 2));
	map_ipv4(&transport->source, header + 12);
	map_ipv4(&transport->destination, header + 16);
	transport->is_fragment = be16_at(header + 6) & 0x3fff;
	transport->is_later = be16_at(header + 6) & 0x1fff;
	transport->is_last = !(be16_at(header + 6) & 0x2000);
	transport->fragment_id = be16_at(header + 4);
	return size >= IPV4_SIZE && skip(rest, size) && read_protocol(rest, header[9], transport);
}

/* Takes one extension header off; false: none that we know. */
static bool read_extension(struct rest *rest, uint8_t *protocol, struct ss_transport *transport)
{
	const uint8_t *header = peek(rest, 8);
	uint32_t size = 8;

	if (!header)
		return false;
	switch (*protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		size = (header[1] + 1u) * 8;
		break;
	case IPPROTO_AH:
		size = (header[1] + 2u) * 4;
		break;
	case IPPROTO_FRAGMENT:
		transport->is_fragment = be16_at(header + 2) & 0xfff9;
		transport->is_later = be16_at(header + 2) & 0xfff8;
		transport->is_last = !(be16_at(header + 2) & 1);
		transport->fragment_id = be32_at(header + 4);
		break;
	default:
		return false;
	}
	*protocol = header[0];
	return skip(rest, size);
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_AH ||
	       protocol == IPPROTO_FRAGMENT;
}

static bool read_ipv6(struct rest *rest, struct ss_transport *transport)
{
	const uint8_t *header = peek(rest, IPV6_SIZE);
	uint8_t protocol;

	if (!header)
		return false;
	transport->ip = header;
	protocol = header[6];
	memset(&transport->source, 0, sizeof(transport->source));
	memset(&transport->destination, 0, sizeof(transport->destination));
	memcpy(transport->source.address, header + 8, 16);
	memcpy(transport->destination.address, header + 24, 16);
	if (be16_at(header + 4))
		cut(rest, IPV6_SIZE + be16_at(header + 4));
	if (!skip(rest, IPV6_SIZE))
		return false;
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(protocol) && !transport->is_later; i++)
		if (!read_extension(rest, &protocol, transport))
			return false;
	return read_protocol(rest, protocol, transport);
}

static bool read_ip(struct rest *rest, struct ss_transport *transport)
{
	if (!rest->data.length)
		return false;
	switch (rest->data.data[0] >> 4) {
	case 4:
		return read_ipv4(rest, transport);
	case 6:
		return read_ipv6(rest, transport);
	default:
		return false;
	}
}

static bool is_vlan(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static bool read_ethernet(struct rest *rest, struct ss_transport *transport)
{
	const uint8_t *type;

	if (!skip(rest, 12))
		return false;
	for (int i = 0; i <= VLAN_TAGS_MAX; i++) {
		type = peek(rest, 2);
		if (!type)
			return false;
		if (!is_vlan(be16_at(type)))
			break;
		if (!skip(rest, 4))
			return false;
	}
	if (be16_at(type) != ETHERTYPE_IPV4 && be16_at(type) != ETHERTYPE_IPV6)
		return false;
	return skip(rest, 2) && read_ip(rest, transport);
}

bool ss_transport_read(struct ss_cursor block, uint16_t link_type,
		       struct ss_transport *ret_transport)
{
	uint32_t type, size, high, low, captured, original;
	struct ss_transport transport = {0};
	struct rest rest;
	bool known;

	if (ss_cursor_u32(&block, &type) < 0 ||
	    (type != SS_PCAPNG_EPB && type != SS_BLOCK_LEFT_OUT) ||
	    ss_cursor_u32(&block, &size) < 0 ||
	    ss_cursor_u32(&block, &transport.interface_id) < 0 ||
	    ss_cursor_u32(&block, &high) < 0 || ss_cursor_u32(&block, &low) < 0 ||
	    ss_cursor_u32(&block, &captured) < 0 || ss_cursor_u32(&block, &original) < 0 ||
	    ss_cursor_part(&block, captured, &rest.data) < 0)
		return false;
	transport.time_ns = (uint64_t)high << 32 | low;
	rest.length = MAX(original, captured);
	known = link_type == SS_LINKTYPE_ETHERNET ? read_ethernet(&rest, &transport)
		: link_type == SS_LINKTYPE_RAW    ? read_ip(&rest, &transport)
						  : false;
	if (!known)
		return false;
	transport.payload = rest.data;
	transport.length = rest.length;
	*ret_transport = transport;
	return true;
}

bool ss_transport_read_tcp(struct ss_cursor block, uint16_t link_type,
			   struct ss_transport *ret_segment)
{
	return block.length >= 4 && ss_block_type(block.data) == SS_PCAPNG_EPB &&
	       ss_transport_read(block, link_type, ret_segment) &&
	       ret_segment->protocol == IPPROTO_TCP && !ret_segment->is_error;
}
