/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets in the header blocks of HTTP/2 (HPACK, RFC 7541). Values are masked so that every decoder
 * still accepts the block and keeps the masked value in its table.
 */
#ifndef SS_TLS_HPACK_H
#define SS_TLS_HPACK_H

#include <stdint.h>

#include "tls/mask.h"
#include "tls/rules.h"

struct ss_hpack;

struct ss_hpack *ss_hpack_new(const struct ss_tls_rules *rules);
void ss_hpack_free(struct ss_hpack *hpack);

/* The next byte of a block's fragments. */
void ss_hpack_byte(struct ss_hpack *hpack, struct ss_mask *mask, uint64_t position, uint8_t byte);
/* The block ends, whole or not. */
void ss_hpack_end(struct ss_hpack *hpack, struct ss_mask *mask);
/* Something of the stream was not seen: what the table held is unknown. */
void ss_hpack_forget(struct ss_hpack *hpack);
/* As those of text.h. */
void ss_hpack_settle(struct ss_hpack *hpack, struct ss_mask *mask, uint64_t position);
uint64_t ss_hpack_hold(const struct ss_hpack *hpack);

#endif
