/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pod of this node, as far as the providers know it. Filled by a provider, read by everybody.
 * Strings and arrays belong to the pod; NULL, 0 or empty where unknown.
 */
#ifndef SS_K8S_POD_H
#define SS_K8S_POD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

/* Who told a fact; of two, the later one here knows better. */
enum ss_fact_source { SS_SOURCE_NONE, SS_SOURCE_NODE, SS_SOURCE_CRI, SS_SOURCE_KUBE };

/* What is told together. */
enum ss_fact {
	SS_FACT_NAME, /* namespace, name, uid */
	SS_FACT_PROCESS,
	SS_FACT_CONTAINERS,
	SS_FACT_IMAGES,
	SS_FACT_ADDRESSES,
	SS_FACT_LABELS,
	SS_FACT_ANNOTATIONS,
	SS_FACT_WORKLOAD,
	SS_FACT_NODE, /* name of the node */
	SS_FACTS
};

struct ss_container {
	char *name;  /* "web"; NULL for the sandbox (pause) container */
	char *id;    /* 64 hex digits */
	char *image; /* as the pod asked for it: "registry.k8s.io/pause:3.9" */
};

/* A label or an annotation. */
struct ss_label {
	char *key, *value;
};

struct ss_pod {
	char *namespace;
	char *name;
	char *uid;
	char *runtime;         /* "containerd", "cri-o"; from the cgroup name or /run */
	GPtrArray *containers; /* struct ss_container *, in name order, without the sandbox */
	pid_t pid;             /* a process in the pod's network namespace, the sandbox's if known;
				* 0: the pod has no process (not started yet, or gone) */
	uint64_t pid_start;    /* its start time (clock ticks, /proc/PID/stat field 22): pid + start
				* name one process for ever, pids alone are reused */
	char *cgroup_path;     /* the pod's cgroup v2 directory; NULL if there is none */
	uint64_t cgroup_id;    /* its inode number */
	bool host_network;     /* shares the network namespace of this process */
	uint32_t netns_inode;  /* 0 if it may not be read (needs cap_sys_ptrace) and no bind mount
				  names it */
	GPtrArray *addresses;  /* char *: IPv4 and IPv6 in text form, without lo and link-local */
	GPtrArray *labels;     /* struct ss_label *, sorted by key */
	GPtrArray *annotations; /* likewise */
	char *workload_kind;    /* the owner at the top: "Deployment", "CronJob" ... */
	char *workload_name;
	char *node_name;
	uint8_t sources[SS_FACTS]; /* enum ss_fact_source */
	int64_t log_time_ns; /* wall clock of its log directory's last change: of two pods of one
			      * name (a restart) the newer one */
};

/* An empty pod with its arrays. */
struct ss_pod *ss_pod_new(void);
struct ss_pod *ss_pod_copy(const struct ss_pod *pod);
void ss_pod_free(struct ss_pod *pod);

/* Same facts about the same process? log_time_ns and sources do not count. */
bool ss_pod_equal(const struct ss_pod *a, const struct ss_pod *b);

/* Keeps labels sorted; a second one of the same key replaces the first. */
void ss_labels_set(GPtrArray *labels, const char *key, const char *value);
/* NULL: there is none. */
const char *ss_labels_get(const GPtrArray *labels, const char *key);
/* An empty array that frees its labels. */
GPtrArray *ss_labels_new(void);

/* "node", "cri", "kube"; "-" for none. */
const char *ss_fact_source_name(enum ss_fact_source source);

struct ss_container *ss_container_new(const char *name, const char *id);

#endif
