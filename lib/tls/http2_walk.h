/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets in one direction of an HTTP/2 connection: in header blocks, and in the bodies of streams.
 */
#ifndef SS_TLS_HTTP2_WALK_H
#define SS_TLS_HTTP2_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/mask.h"
#include "tls/rules.h"

struct ss_http2_walk;

/* preface: the connection's begins here. in_frame: what comes first may be the rest of a frame. */
struct ss_http2_walk *ss_http2_walk_new(const struct ss_tls_rules *rules, bool preface,
					bool in_frame);
void ss_http2_walk_free(struct ss_http2_walk *walk);

/* Frames are missing here. */
void ss_http2_walk_forget(struct ss_http2_walk *walk);

/* As those of text.h. */
void ss_http2_walk_byte(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t position,
			uint8_t byte);
void ss_http2_walk_settle(struct ss_http2_walk *walk, struct ss_mask *mask, uint64_t position);
uint64_t ss_http2_walk_hold(const struct ss_http2_walk *walk);

#endif
