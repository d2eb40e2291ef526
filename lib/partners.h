/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other half of HTTP exchanges that tshark chooses from: a stage of the gate (gate.h), behind
 * the judge, for filters that first lines do not decide (requests.h is for those). The kernel lets
 * all messages of the kinds in question through; what the judge leaves out waits here (held.h)
 * until its exchange is over, and is taken back, marked as context, if any frame of the exchange
 * was selected: all segments of both messages.
 *
 * Messages are found by their lengths (analysis/http.h), and a response answers the oldest request
 * without one.
 */
#ifndef SS_PARTNERS_H
#define SS_PARTNERS_H

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

struct ss_partners;

struct ss_partners_callbacks { /* as in held.h */
	void (*left_out)(uint32_t interface_id, void *user_data);
	void (*late)(uint32_t interface_id, uint64_t time_ns, GByteArray *block, void *user_data);
	void (*taken_back)(uint32_t interface_id, uint32_t length, void *user_data);
	void *user_data;
};

struct ss_partners_counts {
	uint64_t kept; /* exchanges with a selected message */
	uint64_t cut;  /* of these, too long: what is between their beginning and end is missing */
	uint64_t
		given_up; /* too many waited, or waited too long, to know whether they are wanted */
};

struct ss_partners *ss_partners_new(const struct ss_partners_callbacks *callbacks);
void ss_partners_free(struct ss_partners *partners);

/* As ss_held_interface(). */
void ss_partners_interface(struct ss_partners *partners, uint32_t interface_id, uint16_t link_type,
			   uint32_t owner);

/* As struct ss_pump_gate in pump.h. */
size_t ss_partners_admit(struct ss_partners *partners, void *blocks, size_t length, uint64_t now_ns,
			 uint64_t *ret_again_ns);
void ss_partners_release(struct ss_partners *partners);

void ss_partners_count(const struct ss_partners *partners, struct ss_partners_counts *ret);

#endif
