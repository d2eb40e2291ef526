/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is probed in the captured pods: the libraries that are found (tls/discover.h) are attached
 * to (source/tls.h), and what was found by pattern is believed when it has proved itself
 * (tls/proof.h), or let go.
 */
#ifndef SS_PROBES_H
#define SS_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "format/tls.h"
#include "k8s/pod.h"
#include "loop.h"
#include "source/tls.h"
#include "tls/discover.h"

struct ss_probes;

struct ss_probes_callbacks {
	/* Plaintext that waited for its proof, which has come. Borrowed. */
	void (*believed)(const struct ss_tls_data *data, void *user_data);
	/* Processes were looked at: what the pods have may have changed. */
	void (*looked)(void *user_data);
	void *user_data;
};

/* Borrows source and loop. */
struct ss_probes *ss_probes_new(struct ss_tls_source *source, struct ss_loop *loop,
				const struct ss_probes_callbacks *callbacks);
/* Detaches all; before the source goes. */
void ss_probes_free(struct ss_probes *probes);

/* Pods and their processes; the probes'. */
struct ss_tls_discover *ss_probes_discover(const struct ss_probes *probes);
/* A pod, whose processes are looked at now, and again when they are due. */
void ss_probes_add_pod(struct ss_probes *probes, const struct ss_pod *pod);
/* A program may have begun: looks, if so. */
void ss_probes_look(struct ss_probes *probes);
/* From now on each library is told when it is attached; before, they are told together. */
void ss_probes_start(struct ss_probes *probes);
/* Looks no more by itself. */
void ss_probes_stop(struct ss_probes *probes);

/* Secrets of a library's own log function; a secret of this file fits a captured handshake. */
void ss_probes_labelled(struct ss_probes *probes, const struct ss_tls_labelled *labelled);
void ss_probes_fits(struct ss_probes *probes, uint32_t number);
/* Can it be believed? What can't yet is kept, and called back. */
bool ss_probes_data(struct ss_probes *probes, const struct ss_tls_data *data);

#endif
