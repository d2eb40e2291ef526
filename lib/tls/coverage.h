/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An account of every TLS connection that was seen: can it be read, and if not, why and what would
 * help. A connection is told about once it has had time to become readable.
 */
#ifndef SS_TLS_COVERAGE_H
#define SS_TLS_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/tls.h"
#include "tls/keys.h"

enum ss_tls_coverage_state {
	SS_TLS_COVERAGE_DECRYPTED,   /* its keys are in the capture */
	SS_TLS_COVERAGE_PLAINTEXT,   /* its plaintext is */
	SS_TLS_COVERAGE_MISSED,      /* it is older than the capture, or its handshake has holes */
	SS_TLS_COVERAGE_UNVERIFIED,  /* a library was found by pattern, nothing proves it yet */
	SS_TLS_COVERAGE_UNSUPPORTED, /* what it uses can't be read */
	SS_TLS_COVERAGE_UNKNOWN,     /* no TLS library found, or nothing came from it */
	SS_TLS_COVERAGE_STATES
};

struct ss_tls_coverage_entry {
	const struct ss_tls_flow *flow;
	enum ss_tls_coverage_state state;
	const char *reason; /* why it stays dark and what would help; NULL when it can be read */
};

struct ss_tls_coverage_callbacks {
	/* Why can the TLS of this interface's pod not be read? Sets the state (one of the last
	 * three) and the sentence, which the coverage frees. */
	void (*explain)(const struct ss_tls_flow *flow, enum ss_tls_coverage_state *ret_state,
			char **ret_reason, void *user_data);
	/* The final word about a connection, once each. Borrowed. */
	void (*told)(const struct ss_tls_coverage_entry *entry, void *user_data);
	void *user_data;
};

struct ss_tls_coverage;

struct ss_tls_coverage *ss_tls_coverage_new(const struct ss_tls_coverage_callbacks *callbacks);
void ss_tls_coverage_free(struct ss_tls_coverage *coverage);

/* As ss_tls_keys_new()'s callback: the flow is new or has another state. now_ns: CLOCK_MONOTONIC.
 */
void ss_tls_coverage_flow(struct ss_tls_coverage *coverage, const struct ss_tls_flow *flow,
			  uint64_t now_ns);
/* Plaintext of this connection was captured. */
void ss_tls_coverage_plaintext(struct ss_tls_coverage *coverage, const struct ss_tls_socket *socket,
			       uint64_t now_ns);
/* Are the keys of this connection in the capture? */
bool ss_tls_coverage_is_keyed(const struct ss_tls_coverage *coverage,
			      const struct ss_tls_socket *socket);
/* Is their plaintext, and not their keys? The two ends in any order. */
bool ss_tls_coverage_is_plaintext(const struct ss_tls_coverage *coverage,
				  const struct ss_endpoint *one, const struct ss_endpoint *other);
/* Tells about connections whose time is over; UINT64_MAX: about all. */
void ss_tls_coverage_run(struct ss_tls_coverage *coverage, uint64_t now_ns);

/* Connections by state, told or not. */
void ss_tls_coverage_count(const struct ss_tls_coverage *coverage,
			   uint64_t ret_counts[SS_TLS_COVERAGE_STATES]);

/* "decrypted", "handshake missed" */
const char *ss_tls_coverage_state_name(enum ss_tls_coverage_state state);

#endif
