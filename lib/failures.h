/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only DNS exchanges that fail: a stage of the gate (gate.h). Frames wait in the ring until the
 * exchange they belong to is decided; those of the others are left out. Each failure is told, too.
 */
#ifndef SS_FAILURES_H
#define SS_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

#include "stage.h"
#include "stream.h"

/* What the kernel lets through for this stage, as a capture filter. */
#define SS_FAILURES_FILTER                                                                         \
	"udp port 53 or tcp port 53"                                                               \
	" or (ip[6:2] & 0x1fff != 0 and ip[9] = 17)" /* what else of an answer in fragments */     \
	" or (ip6[6] = 44 and ip6[40] = 17)"                                                       \
	" or (icmp[0] = 3 and icmp[30:2] = 53)" /* a query that nobody took */                     \
	" or (ip6[6] = 58 and ip6[40] = 1 and ip6[90:2] = 53)"

struct ss_failures;

struct ss_failures_options {
	uint64_t timeout_ns;
	bool nxdomain_is_fine, searches_are_fine; /* exchange.h */
	/* An exchange failed; borrowed for the call. */
	void (*event)(const struct ss_event *event, void *user_data);
	/* A frame of the interface is not written. */
	void (*left_out)(uint32_t interface_id, void *user_data);
	void *user_data;
};

struct ss_failures *ss_failures_new(const struct ss_failures_options *options);
void ss_failures_free(struct ss_failures *failures);

struct ss_stage ss_failures_stage(struct ss_failures *failures);

/* "DNS: 120 exchanges, 3 failed: 2 NXDOMAIN, 1 without answer"; NULL: none was seen. g_free(). */
char *ss_failures_summary(const struct ss_failures *failures);

#endif
