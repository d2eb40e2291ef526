/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help that teaches, from the rows of option_table.h. */
#ifndef SS_CLI_HELP_H
#define SS_CLI_HELP_H

#include <stdio.h>

#include "option_table.h"

/* "stratoshark --help": the commands, how to begin. */
void ss_help_overview(FILE *stream);

/* "stratoshark COMMAND --help": usage, what it does, options, examples. */
void ss_help_print(FILE *stream, const struct ss_command_row *command);

#endif
