/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the dissectors below ours tell of a frame's TCP or UDP, and whether the frame is in the file
 * once more: with both ends captured every packet between them is.
 */
#ifndef SS_PLUGIN_TRANSPORT_H
#define SS_PLUGIN_TRANSPORT_H

#include "interface.h"

struct ss_transport {
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, 0: another */
	uint32_t stream;  /* tcp.stream, udp.stream */
	uint32_t seq;     /* raw */
	uint32_t length;  /* of the payload */
	uint16_t flags;   /* TH_* */
	/* The connection was seen on another interface before: count that one. */
	bool again;
};

void ss_transport_register(void);
/* Once all dissectors are known. */
void ss_transport_handoff(void);

/* While the frame is dissected for a tap, and for each such frame once, in their order. */
void ss_transport_get(const packet_info *pinfo, const struct ss_interface *interface,
		      struct ss_transport *ret_transport);

#endif
