/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TLS connection whose plaintext is shown as packets has the same addresses and ports as its
 * encrypted packets, and readers put both into one stream. So those are left out: a stage of the
 * gate that lets frames wait until their connection's plaintext has had time to arrive.
 */
#ifndef SS_TWIN_H
#define SS_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage.h"
#include "tls/keys.h"

struct ss_twin;

struct ss_twin_callbacks {
	/* Is the plaintext of this connection in the capture, and not its keys? */
	bool (*is_shown)(const struct ss_tls_address *one, const struct ss_tls_address *other,
			 void *user_data);
	/* A frame of the interface is not written. */
	void (*left_out)(uint32_t interface_id, void *user_data);
	/* UTC now, as frames are stamped. */
	uint64_t (*utc_ns)(void *user_data);
	void *user_data;
};

/* Frames wait for window_ns. */
struct ss_twin *ss_twin_new(uint64_t window_ns, const struct ss_twin_callbacks *callbacks);
void ss_twin_free(struct ss_twin *twin);

/* Frames of pods only. */
struct ss_stage ss_twin_stage(struct ss_twin *twin);

#endif
