/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets in text: HTTP/1 headers, forms, queries, JSON, URLs, card numbers, patterns. What the
 * text is need not be known: each rule knows its own surroundings, and binary data rarely has them.
 */
#ifndef SS_TLS_TEXT_H
#define SS_TLS_TEXT_H

#include <stdint.h>

#include "tls/mask.h"
#include "tls/rules.h"

struct ss_text;

/* Borrows the rules. */
struct ss_text *ss_text_new(const struct ss_tls_rules *rules);
void ss_text_free(struct ss_text *text);

/* The next byte. Positions ascend, but may leave out what is not of this text. */
void ss_text_byte(struct ss_text *text, struct ss_mask *mask, uint64_t position, uint8_t byte);
/* The text ends here, or no longer waits for what follows: what is secret by what is known now is
 * masked, and everything before position may be handed out. */
void ss_text_settle(struct ss_text *text, struct ss_mask *mask, uint64_t position);
/* The first byte that may still have to be masked, or SS_MASK_NONE. */
uint64_t ss_text_hold(const struct ss_text *text);

#endif
