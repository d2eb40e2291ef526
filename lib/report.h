/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of the TLS connections of a capture, in words: an event record for each that can't
 * be read, with the reason, and a line at the end. Joins what the frames show (tls/coverage.h) with
 * what the processes have (tls/discover.h).
 */
#ifndef SS_REPORT_H
#define SS_REPORT_H

#include <stdbool.h>

#include "k8s/pod.h"
#include "stream.h"
#include "tls/coverage.h"
#include "tls/discover.h"

struct ss_report;

struct ss_report_callbacks {
	/* The pod whose interface it is; NULL if none. Borrowed. */
	const struct ss_pod *(*pod)(uint32_t interface_id, void *user_data);
	void (*event)(const struct ss_event *event, void *user_data);
	void *user_data;
};

/* Borrows discover. */
struct ss_report *ss_report_new(struct ss_tls_discover *discover,
				const struct ss_report_callbacks *callbacks);
void ss_report_free(struct ss_report *report);

/* What is known of a connection changed. */
void ss_report_flow(struct ss_report *report, const struct ss_tls_flow *flow);
/* Plaintext of it was captured. */
void ss_report_plaintext(struct ss_report *report, const struct ss_tls_socket *socket);
/* Are its keys in the capture? */
bool ss_report_is_keyed(const struct ss_report *report, const struct ss_tls_socket *socket);

/* Is its plaintext, and not its keys? */
bool ss_report_is_plaintext(const struct ss_report *report, const struct ss_endpoint *one,
			    const struct ss_endpoint *other);

/* Once a second: tells about connections whose time is over. */
void ss_report_tick(struct ss_report *report);
/* Tells about all others. */
void ss_report_finish(struct ss_report *report);

/* "OpenSSL 3.0.17, Java (not readable)": what the processes have. g_free(). */
char *ss_report_libraries(const struct ss_report *report);
/* Why one of the processes can't be looked into; NULL: all can. Borrowed for the moment. */
const char *ss_report_blind(const struct ss_report *report);
/* "TLS: 12 connections: 10 decrypted, 2 handshake missed"; NULL: none was seen. g_free(). */
char *ss_report_summary(const struct ss_report *report);

#endif
