/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program: finds the command, parses its options, runs it, says what went wrong. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "help.h"
#include "text.h"

static void print_log(enum ss_log_level level, const char *message, void *user_data)
{
	const struct ss_options *options = user_data;

	if (level == SS_LOG_DEBUG && !options->verbose)
		return;
	if (level == SS_LOG_NOTE && options->quiet)
		return;
	text_say(message);
}

static int run(enum ss_command command, struct ss_options *options, struct ss_error *error)
{
	switch (command) {
	case SS_COMMAND_CAPTURE:
		return command_capture(options, error);
	case SS_COMMAND_PODS:
		return command_pods(options, error);
	case SS_COMMAND_DOCTOR:
		return command_doctor(options, error);
	case SS_COMMAND_TLS:
		return command_tls(options, error);
	case SS_COMMAND_STATS:
		return command_stats(options, error);
	case SS_COMMAND_FILTER:
		return command_filter(options, error);
	case SS_COMMAND_GENERATE:
		return command_generate(options, error);
	}
	return -EINVAL;
}

static const struct ss_command_row *find_command(const char *name)
{
	for (const struct ss_command_row *row = ss_command_table; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

int main(int argc, char **argv)
{
	const struct ss_command_row *command;
	struct ss_error error = {0};
	struct ss_options options;
	int r;

	if (argc < 2) {
		ss_help_overview(stderr);
		return SS_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		printf(PROGRAM_NAME " " SS_VERSION "\n");
		return SS_EXIT_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		ss_help_overview(stdout);
		return SS_EXIT_OK;
	}
	command = find_command(argv[1]);
	if (!command) {
		g_autofree char *message = g_strdup_printf(
			"there is no command '%s': see '" PROGRAM_NAME " --help'", argv[1]);

		text_say(message);
		return SS_EXIT_USAGE;
	}
	ss_options_init(&options);
	ss_log_set_callback(print_log, &options);
	r = ss_options_parse(&options, command->id, argc - 1, argv + 1, &error);
	if (r == 0 && options.help)
		ss_help_print(stdout, command);
	else if (r == 0)
		r = run(command->id, &options, &error);
	if (r < 0 && error.message[0])
		text_say(error.message);
	ss_options_deinit(&options);
	return (int)ss_exit_status(r);
}
