/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was found in a file by pattern is believed only when it has proved itself at run time: its
 * secrets are of a handshake that was captured, its plaintext fits what the socket moved meanwhile.
 * What proves to be something else is told once, to be detached.
 */
#ifndef SS_TLS_PROOF_H
#define SS_TLS_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "format/tls.h"

enum ss_tls_proof_state {
	SS_TLS_PROOF_OPEN, /* nothing that would tell has been seen */
	SS_TLS_PROOF_GIVEN,
	SS_TLS_PROOF_REFUTED,
	SS_TLS_PROOF_STATES
};

enum ss_tls_proof_part { SS_TLS_PROOF_KEYS, SS_TLS_PROOF_PLAINTEXT, SS_TLS_PROOF_PARTS };

struct ss_tls_proofs;

struct ss_tls_proofs_callbacks {
	/* Given or refuted, once for each part of a file. library: its number. */
	void (*changed)(uint32_t library, enum ss_tls_proof_part part,
			enum ss_tls_proof_state state, void *user_data);
	/* Plaintext that waited for its proof, which has come. Borrowed. */
	void (*data)(const struct ss_tls_data *data, void *user_data);
	void *user_data;
};

struct ss_tls_proofs *ss_tls_proofs_new(const struct ss_tls_proofs_callbacks *callbacks);
void ss_tls_proofs_free(struct ss_tls_proofs *proofs);

/* A secret that the file's own log function was given; may refute. */
void ss_tls_proofs_labelled(struct ss_tls_proofs *proofs, const struct ss_tls_labelled *labelled);
/* A secret of this file fits a captured handshake. */
void ss_tls_proofs_fits(struct ss_tls_proofs *proofs, uint32_t library);
/* Plaintext; true: it can be believed. What can't yet is copied, as far as there is room, and
 * called back before the first that can be. */
bool ss_tls_proofs_data(struct ss_tls_proofs *proofs, const struct ss_tls_data *data);

#endif
