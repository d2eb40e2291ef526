/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statistics → Kubernetes → Pods, tshark -z stratoshark,tree: frames and bytes by namespace, pod,
 * direction.
 */
#ifndef SS_PLUGIN_STATS_H
#define SS_PLUGIN_STATS_H

void ss_stats_register(void);

#endif
