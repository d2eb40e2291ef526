/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for a terminal. Names, labels and what a peer answers come from people who may deploy pods,
 * and the terminal is another's.
 */
#ifndef SS_CLI_TEXT_H
#define SS_CLI_TEXT_H

/* With '?' for what is no printable character, also what changes the direction of writing. */
char *text_printable(const char *text);
/* Says it on stderr, as the program; lines of it stay lines. */
void text_say(const char *message);

#endif
