/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside lib/filter: regular expressions of "matches". Wireshark has those of PCRE, as GLib, which
 * unlike tshark says where one is wrong.
 */
#ifndef SS_FILTER_PATTERN_H
#define SS_FILTER_PATTERN_H

#include "expression.h"

/* Whether GLib takes the test's expression; false, too, if the test has none. ret_offset: the byte
 * where it is wrong, or 0 if GLib does not say. */
bool ss_pattern_check(const struct ss_test *test, size_t *ret_offset);

/* The column in text, which was parsed to expression, where the first expression that GLib refuses
 * is wrong; SS_TOKEN_NOWHERE: it takes all. */
size_t ss_pattern_find_wrong(const struct ss_expression *expression, const char *text);

#endif
