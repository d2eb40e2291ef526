/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inode number of another process' network namespace for users who may not read
 * /proc/PID/ns/net: the kernel tells everybody which local id a namespace has, of a pid and of an
 * open file, and runtimes bind-mount every pod's namespace below /run/netns.
 */
#ifndef SS_K8S_NETNS_H
#define SS_K8S_NETNS_H

#include <stdint.h>
#include <sys/types.h>

/* Reads the directory once. Never NULL; empty when there is none. */
struct ss_netns_table *ss_netns_table_new(const char *directory);
void ss_netns_table_free(struct ss_netns_table *table);

/* 0: unknown. */
uint32_t ss_netns_table_lookup(struct ss_netns_table *table, pid_t pid);

#endif
