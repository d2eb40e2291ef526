/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads description records of pods, services and nodes (format/events.md) into the tables of
 * cluster.h.
 */
#ifndef SS_PLUGIN_DESCRIPTION_H
#define SS_PLUGIN_DESCRIPTION_H

#include "compat.h"

/* Is this event a description, one that may be many times in a file and that nobody needs to see?
 */
bool ss_description_is(const char *event);

/* The record's JSON object, well-formed; on the first pass over the file, in the order of its
 * frames. Those of later versions, and what no pod, service or node could be, add nothing. */
void ss_description_read(const packet_info *pinfo, const char *event, const char *text,
			 size_t length);

#endif
