/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kubelet's log directories name: pods, containers, container ids. */
#ifndef SS_K8S_LOGS_H
#define SS_K8S_LOGS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "error.h"
#include "k8s/podname.h"

struct ss_log_container {
	char *name;
	char *id; /* NULL: only the log directory is known; a prefix if the kubelet cut it */
	unsigned attempt; /* restarts of the container, as far as the log name tells */
	int64_t time_ns;
};

struct ss_log_pod {
	struct ss_podname_directory name;
	int64_t time_ns;       /* last change of the directory */
	GPtrArray *containers; /* struct ss_log_container *, several of one name after restarts */
};

/* pods: /var/log/pods; containers: /var/log/containers. Sets *ret to struct ss_log_pod *. */
int ss_logs_read(const char *pods, const char *containers, GPtrArray **ret, struct ss_error *error);

#endif
