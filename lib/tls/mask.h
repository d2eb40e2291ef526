/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a stream that may still be changed. Scanners see each byte once, with its position
 * in the stream, and may mask those they saw before; what has been handed out is out of reach.
 */
#ifndef SS_TLS_MASK_H
#define SS_TLS_MASK_H

#include <stdint.h>

#include <glib.h>

#define SS_MASK_BYTE '*'
#define SS_MASK_NONE UINT64_MAX /* a position: nothing is held back */

struct ss_mask {
	uint8_t *data; /* from base to end */
	uint64_t base, end;
	uint64_t masked; /* bytes so far */
};

static inline void ss_mask_put(struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	uint8_t *at;

	if (position < mask->base || position >= mask->end)
		return;
	at = mask->data + (position - mask->base);
	mask->masked += *at != byte;
	*at = byte;
}

static inline void ss_mask_all(struct ss_mask *mask, const uint64_t *positions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ss_mask_put(mask, positions[i], SS_MASK_BYTE);
}

/* The first of ascending positions that has not been handed out when all before released were. */
static inline uint64_t ss_mask_first(const uint64_t *positions, size_t count, uint64_t released)
{
	for (size_t i = 0; i < count; i++) {
		if (positions[i] >= released)
			return positions[i];
	}
	return SS_MASK_NONE;
}

#endif
