/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event records (format/events.md): what happened beside the packets.
 */
#ifndef SS_PLUGIN_EVENT_H
#define SS_PLUGIN_EVENT_H

void ss_event_register(void);

/* Once all dissectors are known. */
void ss_event_handoff(void);

#endif
