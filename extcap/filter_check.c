/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --extcap-capture-filter without --capture, at every key typed in the capture filter field: the
 * program's "filter" command is silent about a valid filter and says what is wrong with another.
 * Wireshark ignores the output of a query that fails and waits for one that hangs, hence a child
 * with an alarm instead of an exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extcap.h"
#include "program.h"

#define PATIENCE_S 5

int ss_answer_filter(const struct ss_request *request)
{
	static char command[] = "filter", end_of_options[] = "--";
	char *arguments[] = {NULL, command, end_of_options, NULL, NULL};
	const char *path;
	pid_t pid;

	if (!request->filter)
		return EXIT_SUCCESS;                    /* no filter is a valid one */
	arguments[3] = (char *)(size_t)request->filter; /* argv of ours: exec(3) does not write */
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null >= 0)
			dup2(null, STDERR_FILENO);
		alarm(PATIENCE_S);
		ss_program_exec(arguments, &path);
		_exit(EXIT_FAILURE); /* a missing program is told at the capture */
	}
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return EXIT_SUCCESS;
}
