/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statistics → Kubernetes Flows, tshark -z stratoshark,flows: who talks to whom, how much, and how
 * fast the answers come.
 */
#ifndef SS_PLUGIN_FLOWS_H
#define SS_PLUGIN_FLOWS_H

void ss_flows_register(void);

#endif
