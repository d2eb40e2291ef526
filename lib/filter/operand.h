/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: the parser's place in the text of a display filter, and what it reads there.
 */
#ifndef SS_FILTER_OPERAND_H
#define SS_FILTER_OPERAND_H

#include "expression.h"

struct ss_parser {
	const char *text, *at;
	unsigned depth, tests;
	struct ss_error *error;
};

/* Of an operand: what it is, and where it stands. */
enum ss_operand_kind {
	SS_OPERAND_WORD,
	SS_OPERAND_STRING,    /* "...", r"..." */
	SS_OPERAND_CHARACTER, /* 'x' */
	SS_OPERAND_OPAQUE,
};

struct ss_operand {
	enum ss_operand_kind kind;
	const char *start, *end;
	const char *word_end; /* WORD: before a slice or a mask */
	bool sliced;
	unsigned slice_start, slice_length;
	uint64_t mask;
};

/* -EINVAL, with the place in the sentence. */
int ss_parser_fail(const struct ss_parser *parser, const char *at, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
void ss_parser_skip_blanks(struct ss_parser *parser);
/* Moves behind the symbol, or behind the word if it ends there. */
bool ss_parser_take(struct ss_parser *parser, const char *symbol);
/* Behind the word at "at"; "at" itself: there is none. */
const char *ss_parser_word_end(const char *at);

/* A side of a comparison, with slices and arithmetic; the primary has none. */
int ss_operand_parse(struct ss_parser *parser, struct ss_operand *ret);
int ss_operand_parse_primary(struct ss_parser *parser, struct ss_operand *ret);

#endif
