/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc says about a process to anybody, credentials or not. */
#ifndef SS_K8S_PROCESS_H
#define SS_K8S_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

struct ss_process_stat {
	char comm[64]; /* kernel threads and workers exceed 16 */
	char state;
	pid_t parent;
	uint64_t start; /* field 22: clock ticks after boot */
};

/* A network namespace as far as it can be told apart. */
struct ss_process_netns {
	uint32_t inode;      /* of the namespace; 0 if it may not be read */
	uint64_t proc_inode; /* of /proc/PID/net/dev: another in every namespace, world-readable */
};

/* A process' directory: what is read through it is that process', never that of a later one with
 * its pid. A descriptor, or a negative errno; pid 0: this process. */
int ss_process_open(const char *proc, pid_t pid);

/* 0 or a negative errno; -ENOENT or -ESRCH when there is no such process. */
int ss_process_read_stat(const char *proc, pid_t pid, struct ss_process_stat *ret);
int ss_process_read_stat_at(int process, struct ss_process_stat *ret);
/* The name alone, at half of the cost; empty when there is no such process. */
void ss_process_read_comm(const char *proc, pid_t pid, char *comm, size_t size);

/* both: the second kind of inode as well where the first can be read. Fails for a process that
 * ended, waited for or not. */
int ss_process_read_netns(int process, bool both, struct ss_process_netns *ret);
bool ss_process_same_netns(const struct ss_process_netns *a, const struct ss_process_netns *b);

/* Appends the addresses of the process' network namespace (char *), IPv4 first. False: one of the
 * two families can't be read, maybe because the process ended. */
bool ss_process_read_addresses(int process, GPtrArray *addresses);

/* The parsers, for texts of any origin. */
int ss_process_parse_stat(const char *text, size_t length, struct ss_process_stat *ret);
void ss_process_parse_fib_trie(const char *text, size_t length, GPtrArray *addresses);
void ss_process_parse_if_inet6(const char *text, size_t length, GPtrArray *addresses);

#endif
