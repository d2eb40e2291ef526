/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pods in Wireshark's own views of who talks to whom: Conversations and Endpoints (tshark -z
 * conv,stratoshark and endpoints,stratoshark), the flow graph (-z flow,stratoshark,standard), and
 * the conversation filter "Kubernetes flow".
 */
#ifndef SS_PLUGIN_CONVERSATIONS_H
#define SS_PLUGIN_CONVERSATIONS_H

void ss_conversations_register(void);

#endif
