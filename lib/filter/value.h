/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: literals of display filters, by the type of the field. */
#ifndef SS_FILTER_VALUE_H
#define SS_FILTER_VALUE_H

#include "expression.h"

/*
 * The meaning of a literal for a field: 0; -ERANGE: more than the field can hold; -EINVAL: not of
 * this form (a name that only Wireshark may know, or a mistake). word has no quotes.
 */
int ss_value_parse(const char *word, const struct ss_field *field, struct ss_value *ret);

/* The number that a name stands for; false: none of the field. */
bool ss_value_named(const char *word, const struct ss_field *field, struct ss_value *ret);

/* Bytes as Wireshark writes them: hex digits in pairs, between which there may be : - or a dot. */
GBytes *ss_value_bytes(const char *word);
/* The inside of a quoted string or character, its escapes resolved; NULL: a wrong escape. */
GBytes *ss_value_unescape(const char *text, size_t length);
/* How many characters of a text that could be unescaped stand for its first so many bytes. */
size_t ss_value_escaped(const char *text, size_t bytes);
/* With quotes, and escapes where they are needed. g_free(). */
char *ss_value_quote(const char *text);

#endif
