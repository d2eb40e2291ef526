/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --capture: this process becomes "stratoshark capture", writing to the fifo. dumpcap waits until
 * somebody opens the fifo, Wireshark 4.0 for ever; so that comes first, before anything can fail.
 * Words from outside reach the program only as "--name=WORD": none can turn into an option.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "extcap.h"
#include "podlist.h"
#include "program.h"

struct arguments {
	char *items[SS_REQUEST_OPTIONS_MAX + 12];
	size_t count;
};

static void wake(int number)
{
	(void)number; /* its work is EINTR */
}

/* Blocks until dumpcap opens its end; looks up every half second whether Wireshark still lives. */
static int open_fifo(const char *path, pid_t parent)
{
	const struct itimerval half_second = {{0, 500000}, {0, 500000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = wake};
	int fd;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &half_second, NULL);
	do
		fd = open(path, O_WRONLY | O_CLOEXEC);
	while (fd < 0 && errno == EINTR && getppid() == parent);
	if (fd < 0)
		fd = -errno;
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	return fd;
}

/* A cut name is looked for among the pods there are; two pods of one name are no answer. */
static bool find_row(const char *interface, struct ss_row *ret_row)
{
	struct ss_rows rows = {0};
	size_t found = 0;

	if (ss_row_parse(interface, ret_row))
		return true;
	if (!strchr(interface, '~'))
		return false;
	ss_podlist_read(&rows);
	ss_podlist_read_asked(&rows, getppid());
	ss_rows_sort(&rows);
	for (size_t i = 0; i < rows.count; i++) {
		char value[SS_ROW_SIZE];

		ss_row_value(&rows.items[i], value);
		if (strcmp(value, interface) == 0) {
			*ret_row = rows.items[i];
			found++;
		}
	}
	ss_rows_deinit(&rows);
	return found == 1;
}

static void add(struct arguments *arguments, const char *name, const char *value)
{
	char *text;

	if (asprintf(&text, value ? "--%s=%s" : "--%s", name, value) < 0)
		_exit(EXIT_FAILURE);
	arguments->items[arguments->count++] = text;
}

/* Every row of the list offers the pod (config.c); only the one without a name takes it. */
static void add_options(struct arguments *arguments, const struct ss_request *request,
			const struct ss_row *row)
{
	for (size_t i = 0; i < request->option_count; i++)
		if (request->options[i].row->id != SS_OPTION_POD || !row->namespace_name[0])
			add(arguments, request->options[i].row->name, request->options[i].value);
}

/* Returns only on failure. */
static int become_program(const struct ss_request *request, const struct ss_row *row)
{
	static char command[] = "capture";
	struct arguments arguments = {.items = {NULL, command}, .count = 2};
	char name[SS_ROW_FULL_SIZE];
	const char *path;
	int r;

	snprintf(name, sizeof(name), "%s%s%s", row->namespace_name, row->pod[0] ? "/" : "",
		 row->pod);
	if (name[0])
		add(&arguments, row->pod[0] ? "pod" : "namespace", name);
	if (row->plaintext) {
		add(&arguments, "ssl-plaintext", NULL);
		add(&arguments, "no-packets", NULL);
	}
	add(&arguments, "output", "-");
	add(&arguments, "quiet", NULL);
	add(&arguments, "exit-with-parent", NULL);
	if (request->filter)
		add(&arguments, "filter", request->filter);
	add_options(&arguments, request, row);
	r = ss_program_exec(arguments.items, &path);
	fprintf(stderr,
		"cannot start '%s', which does the capturing: %s; install " PROGRAM_NAME
		" there or set STRATOCAP_PROGRAM to its path\n",
		path, strerror(-r));
	for (size_t i = 2; i < arguments.count; i++)
		free(arguments.items[i]);
	return EXIT_FAILURE;
}

/* Words of a command line or of Wireshark's settings, as a terminal may have them. */
static const char *printable(const char *text, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%s", text ? text : "");
	for (char *p = ret_text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return ret_text;
}

int ss_capture(const struct ss_request *request)
{
	pid_t parent = getppid();
	char shown[300];
	struct ss_row row;
	int fd;

	if (!request->fifo) {
		fprintf(stderr, "--capture needs --fifo FILE, which Wireshark passes; to capture "
				"by hand use '" PROGRAM_NAME " capture'\n");
		return EXIT_FAILURE;
	}
	fd = open_fifo(request->fifo, parent);
	if (fd == -EINTR)
		return EXIT_SUCCESS; /* Wireshark is gone */
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0) {
		fprintf(stderr, "cannot open Wireshark's fifo '%s': %s\n",
			printable(request->fifo, shown, sizeof(shown)),
			strerror(fd < 0 ? -fd : errno));
		return EXIT_FAILURE;
	}
	if (request->unknown) {
		fprintf(stderr,
			"unknown argument '%s': the options are those of '" PROGRAM_NAME
			" capture --help' that Wireshark's dialog shows\n",
			printable(request->unknown, shown, sizeof(shown)));
		return EXIT_FAILURE;
	}
	if (!request->interface || !find_row(request->interface, &row)) {
		fprintf(stderr,
			"no pod or namespace is named by '%s': the interface is " SS_INTERFACE_POD_PREFIX
			"<namespace>/<pod>, " SS_INTERFACE_NS_PREFIX
			"<namespace> or " SS_INTERFACE_PLAINTEXT ":<namespace>/<pod>\n",
			printable(request->interface, shown, sizeof(shown)));
		return EXIT_FAILURE;
	}
	return become_program(request, &row);
}
