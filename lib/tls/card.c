/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the last 19 digits that are only separated by single spaces or dashes. Where a group of
 * digits ends, the groups up to there are tried, the longest combination first: 13 to 19 digits, a
 * known issuer's beginning, the check digit. Digits that touch letters are none of ours
 * (hexadecimal ids), nor are those behind a point (fractions), nor longer runs.
 */
#include "tls/card.h"

#include <stddef.h>
#include <string.h>

enum state { BETWEEN, DIGITS, SEPARATED, SKIPPING };

#define GROUP_MIN 3u /* digits, where there is more than one group */

/* Beginnings, as their first six digits, and lengths. */
static const struct {
	uint32_t low, high;
	uint8_t min, max;
} issuers[] = {
	{400000, 499999, 13, 19},                           /* Visa */
	{510000, 559999, 16, 16},                           /* Mastercard */
	{222100, 272099, 16, 16}, {340000, 349999, 15, 15}, /* American Express */
	{370000, 379999, 15, 15}, {601100, 601199, 16, 19}, /* Discover */
	{644000, 659999, 16, 19}, {300000, 305999, 14, 19}, /* Diners Club */
	{360000, 369999, 14, 19}, {380000, 399999, 14, 19}, {352800, 358999, 16, 19}, /* JCB */
	{620000, 629999, 16, 19},                                                     /* UnionPay */
	{810000, 817199, 16, 19}, {500000, 509999, 13, 19}, /* Maestro, Elo, RuPay, Verve */
	{560000, 589999, 13, 19}, {600000, 639999, 13, 19}, {670000, 679999, 13, 19},
	{220000, 220499, 16, 19}, /* Mir */
	{979200, 979289, 16, 16}, /* Troy */
};

static bool is_issued(const uint8_t *digits, size_t count)
{
	uint32_t beginning = 0;

	for (size_t i = 0; i < 6; i++)
		beginning = beginning * 10 + digits[i];
	for (size_t i = 0; i < G_N_ELEMENTS(issuers); i++) {
		if (beginning >= issuers[i].low && beginning <= issuers[i].high &&
		    count >= issuers[i].min && count <= issuers[i].max)
			return true;
	}
	return false;
}

/* Luhn: from the right, every second digit counts double. */
static bool is_checked(const uint8_t *digits, size_t count)
{
	unsigned sum = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned value = digits[count - 1 - i] * (i % 2 ? 2u : 1u);

		sum += value > 9 ? value - 9 : value;
	}
	return sum % 10 == 0;
}

/* One group, or several of some length with the same separator. */
static bool is_grouped(const struct ss_card *card, size_t start)
{
	uint8_t separator = 0;
	size_t group = 1;

	for (size_t i = start + 1; i < card->count; i++) {
		if (!card->before[i]) {
			group++;
			continue;
		}
		if (group < GROUP_MIN || (separator && separator != card->before[i]))
			return false;
		separator = card->before[i];
		group = 1;
	}
	return !separator || group >= GROUP_MIN;
}

static bool is_card(const struct ss_card *card, size_t start)
{
	size_t count = card->count - start;

	return count >= SS_CARD_DIGITS_MIN && is_grouped(card, start) &&
	       is_issued(card->digit + start, count) && is_checked(card->digit + start, count);
}

/* A number of JSON becomes a string of the same length, for asterisks are no number. */
static void mask_card(const struct ss_card *card, struct ss_mask *mask, size_t start)
{
	size_t count = card->count - start;

	ss_mask_all(mask, card->at + start, count);
	if (card->number && start == 0) {
		ss_mask_put(mask, card->at[start], '"');
		ss_mask_put(mask, card->at[card->count - 1], '"');
	}
}

/* At the end of a group. */
static void evaluate(const struct ss_card *card, struct ss_mask *mask)
{
	if (card->count < SS_CARD_DIGITS_MIN)
		return;
	for (size_t start = 0; start + SS_CARD_DIGITS_MIN <= card->count; start++) {
		if ((start == 0 || card->before[start]) && is_card(card, start)) {
			mask_card(card, mask, start);
			return;
		}
	}
}

static bool is_word(uint8_t byte)
{
	return g_ascii_isalnum(byte) || byte == '_';
}

/* May a number begin here? The letter of an escape (\n) is no neighbour. */
static bool is_boundary(const struct ss_card *card)
{
	uint8_t previous = card->previous[0];

	if (card->previous[1] == '\\' && previous && strchr("nrtbf", previous))
		return true;
	return !is_word(previous) && previous != '.';
}

/* Forgets the first group; false if there is only one. */
static bool forget_group(struct ss_card *card)
{
	size_t drop = 1;

	while (drop < card->count && !card->before[drop])
		drop++;
	if (drop == card->count)
		return false;
	card->count = (uint8_t)(card->count - drop);
	memmove(card->at, card->at + drop, card->count * sizeof(*card->at));
	memmove(card->digit, card->digit + drop, card->count);
	memmove(card->before, card->before + drop, card->count);
	card->number = false;
	return true;
}

static void take_digit(struct ss_card *card, uint64_t position, uint8_t byte)
{
	if (card->state == SKIPPING)
		return;
	if (card->state == BETWEEN) {
		card->count = 0;
		card->separator = 0;
		if (!is_boundary(card)) {
			card->state = SKIPPING;
			return;
		}
		card->number = card->visible[0] == ':' && card->visible[1] == '"';
	}
	if (card->count == SS_CARD_DIGITS_MAX && !forget_group(card)) {
		if (card->state != SEPARATED) {
			card->state = SKIPPING;
			card->count = 0;
			return;
		}
		card->count = 0;
	}
	card->at[card->count] = position;
	card->digit[card->count] = byte - '0';
	card->before[card->count] = card->state == SEPARATED ? card->separator : 0;
	card->count++;
	card->state = DIGITS;
}

static void take_separator(struct ss_card *card, struct ss_mask *mask, uint8_t separator)
{
	if (card->state == DIGITS) {
		evaluate(card, mask);
		card->state = SEPARATED;
		card->separator = separator;
	} else {
		card->state = BETWEEN;
		card->count = 0;
	}
}

static void take_other(struct ss_card *card, struct ss_mask *mask, uint8_t byte)
{
	if (card->state == DIGITS && !is_word(byte))
		evaluate(card, mask);
	card->state = BETWEEN;
	card->count = 0;
}

/* In forms, spaces are '+' or "%20"; the digits of an escape are not ours. True: it was a part. */
static bool take_escape(struct ss_card *card, struct ss_mask *mask, uint8_t byte)
{
	if (!card->percent)
		return false;
	if (!g_ascii_isxdigit(byte)) { /* a mere percent sign */
		card->percent = 0;
		take_other(card, mask, '%');
		return false;
	}
	if (card->percent-- == 2) {
		card->hex = byte;
		return true;
	}
	if (card->hex == '2' && byte == '0')
		take_separator(card, mask, ' ');
	else
		take_other(card, mask, '%');
	return true;
}

void ss_card_byte(struct ss_card *card, struct ss_mask *mask, uint64_t position, uint8_t byte)
{
	if (take_escape(card, mask, byte))
		return;
	if (byte >= '0' && byte <= '9')
		take_digit(card, position, byte);
	else if (byte == ' ' || byte == '-' || byte == '+')
		take_separator(card, mask, byte == '+' ? ' ' : byte);
	else if (byte == '%')
		card->percent = 2;
	else
		take_other(card, mask, byte);
	card->previous[1] = card->previous[0];
	card->previous[0] = byte;
	if (byte != ' ' && byte != '\t' && byte != '\r' && byte != '\n') {
		card->visible[1] = card->visible[0];
		card->visible[0] = byte;
	}
}

void ss_card_end(struct ss_card *card, struct ss_mask *mask)
{
	if (card->state == DIGITS)
		evaluate(card, mask);
}

uint64_t ss_card_hold(const struct ss_card *card, uint64_t released)
{
	return ss_mask_first(card->at, card->count, released);
}
