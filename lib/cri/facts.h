/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the runtime told about one pod, and what is still asked about it. */
#ifndef SS_CRI_FACTS_H
#define SS_CRI_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "cri/answer.h"
#include "k8s/pod.h"

struct ss_cri_facts {
	char *uid;
	char *sandbox_id;                            /* NULL: the runtime did not name it yet */
	GPtrArray *labels, *annotations, *addresses; /* NULL: not told */
	GPtrArray *containers;                       /* struct ss_answer_container * */
	GHashTable *asked; /* set of ids, or names without one: containers that were asked for */

	/* The conversation's (cri.c). */
	bool wants_sandbox, wants_containers; /* to be asked */
	bool in_sandboxes, in_containers;     /* being asked */
	unsigned pending;                     /* other calls under way */
	unsigned tries;
	uint64_t retry_ns;  /* CLOCK_MONOTONIC; 0: at once */
	bool given_up;      /* nobody waits for the answer any more */
	bool young;         /* the runtime may not list it yet */
	bool has_addresses; /* the node shows them */
};

struct ss_cri_facts *ss_cri_facts_new(const char *uid);
void ss_cri_facts_free(struct ss_cri_facts *facts);

/* Takes over labels and annotations of the pod's newest sandbox. */
void ss_cri_facts_set_sandbox(struct ss_cri_facts *facts, struct ss_answer_sandbox *sandbox);
/* Takes those of its sandbox out of a list (whose places become NULL). */
void ss_cri_facts_set_containers(struct ss_cri_facts *facts, GPtrArray *containers);

/* Does the pod have a container that was never asked for? Remembers it as asked. */
bool ss_cri_facts_note_containers(struct ss_cri_facts *facts, const struct ss_pod *pod);

/* Is one that was asked for not among those that were told? */
bool ss_cri_facts_lack_one(const struct ss_cri_facts *facts);

/* Adds to the pod; facts of a better source stay. */
void ss_cri_facts_add(const struct ss_cri_facts *facts, struct ss_pod *pod);

#endif
