/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps one way of an HTTP/2 connection in frames for who reads it, whatever is lost of it: a gap
 * is filled to the end of its frame only, behind which whole frames may be missing; what follows is
 * left out up to the next frame that is found. Other protocols pass as they are.
 */
#ifndef SS_TLS_FRAMING_H
#define SS_TLS_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/http2.h"

/* Zero: no stream has begun yet. */
struct ss_tls_framing {
	bool tracked; /* it is HTTP/2, and frames says where in it */
	bool seeking; /* a frame's beginning: what comes before is left out */
	struct ss_http2_track frames;
	uint64_t left_out; /* bytes, while seeking */
};

/* A stream begins, perhaps in the middle of the way. */
void ss_tls_framing_begin(struct ss_tls_framing *framing, bool is_http2);
/* The next bytes: cut to those that are to be shown; false without any. *ret_comment says what is
 * missing in front of them, NULL if nothing is. g_free(). */
bool ss_tls_framing_take(struct ss_tls_framing *framing, const uint8_t **data, size_t *length,
			 char **ret_comment);
/* So many bytes are lost: zeros stand for *ret_fill of them, at most fill_max. False: too many, or
 * such that no zeros can stand for them; the stream has to end, the next one begins with a frame.
 */
bool ss_tls_framing_lose(struct ss_tls_framing *framing, uint64_t lost, uint64_t fill_max,
			 uint64_t *ret_fill);

#endif
