/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extcap has no privileges and needs none: those are on the program's file (setcap), which
 * Linux honours at exec. Same process, so Wireshark's SIGTERM reaches the capture itself.
 */
#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int ss_program_exec(char *arguments[], const char **ret_path)
{
	static char installed[] = SS_PROGRAM_PATH, searched[] = PROGRAM_NAME;
	char *chosen = getenv("STRATOCAP_PROGRAM");
	int error;

	if (chosen && *chosen) {
		*ret_path = arguments[0] = chosen;
		execv(chosen, arguments);
		return -errno;
	}
	*ret_path = arguments[0] = installed;
	execv(installed, arguments);
	error = errno;
	if (error == ENOENT || error == ENOTDIR) {
		arguments[0] = searched;
		execvp(searched, arguments);
	}
	return -error;
}
