/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an earlier run read of the pods' processes, so that a list of many need not read it again:
 * a file of this user's in /run. Nothing depends on it: where it can't be had, or is not as it
 * should be, everything is read.
 */
#ifndef SS_K8S_RECALL_H
#define SS_K8S_RECALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "k8s/pod.h"

/* The process that stands for a pod: true of it as long as this process lives, but for addresses,
 * which a pod may change. */
struct ss_recalled {
	pid_t pid;
	uint64_t pid_start, cgroup_id;
	uint64_t read_s; /* CLOCK_BOOTTIME */
	uint32_t netns_inode;
	bool host_network;
	const char *runtime;  /* NULL: not known */
	GPtrArray *addresses; /* char * */
	bool kept;            /* for the next run */
};

struct ss_recall;

/* run: "/run". scope: a word that says what the numbers are numbers of: another one's file is
 * ignored. NULL: this user has no place for such a file. */
struct ss_recall *ss_recall_open(const char *run, const char *scope);
/* Writes the file, if something was noted, with what was found or noted since. */
void ss_recall_close(struct ss_recall *recall);

/* NULL: nothing, or too long ago. Borrowed until _note(). The caller proves that the process still
 * lives. */
const struct ss_recalled *ss_recall_find(struct ss_recall *recall, const char *uid);
/* The pod's process was read just now. */
void ss_recall_note(struct ss_recall *recall, const struct ss_pod *pod);

/* The parser, for texts of any origin, which it changes: uid → struct ss_recalled *. Of what is not
 * of this scope, nothing; lines that make no sense are left out. */
GHashTable *ss_recall_parse(char *text, const char *scope);

#endif
