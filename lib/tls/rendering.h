/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plaintext of a connection as packets: its two ways are masked (veil.h), kept in frames
 * (framing.h), and written as a TCP stream (synth.h). Where too much is lost, another stream
 * begins.
 */
#ifndef SS_TLS_RENDERING_H
#define SS_TLS_RENDERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/framing.h"
#include "tls/opening.h"
#include "tls/synth.h"
#include "tls/veil.h"

/* What all renderings of a capture share. */
struct ss_tls_renderer {
	struct ss_tls_redact *redact; /* NULL shows all; borrowed */
	uint32_t gap_max;             /* bytes; larger gaps are not filled */
	uint32_t streams;             /* so far; seeds and made-up addresses differ by it */
};

/* Embedded in who has the connection. */
struct ss_tls_rendering {
	struct ss_tls_renderer *renderer;
	ss_tls_synth_emit emit;
	void *user_data;
	struct ss_tls_opening opening; /* of the stream; nothing of its beginning */
	struct ss_tls_synth *synth;    /* NULL: nothing is shown */
	struct ss_tls_rendering_way {
		struct ss_tls_rendering *rendering;
		struct ss_tls_veil veil;
		struct ss_tls_framing framing;
	} ways[2]; /* [0] what the process reads, [1] what it writes */
};

/* Borrows renderer. Does not move any more. emit gets the packets. */
void ss_tls_rendering_init(struct ss_tls_rendering *rendering, struct ss_tls_renderer *renderer,
			   ss_tls_synth_emit emit, void *user_data);
/* Emits nothing. */
void ss_tls_rendering_deinit(struct ss_tls_rendering *rendering);

/* Is there a stream? Without one, nothing is written below. */
static inline bool ss_tls_rendering_is_open(const struct ss_tls_rendering *rendering)
{
	return rendering->synth;
}

/* Times are those of packets; comments and reasons may be NULL. Begins a stream; reason: why here.
 */
void ss_tls_rendering_open(struct ss_tls_rendering *rendering, const struct ss_tls_opening *opening,
			   uint64_t time_ns, const char *reason);
/* Ends it, the end that sent out first. What the redaction keeps back goes before. */
void ss_tls_rendering_close(struct ss_tls_rendering *rendering, bool out, uint64_t time_ns,
			    const char *comment);
/* The next bytes of a way. */
void ss_tls_rendering_pass(struct ss_tls_rendering *rendering, bool out, const uint8_t *data,
			   size_t length, uint64_t time_ns, const char *comment);
/* So many bytes are missing here; why: how that came, or "". */
void ss_tls_rendering_gap(struct ss_tls_rendering *rendering, bool out, uint64_t length,
			  const char *why, uint64_t time_ns);

/* Does the redaction keep something back, and since when? */
bool ss_tls_rendering_keeps(const struct ss_tls_rendering *rendering, bool out,
			    uint64_t *ret_since_ns);
/* It leaves as it is now. */
void ss_tls_rendering_let_go(struct ss_tls_rendering *rendering, bool out, uint64_t time_ns);

#endif
