/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests on what is the same for all frames of a slot: pod, namespace, device, direction. They are
 * decided when the slot is set up, not in the program, so that programs serve one pod after
 * another: the verdicts are bits in the slot's flags.
 */
#ifndef SS_FILTER_IDENTITY_H
#define SS_FILTER_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "field.h"

struct ss_filter;

/* What our Wireshark plugin would say of the frames. Borrowed. */
struct ss_identity {
	const char *name, *description; /* of the interface: format/metadata.h */
	unsigned direction;             /* enum ss_direction */
	bool present;                   /* the frames have metadata: there is a pod */
};

extern const struct ss_family ss_family_identity;

/* For the flags of a slot: SS_SLOT_VERDICTS (format/ring.h). */
uint32_t ss_filter_verdicts(const struct ss_filter *filter, const struct ss_identity *identity);

#endif
