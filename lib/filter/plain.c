/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk of walk.c on a stored frame, whose tags are all in its bytes. Where the two differ this
 * one is the stricter. */
#include "plain.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

#include <glib.h>

#include "format/pcapng.h"
#include "ports.h"

#define TAGS_MAX        2
#define ROUTER_ALERT    0x9404
#define ROUTER_ALERT_V6 0x0502
#define PAD_2           0x0100
#define HOP_BY_HOP_SIZE 8
#define FRAGMENT_MASK   0x3fff
#define ND_REDIRECT     137

struct frame {
	const uint8_t *bytes;
	size_t captured, at;
	size_t end; /* of the IP packet */
};

/* NULL: not there. */
static const uint8_t *peek(const struct frame *frame, size_t size)
{
	if (frame->at > frame->captured || frame->captured - frame->at < size)
		return NULL;
	return frame->bytes + frame->at;
}

static unsigned read16(const uint8_t *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

static bool is_tunnel(const uint8_t *header, const uint16_t *ports, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (read16(header) == ports[i] || read16(header + 2) == ports[i])
			return true;
	return false;
}

static bool is_plain_tcp(const struct frame *frame)
{
	static const uint16_t ports[] = {SS_TUNNEL_TCP_PORTS};
	const uint8_t *header = peek(frame, 20);
	size_t size;

	if (!header || frame->at + 20 > frame->end)
		return false;
	size = (header[12] >> 4) * 4u;
	return size >= 20 && frame->at + size <= frame->end &&
	       !is_tunnel(header, ports, G_N_ELEMENTS(ports));
}

static bool is_plain_udp(const struct frame *frame)
{
	static const uint16_t ports[] = {SS_TUNNEL_UDP_PORTS};
	const uint8_t *header = peek(frame, 8);

	return header && read16(header + 4) >= 8 && frame->at + read16(header + 4) <= frame->end &&
	       !is_tunnel(header, ports, G_N_ELEMENTS(ports));
}

static bool is_plain_icmp(const struct frame *frame, bool v6)
{
	static const uint8_t errors[] = {3, 4, 5, 11, 12};
	const uint8_t *header = peek(frame, 8);

	if (!header || frame->at + 8 > frame->end)
		return false;
	if (v6)
		return header[0] >= 128 && header[0] != ND_REDIRECT;
	for (size_t i = 0; i < sizeof(errors); i++)
		if (header[0] == errors[i])
			return false;
	return true;
}

static bool is_plain_transport(const struct frame *frame, unsigned protocol, bool v6)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return is_plain_tcp(frame);
	case IPPROTO_UDP:
		return is_plain_udp(frame);
	case IPPROTO_ICMP:
		return !v6 && is_plain_icmp(frame, false);
	case IPPROTO_ICMPV6:
		return v6 && is_plain_icmp(frame, true);
	case IPPROTO_IGMP:
		return !v6;
	case IPPROTO_ESP:
	case 89:  /* OSPF */
	case 112: /* VRRP */
		return true;
	default:
		return false;
	}
}

static bool is_plain_ipv4(struct frame *frame, size_t length)
{
	const uint8_t *header = peek(frame, 20);
	unsigned size;

	if (!header || (header[0] != 0x45 && header[0] != 0x46))
		return false;
	size = (header[0] & 0xf) * 4u;
	if (size > 20 && (!peek(frame, size) || read16(header + 20) != ROUTER_ALERT))
		return false;
	frame->end = frame->at + read16(header + 2);
	if (frame->end > length || read16(header + 2) < size || read16(header + 6) & FRAGMENT_MASK)
		return false;
	frame->at += size;
	return is_plain_transport(frame, header[9], false);
}

/* A router alert alone. */
static bool is_plain_hop_by_hop(const uint8_t *header)
{
	return header && header[1] == 0 && read16(header + 2) == ROUTER_ALERT_V6 &&
	       (read16(header + 6) == 0 || read16(header + 6) == PAD_2);
}

static bool is_plain_ipv6(struct frame *frame, size_t length)
{
	const uint8_t *header = peek(frame, 40), *options;
	unsigned protocol;

	if (!header || header[0] >> 4 != 6 || !read16(header + 4))
		return false;
	frame->at += 40;
	frame->end = frame->at + read16(header + 4);
	if (frame->end > length)
		return false;
	protocol = header[6];
	if (protocol == IPPROTO_HOPOPTS) {
		options = peek(frame, HOP_BY_HOP_SIZE);
		if (!is_plain_hop_by_hop(options))
			return false;
		protocol = options[0];
		frame->at += HOP_BY_HOP_SIZE;
		if (frame->at > frame->end)
			return false;
	}
	return is_plain_transport(frame, protocol, true);
}

static bool is_plain_arp(const struct frame *frame)
{
	const uint8_t *header = peek(frame, 28);

	return header && read16(header) == 1 && read16(header + 2) == ETH_P_IP &&
	       read16(header + 4) == 0x0604;
}

bool ss_frame_is_plain(const uint8_t *bytes, size_t captured, size_t length, unsigned link_type)
{
	struct frame frame = {.bytes = bytes, .captured = captured};
	const uint8_t *start = peek(&frame, 1);
	unsigned type;

	if (link_type == SS_LINKTYPE_RAW && start)
		return start[0] >> 4 == 6 ? is_plain_ipv6(&frame, length)
					  : is_plain_ipv4(&frame, length);
	if (link_type != SS_LINKTYPE_ETHERNET || !peek(&frame, ETH_HLEN))
		return false;
	type = read16(bytes + 2 * ETH_ALEN);
	frame.at = ETH_HLEN;
	for (int i = 0; i < TAGS_MAX && type == ETH_P_8021Q; i++) {
		start = peek(&frame, 4);
		if (!start)
			return false;
		type = read16(start + 2);
		frame.at += 4;
	}
	switch (type) {
	case ETH_P_IP:
		return is_plain_ipv4(&frame, length);
	case ETH_P_IPV6:
		return is_plain_ipv6(&frame, length);
	case ETH_P_ARP:
		return is_plain_arp(&frame);
	case ETH_P_LLDP:
	case ETH_P_PAE:
		return true;
	default:
		return false;
	}
}
