/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payment card numbers in a stream of text: digits, maybe in groups, that an issuer could have
 * given out (ISO/IEC 7812). */
#ifndef SS_TLS_CARD_H
#define SS_TLS_CARD_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/mask.h"

#define SS_CARD_DIGITS_MIN 13u
#define SS_CARD_DIGITS_MAX 19u

/* Embedded by those that scan. Zero is the beginning of a stream. */
struct ss_card {
	uint64_t at[SS_CARD_DIGITS_MAX];
	uint8_t digit[SS_CARD_DIGITS_MAX];
	uint8_t before[SS_CARD_DIGITS_MAX]; /* what separates it from the one before; 0: nothing */
	uint8_t count;
	uint8_t state;
	uint8_t separator;    /* in front of the next digit */
	uint8_t previous[2];  /* bytes, the latest first */
	uint8_t percent, hex; /* digits of %XX still to come; the first one */
	uint8_t visible[2];   /* bytes other than white space, the latest first */
	bool number;          /* the digits stand where JSON has a number */
};

void ss_card_byte(struct ss_card *card, struct ss_mask *mask, uint64_t position, uint8_t byte);
/* The text ends here, or it can't be waited for how it goes on. */
void ss_card_end(struct ss_card *card, struct ss_mask *mask);
/* The first byte that may turn out to be of a card number. */
uint64_t ss_card_hold(const struct ss_card *card, uint64_t released);

#endif
