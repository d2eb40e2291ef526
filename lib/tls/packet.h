/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TCP segment in an Enhanced Packet Block. */
#ifndef SS_TLS_PACKET_H
#define SS_TLS_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "cursor.h"
#include "tls/keys.h"

#define SS_TCP_FIN 0x01u
#define SS_TCP_SYN 0x02u
#define SS_TCP_RST 0x04u
#define SS_TCP_ACK 0x10u

/* What a block says about its frame. */
struct ss_tls_block {
	uint32_t interface_id;
	uint64_t time_ns;       /* UTC */
	struct ss_cursor frame; /* what was captured of it */
	uint32_t original;      /* its length on the wire */
};

/* Borrows from the block. */
struct ss_tls_packet {
	const uint8_t *ip, *tcp; /* headers; of TCP's, 14 bytes at least are there */
	struct ss_tls_address source, destination;
	uint32_t sequence; /* of payload[0]: behind the SYN, if there is one */
	uint32_t acknowledgement;
	uint8_t flags;            /* SS_TCP_* */
	struct ss_cursor payload; /* what was captured of it */
	uint32_t length;          /* of the payload on the wire */
};

/* block is one whole block. False: not an Enhanced Packet Block, or malformed. */
bool ss_tls_block_read(struct ss_cursor block, struct ss_tls_block *ret_block);
/*
 * Ethernet (VLAN tags) or raw IP; IPv4, IPv6 with extension headers. False: no TCP segment, or too
 * little of it: tunnels, later fragments, headers cut before the window. Of a first fragment the
 * payload is what the fragment has.
 */
bool ss_tls_packet_read(struct ss_cursor frame, uint32_t original, uint16_t link_type,
			struct ss_tls_packet *ret_packet);

#endif
