/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tshark -r - reads pcapng from its standard input as it comes. Columns are chosen so that the pod
 * stands beside the packet; without our plugin the interface's name takes its place.
 */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <glib.h>

#include "privilege.h"

#define COLUMNS                                                                                    \
	"gui.column.format:\"Time\",\"%Yut\",\"Interface\",\"%Cus:frame.interface_name:0:R\","     \
	"\"Source\",\"%s\",\"Dir\",\"%Cus:stratoshark.direction:0:R\",\"Destination\",\"%d\","     \
	"\"Protocol\",\"%p\",\"Length\",\"%L\",\"Info\",\"%i\""

/* Records of who is who are for the file: here they would stand between the packets. */
#define NO_DESCRIPTIONS                                                                            \
	"!(frame.interface_name == \"stratoshark-events\" && json.path_with_value in "             \
	"{\"/event:pod\", \"/event:service\", \"/event:node\", \"/event:process\"})"

static void run_tshark(int fd, const char *display_filter)
{
	const char *argv[] = {
		"tshark", "-r",
		"-",      "-l",
		"-N",     "n",
		"-o",     COLUMNS,
		"-o",     "nameres.use_external_name_resolver:FALSE",
		"-Y",     display_filter ? display_filter : NO_DESCRIPTIONS,
		NULL,
	};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(fd, STDIN_FILENO);
	if (null >= 0 && geteuid() == 0)
		dup2(null,
		     STDERR_FILENO); /* "Running as user root": with no capability it is not */
	signal(SIGINT, SIG_IGN); /* Ctrl-C ends the capture; tshark ends when it has shown all */
	signal(SIGPIPE, SIG_DFL);
	ss_privilege_drop_for_exec();
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

int ss_live_start(const char *display_filter, pid_t *ret_pid, int *ret_fd, struct ss_error *error)
{
	g_autofree char *program = g_find_program_in_path("tshark");
	ss_autofd int reader = -1, writer = -1;
	int ends[2];
	pid_t pid;

	if (!program)
		return ss_fail(error, -ENOENT,
			       "--live shows packets through tshark, which is not "
			       "installed: sudo apt-get install tshark, or use "
			       "--output FILE");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ss_fail(error, -errno, "cannot make a pipe: %s", g_strerror(errno));
	reader = ends[0];
	writer = ends[1];
	pid = fork();
	if (pid < 0)
		return ss_fail(error, -errno, "cannot start tshark: %s", g_strerror(errno));
	if (pid == 0)
		run_tshark(reader, display_filter);
	*ret_pid = pid;
	*ret_fd = g_steal_fd(&writer);
	return 0;
}

void ss_live_wait(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
