/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library for front ends: this header is all they include. */
#ifndef STRATOSHARK_H
#define STRATOSHARK_H

#include "error.h"
#include "json.h"
#include "k8s/directory.h"
#include "k8s/node.h"
#include "k8s/pod.h"
#include "k8s/pod_json.h"
#include "k8s/select.h"
#include "log.h"
#include "loop.h"
#include "option_table.h"
#include "options.h"
#include "privilege.h"
#include "providers.h"
#include "session.h"
#include "tls/discover.h"
#ifdef SS_WITH_BPF
#include "filter/filter.h"
#include "filter/summary.h"
#endif

/* Exit statuses of the program, and what errno codes they stand for. */
enum ss_exit {
	SS_EXIT_OK = 0,
	SS_EXIT_FAILED = 1,
	SS_EXIT_USAGE = 2,
	SS_EXIT_PERMISSION = 3,
	SS_EXIT_NOT_FOUND = 4, /* no such pod or device, or several */
	SS_EXIT_OUTPUT = 5,    /* what was captured is kept */
	SS_EXIT_DAMAGED = 6,   /* a recording */
};

enum ss_exit ss_exit_status(int code);

#endif
