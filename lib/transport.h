/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the frame of an Enhanced Packet Block carries: a TCP segment, a UDP datagram, or an ICMP
 * error about one of these. IPv4, IPv6 with extension headers, VLAN tags, fragments.
 */
#ifndef SS_TRANSPORT_H
#define SS_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "cursor.h"
#include "endpoint.h"

#define SS_SEGMENT_FIN 0x01u
#define SS_SEGMENT_SYN 0x02u
#define SS_SEGMENT_RST 0x04u
#define SS_SEGMENT_ACK 0x10u

/* Borrows from the block. */
struct ss_transport {
	uint32_t interface_id;
	uint64_t time_ns; /* UTC */
	struct ss_endpoint source, destination;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	bool is_error;    /* an ICMP error: all else here is of the packet that it quotes */
	bool is_fragment; /* of a datagram that fragment_id names between these addresses ... */
	bool is_later;    /* ... not the first one: no ports, no more known */
	bool is_last;     /* ... it has the end */
	uint32_t fragment_id;
	uint32_t sequence; /* of payload[0]: behind the SYN, if there is one */
	uint32_t acknowledgement;
	uint8_t flags;            /* SS_SEGMENT_* */
	const uint8_t *ip, *tcp;  /* headers; of TCP's, 14 bytes at least are there */
	struct ss_cursor payload; /* what was captured of it */
	uint32_t length;          /* of the payload on the wire, as far as it is in this frame */
};

/* block: one whole block, which may be left out (output/block.h). link_type: SS_LINKTYPE_ETHERNET
 * or SS_LINKTYPE_RAW. False: something else, or too little of it was captured. */
bool ss_transport_read(struct ss_cursor block, uint16_t link_type,
		       struct ss_transport *ret_transport);
/* Likewise, only TCP segments themselves, which are not left out. */
bool ss_transport_read_tcp(struct ss_cursor block, uint16_t link_type,
			   struct ss_transport *ret_segment);

#endif
