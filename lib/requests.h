/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only HTTP requests whose answer is wanted: a stage of the gate (gate.h) for filters on responses.
 * The kernel lets wanted responses through, every request, and what ends connections. A request
 * waits here for its response; the next one on the connection, or its end, tells that it was
 * answered otherwise.
 *
 * It waits in the ring for a moment, which keeps the order. Then it is copied, so that a slow
 * answer does not hold up all others; if one comes after all, the copy goes before it, stamped as
 * late as that needs, with the true time as a comment.
 */
#ifndef SS_REQUESTS_H
#define SS_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

struct ss_requests;

struct ss_requests_callbacks {
	/* A frame of the interface is not written. */
	void (*left_out)(uint32_t interface_id, void *user_data);
	/* ... or it is, now: a whole Enhanced Packet Block, which belongs before all that is
	 * offered. Takes the block. */
	void (*late)(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data);
	void *user_data;
	/* Is the frame of the block somebody else's? NULL: none is. */
	bool (*skip)(const void *block, size_t size, void *user_data);
};

struct ss_requests_counts {
	uint64_t kept; /* requests whose answer was wanted */
	uint64_t
		given_up; /* too many waited, or waited too long: their answer comes without them */
};

struct ss_requests *ss_requests_new(const struct ss_requests_callbacks *callbacks);
void ss_requests_free(struct ss_requests *requests);

/* Before the interface's first frame; frames of others are let through. owner: who sees connections
 * there; the same number for all interfaces of a pod. */
void ss_requests_interface(struct ss_requests *requests, uint32_t interface_id, uint16_t link_type,
			   uint32_t owner);

/* As struct ss_pump_gate in pump.h. */
size_t ss_requests_admit(struct ss_requests *requests, void *blocks, size_t length, uint64_t now_ns,
			 uint64_t *ret_again_ns);
void ss_requests_release(struct ss_requests *requests);

void ss_requests_count(const struct ss_requests *requests, struct ss_requests_counts *ret);

#endif
