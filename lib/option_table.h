/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every command and option, once. getopt, --help, the man page, the completions and the extcap's
 * configuration sentences are made from these rows; adding an option adds a row here and a case in
 * options.c. libc only: the extcap links it.
 */
#ifndef SS_OPTION_TABLE_H
#define SS_OPTION_TABLE_H

#include <stddef.h>

enum ss_option_id {
	/* Short options are their letter. */
	SS_OPTION_OUTPUT = 'w',
	SS_OPTION_COUNT = 'c',
	SS_OPTION_SNAPLEN = 's',
	SS_OPTION_FILTER = 'f',
	SS_OPTION_POD = 'p',
	SS_OPTION_NAMESPACE = 'n',
	SS_OPTION_INTERFACE = 'i',
	SS_OPTION_QUIET = 'q',
	SS_OPTION_VERBOSE = 'v',
	SS_OPTION_HELP = 'h',
	SS_OPTION_FORMAT = 'o',
	SS_OPTION_SELECTOR = 'l',
	SS_OPTION_LIVE = 256,
	SS_OPTION_EXPLAIN_FILTER,
	SS_OPTION_DURATION,
	SS_OPTION_ATTACH,
	SS_OPTION_MESH,
	SS_OPTION_BUFFER_SIZE,
	SS_OPTION_WAIT,
	SS_OPTION_RING_FILES,
	SS_OPTION_RING_SIZE,
	SS_OPTION_RING_TIME,
	SS_OPTION_STATS_INTERVAL,
	SS_OPTION_RECORD,
	SS_OPTION_REPLAY,
	SS_OPTION_SSL_KEYLOG,
	SS_OPTION_KEYLOG_FILE,
	SS_OPTION_SSL_PLAINTEXT,
	SS_OPTION_NO_PACKETS,
	SS_OPTION_NO_PROCESSES,
	SS_OPTION_REDACT,
	SS_OPTION_NO_REDACT,
	SS_OPTION_REDACT_RULES,
	SS_OPTION_TLS_MAX_CALL,
	SS_OPTION_NO_URETPROBE,
	SS_OPTION_EXIT_WITH_PARENT,
	SS_OPTION_DISCARD,
	SS_OPTION_WORKLOAD,
	SS_OPTION_CONTAINER,
	SS_OPTION_ALL_PODS,
	SS_OPTION_NODE,
	SS_OPTION_KUBECONFIG,
	SS_OPTION_CONTEXT,
	SS_OPTION_NO_KUBE,
	SS_OPTION_NO_CRI,
	SS_OPTION_WATCH,
	SS_OPTION_DNS_FAILURE_ONLY,
	SS_OPTION_DNS_TIMEOUT,
	SS_OPTION_DNS_NXDOMAIN,
	SS_OPTION_BPF_PROGRAM,
	SS_OPTION_STATS_HIERARCHY,
	SS_OPTION_STATS_FLOWS,
	SS_OPTION_STATS_PODS,
	SS_OPTION_STATS_CONVERSATIONS,
	SS_OPTION_NO_CONTEXT,
};

enum ss_command {
	SS_COMMAND_CAPTURE = 1,
	SS_COMMAND_PODS = 2,
	SS_COMMAND_DOCTOR = 4,
	SS_COMMAND_FILTER = 8, /* what the extcap asks: is this capture filter valid? */
	SS_COMMAND_TLS = 32,
	SS_COMMAND_STATS = 64,
	SS_COMMAND_GENERATE = 16, /* man page and completions, at build time */
};

struct ss_option {
	int id;
	const char *name;     /* long option */
	const char *argument; /* what --help calls its value; NULL: a flag */
	unsigned commands;    /* of enum ss_command */
	const char *help;     /* one or two sentences; NULL: not shown */
	const char *values; /* fixed values, comma-separated, for completion and extcap; or NULL */
	/* extcap: NULL when the option is not for the dialog. */
	const char *extcap_type; /* unsigned, selector, string, boolflag ... */
	const char *extcap_display;
	const char *extcap_default;
};

struct ss_command_row {
	enum ss_command id;
	const char *name;
	const char *arguments;
	const char *help;  /* one line; NULL: not shown */
	const char *about; /* paragraph of "COMMAND --help" */
	const char *examples;
};

extern const struct ss_option ss_option_table[];       /* ends with a row whose name is NULL */
extern const struct ss_command_row ss_command_table[]; /* likewise */

#define SS_DEFAULT_BUFFER_MIB     32
#define SS_DEFAULT_SNAPLEN        262144
#define SS_DEFAULT_DNS_TIMEOUT_NS 5000000000ull
#define SS_DEFAULT_CALL_BYTES     (24u << 20) /* plaintext of one call, copied at once */

#endif
