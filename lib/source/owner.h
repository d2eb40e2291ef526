/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The programs that see which process owns a socket (bpf/owner.bpf.c): loaded once, hung on the
 * cgroups that hold the pods. All go when the process ends, however it ends.
 */
#ifndef SS_SOURCE_OWNER_H
#define SS_SOURCE_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "format/owner.h"
#include "source/bpf.h"

struct ss_owner_source;

/* A process owns a socket from now on; borrowed for the call. */
typedef void (*ss_owner_process)(const struct ss_owner_record *record, void *user_data);

/* With the maps that the frame programs of frames read. */
int ss_owner_source_new(const struct ss_bpf_source *frames, ss_owner_process process,
			void *user_data, struct ss_owner_source **ret_source,
			struct ss_error *error);
void ss_owner_source_free(struct ss_owner_source *source);

/* Begins to see the sockets of the cgroup v2 directory and of all below, those that are there
 * already included if the kernel grants it (cap_perfmon). */
int ss_owner_source_attach(struct ss_owner_source *source, const char *cgroup_path,
			   struct ss_error *error);

/* Names the container of a cgroup: container is the TLV SS_METADATA_CONTAINER. */
void ss_owner_source_set_container(struct ss_owner_source *source, uint64_t cgroup_id,
				   uint64_t container);

/* Readable when processes wait; dispatch calls back for each. */
int ss_owner_source_fd(const struct ss_owner_source *source);
void ss_owner_source_dispatch(struct ss_owner_source *source);

#endif
