/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TCP segment inside an Enhanced Packet Block: found, read, and readdressed in place. */
#ifndef SS_SEGMENT_H
#define SS_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport.h"

/* Points into the block. */
struct ss_segment {
	struct ss_endpoint source, destination;
	uint32_t sequence, acknowledgement;
	uint32_t length; /* of the payload, as sent */
	uint8_t flags;   /* SS_SEGMENT_* */
	bool ipv6;
	const uint8_t *payload; /* what of it was captured */
	size_t captured;
	uint8_t *ip, *tcp;
	uint8_t *options; /* of the block */
	size_t options_length;
};

/* link_type: SS_LINKTYPE_ETHERNET or SS_LINKTYPE_RAW. Returns false if the block, which must be
 * whole, has no TCP header up to the checksum: other protocols, fragments, short snapshots. */
bool ss_segment_find(void *block, size_t length, uint16_t link_type,
		     struct ss_segment *ret_segment);

/* Sends it elsewhere, of the same IP version. Checksums stay as right, or as partial, as they are.
 */
void ss_segment_readdress(struct ss_segment *segment, const struct ss_endpoint *destination);
/* Says in option 2989 that it was redirected to this port: in its padding, or else in place of the
 * network namespace. */
void ss_segment_name_redirect(struct ss_segment *segment, uint16_t port);

/* Does the payload begin like a TLS ClientHello? */
bool ss_segment_is_client_hello(const struct ss_segment *segment);
/* Was something lost before it (epb_dropcount)? */
bool ss_segment_is_after_loss(const struct ss_segment *segment);

#endif
