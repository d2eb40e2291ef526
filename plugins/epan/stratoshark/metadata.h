/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The postdissector: says of every frame of a pod whose it is. Also the tap "stratoshark", one
 * struct ss_tap per frame of a pod, or of which a side is known.
 */
#ifndef SS_PLUGIN_METADATA_H
#define SS_PLUGIN_METADATA_H

#include "side.h"
#include "transport.h"

/* Valid as long as the frame is looked at. */
struct ss_tap {
	const struct ss_interface *interface; /* may be NULL, or no pod's */
	uint8_t direction;                    /* enum ss_direction */
	struct ss_sides sides;
	struct ss_transport transport;
};

void ss_metadata_register(void);

/* As ss_sides_get(), of a frame that was just dissected. */
bool ss_metadata_get_sides(const packet_info *pinfo, struct ss_sides *ret_sides);
/* The same of the frame whose details are shown; NULL if nothing is known. */
const struct ss_sides *ss_metadata_sides(packet_info *pinfo);

#endif
