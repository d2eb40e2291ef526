/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other half of DNS exchanges: a stage of the gate (gate.h), behind the judge. What that leaves
 * out and belongs to a selected message is taken back, marked as context (held.h).
 *
 * Queries that are not selected wait for an answer: in the ring for seconds, so that those which
 * take long have their true times; one that nobody answers, for a minute, because no resolver waits
 * that long. Answers to selected queries do not wait. An answer belongs to the queries with its
 * addresses, ports and id; those that were repeated are all its own.
 */
#ifndef SS_QUERIES_H
#define SS_QUERIES_H

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

struct ss_queries;

struct ss_queries_callbacks { /* as in held.h */
	void (*left_out)(uint32_t interface_id, void *user_data);
	void (*late)(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data);
	void (*taken_back)(uint32_t interface_id, uint32_t length, void *user_data);
	void *user_data;
};

struct ss_queries_counts {
	uint64_t kept;     /* exchanges whose other half is there for the wanted one */
	uint64_t given_up; /* too many were under way: the wanted half comes alone */
};

struct ss_queries *ss_queries_new(const struct ss_queries_callbacks *callbacks);
void ss_queries_free(struct ss_queries *queries);

/* As ss_held_interface(). */
void ss_queries_interface(struct ss_queries *queries, uint32_t interface_id, uint16_t link_type,
			  uint32_t owner);

/* As struct ss_pump_gate in pump.h. */
size_t ss_queries_admit(struct ss_queries *queries, void *blocks, size_t length, uint64_t now_ns,
			uint64_t *ret_again_ns);
void ss_queries_release(struct ss_queries *queries);

void ss_queries_count(const struct ss_queries *queries, struct ss_queries_counts *ret);

#endif
