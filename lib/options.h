/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user asked for: the rows of option_table.h, parsed and checked. */
#ifndef SS_OPTIONS_H
#define SS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "error.h"
#include "option_table.h"

enum ss_attach_mode { SS_ATTACH_AUTO, SS_ATTACH_NETNS, SS_ATTACH_VETH, SS_ATTACH_CGROUP };
enum ss_mesh_mode { SS_MESH_AUTO, SS_MESH_OFF, SS_MESH_PLAIN };
enum ss_nxdomain_mode { SS_NXDOMAIN_SEARCH, SS_NXDOMAIN_ALL, SS_NXDOMAIN_NO };
enum ss_redact_mode { SS_REDACT_LIVE, SS_REDACT_ALL, SS_REDACT_NOTHING };
enum ss_list_format { SS_LIST_TABLE, SS_LIST_JSON, SS_LIST_NAMES, SS_LIST_WIDE };

struct ss_options {
	GPtrArray *pods, *namespaces, *interfaces;     /* char * */
	GPtrArray *selectors, *workloads, *containers; /* char * */
	char *node, *kubeconfig, *context;
	GPtrArray *arguments; /* char *: what follows the options */
	char *filter, *output, *record, *replay;
	char *keylog_file, *redact_rules, *bpf_program;
	uint64_t duration_ns, stats_interval_ns, ring_ns; /* 0: not asked for */
	uint64_t count, ring_bytes;                       /* 0: not asked for */
	uint32_t snap_len;                                /* bytes, > 0 */
	uint32_t buffer_bytes;
	unsigned ring_files;
	enum ss_attach_mode attach;
	enum ss_mesh_mode mesh;
	enum ss_list_format format;
	enum ss_redact_mode redact;
	enum ss_nxdomain_mode nxdomain;
	uint64_t dns_timeout_ns; /* > 0 */
	uint32_t call_bytes;     /* --tls-max-call */
	bool ssl_keylog, ssl_plaintext, no_packets, no_processes, no_uretprobe;
	bool all_pods, no_kube, no_cri, watch, dns_failure_only, no_context;
	bool explain_filter;
	unsigned statistics; /* SS_STATISTIC_*, that stats prints; 0: not said */
	bool live, wait, quiet, verbose, help, exit_with_parent, discard;
};

#define SS_STATISTIC_HIERARCHY     1u
#define SS_STATISTIC_FLOWS         2u
#define SS_STATISTIC_PODS          4u
#define SS_STATISTIC_CONVERSATIONS 8u

void ss_options_init(struct ss_options *options);
void ss_options_deinit(struct ss_options *options);

/* Are pods asked for at all? */
bool ss_options_name_pods(const struct ss_options *options);
/* Are frames to say which process they are of? */
bool ss_options_want_owners(const struct ss_options *options);

/* argv[0] is the command's name. -EINVAL with a sentence for the first thing that is wrong. */
int ss_options_parse(struct ss_options *options, enum ss_command command, int argc, char **argv,
		     struct ss_error *error);

/* "300s", "5m", "1h30m", "2.5s", "100ms"; a bare number is seconds. More than 0. */
int ss_duration_parse(const char *text, uint64_t *ret_ns);
/* "1000000", "100k", "100M", "1G" (powers of 1000), "100Mi" (powers of 1024). More than 0. */
int ss_size_parse(const char *text, uint64_t *ret_bytes);

#endif
