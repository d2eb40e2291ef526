/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The postdissector: says of every frame of a pod whose it is. Also the tap "stratoshark", one
 * struct ss_tap per frame of a pod.
 */
#ifndef SS_PLUGIN_METADATA_H
#define SS_PLUGIN_METADATA_H

#include "interface.h"

struct ss_tap {
	const struct ss_interface *interface;
	uint8_t direction; /* enum ss_direction */
};

void ss_metadata_register(void);

#endif
