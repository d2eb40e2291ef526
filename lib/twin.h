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

/* Before the interface's first frame; frames of others are let through. */
void ss_twin_interface(struct ss_twin *twin, uint32_t interface_id, uint16_t link_type);

/* As struct ss_pump_gate in pump.h. */
size_t ss_twin_admit(struct ss_twin *twin, void *blocks, size_t length, uint64_t now_ns,
		     uint64_t *ret_again_ns);
void ss_twin_release(struct ss_twin *twin);

#endif
