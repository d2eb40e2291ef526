/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Analyze → Follow → Kubernetes Stream (4.4 and later), tshark -z follow,stratoshark,ascii,N: a TCP
 * stream in which a line with the names of pods and services stands before what each side says.
 */
#ifndef SS_PLUGIN_FOLLOW_H
#define SS_PLUGIN_FOLLOW_H

/* Once all dissectors are known. */
void ss_follow_handoff(void);

#endif
