/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extcap: what Wireshark and tshark run to learn which pods there are and to capture one.
 * libc only, since Wireshark starts it dozens of times and waits. It captures nothing itself:
 * the program beside it does (capture.c).
 *
 * A query ignores arguments it does not know, so that a newer Wireshark may add some; a capture
 * refuses them, since a dropped option would capture something else than was asked for.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extcap.h"

enum argument_kind {
	/* Phases, the strongest first. */
	PHASE_HELP,
	PHASE_VERSION,
	PHASE_CLEANUP,
	PHASE_INTERFACES,
	PHASE_DLTS,
	PHASE_CONFIG,
	PHASE_CAPTURE,
	PHASE_FILTER,
	PHASE_NONE,
	VALUE_INTERFACE,
	VALUE_FIFO,
	VALUE_FILTER,
	IGNORED_FLAG,
	IGNORED_VALUE,
};

static const struct {
	const char *name;
	enum argument_kind kind;
} known[] = {
	{"help", PHASE_HELP},
	{"version", PHASE_VERSION},
	{"extcap-cleanup-postkill", PHASE_CLEANUP}, /* 4.6, after SIGKILL: nothing outlives us */
	{"extcap-interfaces", PHASE_INTERFACES},
	{"extcap-dlts", PHASE_DLTS},
	{"extcap-config", PHASE_CONFIG},
	{"capture", PHASE_CAPTURE},
	{"extcap-interface", VALUE_INTERFACE},
	{"fifo", VALUE_FIFO},
	{"extcap-capture-filter", VALUE_FILTER},
	{"extcap-version", IGNORED_FLAG},
	{"extcap-reload-option", IGNORED_VALUE},
	{"extcap-control-in", IGNORED_VALUE},
	{"extcap-control-out", IGNORED_VALUE},
	{"log-level", IGNORED_VALUE},
	{"log-file", IGNORED_VALUE},
};

static bool name_is(const char *argument, size_t length, const char *name)
{
	return strlen(name) == length && strncmp(argument, name, length) == 0;
}

static const struct ss_option *find_option(const char *name, size_t length)
{
	for (const struct ss_option *row = ss_option_table; row->name; row++)
		if (row->extcap_type && name_is(name, length, row->name))
			return row;
	return NULL;
}

static bool find_known(const char *name, size_t length, enum argument_kind *ret_kind)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (name_is(name, length, known[i].name)) {
			*ret_kind = known[i].kind;
			return true;
		}
	}
	return false;
}

/* An empty value, which a cleared field of the dialog gives, means the default. */
static bool add_option(struct ss_request *request, const struct ss_option *row, const char *value)
{
	bool is_flag = !row->argument;

	if (is_flag ? value && strcmp(value, "false") == 0 : !*value)
		return true;
	if (request->option_count == SS_REQUEST_OPTIONS_MAX)
		return false;
	request->options[request->option_count].row = row;
	request->options[request->option_count++].value = is_flag ? NULL : value;
	return true;
}

/* Reads one argument and its value; returns how many words that took, 0 if it is unknown. */
static int read_argument(struct ss_request *request, enum argument_kind *phase, char *const *words)
{
	const char *name = words[0], *value;
	const struct ss_option *row;
	enum argument_kind kind;
	bool takes_value;
	size_t length;

	if (strncmp(name, "--", 2) != 0)
		return 0;
	name += 2;
	length = strcspn(name, "=");
	row = find_option(name, length);
	if (!row && !find_known(name, length, &kind))
		return 0;
	takes_value = row ? row->argument != NULL
			  : kind == IGNORED_VALUE || (kind > PHASE_NONE && kind < IGNORED_FLAG);
	value = name[length] == '=' ? name + length + 1 : takes_value ? words[1] : NULL;
	if (takes_value && !value)
		return 0;
	if (row) {
		if (!add_option(request, row, value))
			return 0;
	} else if (kind < PHASE_NONE && kind < *phase) {
		*phase = kind;
	} else if (kind == VALUE_INTERFACE) {
		request->interface = value;
	} else if (kind == VALUE_FIFO) {
		request->fifo = value;
	} else if (kind == VALUE_FILTER) {
		request->filter = *value ? value : NULL;
		if (*phase > PHASE_FILTER)
			*phase = PHASE_FILTER;
	}
	return takes_value && value == words[1] ? 2 : 1;
}

static int print_help(void)
{
	printf("This is StratoShark's extcap, which Wireshark and tshark run; it is of little use by "
	       "hand.\n\n"
	       "It adds the pods of this node to Wireshark's list of interfaces:\n"
	       "  tshark -D\n"
	       "  tshark -i stratoshark-pod:production/api -Y http\n"
	       "  tshark -i stratoshark-ns:production -w production.pcapng\n"
	       "and what their processes say through TLS:\n"
	       "  tshark -i stratoshark-ssl-plaintext:production/api\n\n"
	       "Wireshark finds it in its extcap folders (Help, About, Folders; or tshark -G "
	       "folders).\n"
	       "The capturing is done by " SS_PROGRAM_PATH ": see '" PROGRAM_NAME
	       " capture --help'\nand, when something does not work, '" PROGRAM_NAME " doctor'.\n\n"
	       "Wireshark's calls:\n"
	       "  --extcap-interfaces                   list the pods and namespaces\n"
	       "  --extcap-dlts --extcap-interface I    the link type\n"
	       "  --extcap-config --extcap-interface I  the options of the dialog\n"
	       "  --extcap-capture-filter F --extcap-interface I\n"
	       "                                        say what is wrong with filter F\n"
	       "  --capture --extcap-interface I --fifo FILE [--extcap-capture-filter F]\n"
	       "                                        capture into FILE\n");
	return EXIT_SUCCESS;
}

static int answer(enum argument_kind phase, const struct ss_request *request)
{
	switch (phase) {
	case PHASE_INTERFACES:
		return ss_answer_interfaces(request);
	case PHASE_DLTS:
		return ss_answer_dlts();
	case PHASE_CONFIG:
		return ss_answer_config();
	case PHASE_FILTER:
		return ss_answer_filter(request);
	case PHASE_CAPTURE:
		return ss_capture(request);
	case PHASE_HELP:
		return print_help();
	case PHASE_VERSION:
		printf("StratoShark extcap " SS_VERSION "\n");
		return EXIT_SUCCESS;
	default:
		return EXIT_SUCCESS;
	}
}

int main(int argc, char **argv)
{
	enum argument_kind phase = argc > 1 ? PHASE_NONE : PHASE_HELP;
	struct ss_request request = {0};

	for (int i = 1; i < argc;) {
		int words = read_argument(&request, &phase, argv + i);

		if (words == 0 && !request.unknown)
			request.unknown = argv[i];
		i += words ? words : 1;
	}
	return answer(phase, &request);
}
