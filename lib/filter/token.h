/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: a filter as words, whatever its language; and sentences that quote it. */
#ifndef SS_FILTER_TOKEN_H
#define SS_FILTER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define SS_TOKEN_NOWHERE ((size_t)-1)

/* The token at *position, which moves behind it; NULL at the end. g_free(). */
char *ss_token_next(const char **position, const char **ret_start);
/* "tcp.port": starts with a letter, dots inside. */
bool ss_token_is_field(const char *token);

/* "cannot parse KIND filter 'TEXT': MESSAGE", and where: a caret under byte column of the text, or
 * SS_TOKEN_NOWHERE. g_free(). */
char *ss_filter_sentence(const char *kind, const char *text, const char *message, size_t column);

/* The last part of it: the lines of the text and the caret, each behind a line break; empty where
 * columns would be a guess. g_free(). */
char *ss_filter_caret(const char *text, size_t column);

#endif
