/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words are wrapped here, so that the table holds sentences and nothing about their layout. */
#include "help.h"

#include <stdbool.h>
#include <string.h>

#define COLUMNS     90 /* readable in a terminal of 100, harmless in one of 80 */
#define HELP_COLUMN 28 /* where an option's help begins */

/* Prints words up to COLUMNS; the cursor is at column, further lines begin at indent. */
static void print_wrapped(FILE *stream, const char *text, int column, int indent)
{
	bool first = true;

	while (*text) {
		int length = (int)strcspn(text, " ");

		if (!first && column + 1 + length > COLUMNS) {
			fprintf(stream, "\n%*s", indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', stream);
			column++;
		}
		fprintf(stream, "%.*s", length, text);
		column += length;
		text += length;
		text += strspn(text, " ");
		first = false;
	}
	fputc('\n', stream);
}

static void print_entry(FILE *stream, int column, int help_column, const char *help)
{
	if (column + 2 > help_column) {
		fputc('\n', stream);
		column = 0;
	}
	fprintf(stream, "%*s", help_column - column, "");
	print_wrapped(stream, help, help_column, help_column);
}

static void print_option(FILE *stream, const struct ss_option *row)
{
	int column;

	if (row->id < 256)
		column = fprintf(stream, "  -%c, --%s", row->id, row->name);
	else
		column = fprintf(stream, "      --%s", row->name);
	if (row->argument)
		column += fprintf(stream, " %s", row->argument);
	print_entry(stream, column, HELP_COLUMN, row->help);
}

void ss_help_print(FILE *stream, const struct ss_command_row *command)
{
	fprintf(stream, "Usage: " PROGRAM_NAME " %s%s%s\n\n", command->name,
		command->arguments[0] ? " " : "", command->arguments);
	print_wrapped(stream, command->about, 0, 0);
	fputs("\nOptions:\n", stream);
	for (const struct ss_option *row = ss_option_table; row->name; row++)
		if (row->help && row->commands & command->id)
			print_option(stream, row);
	if (command->examples[0])
		fprintf(stream, "\nExamples:\n%s", command->examples);
}

void ss_help_overview(FILE *stream)
{
	fputs("Usage: " PROGRAM_NAME " COMMAND [OPTION]...\n\n", stream);
	print_wrapped(
		stream,
		"Captures Kubernetes pods from their node with eBPF, without touching them, into "
		"pcapng that any Wireshark opens.",
		0, 0);
	fputs("\nCommands:\n", stream);
	for (const struct ss_command_row *row = ss_command_table; row->name; row++)
		if (row->help)
			print_entry(stream, fprintf(stream, "  %s", row->name), 12, row->help);
	fputs("\nStart with:\n"
	      "  " PROGRAM_NAME " doctor                         # does it work here, for me?\n"
	      "  " PROGRAM_NAME " pods                           # which pods are there?\n"
	      "  " PROGRAM_NAME " capture --pod production/api   # watch one\n"
	      "In Wireshark the pods are rows of the interface list, 'pod:production/api'; in tshark:\n"
	      "  tshark -i stratoshark-pod:production/api -Y http\n\n"
	      "'" PROGRAM_NAME " COMMAND --help' has a command's options and more examples.\n",
	      stream);
}
