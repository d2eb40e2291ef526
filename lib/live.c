/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tshark -r - reads pcapng from its standard input as it comes. Columns are chosen so that the pod
 * stands beside the packet; without our plugin the interface's name takes its place.
 */
#include "live.h"

#include <glib.h>

#include "tshark.h"

#define COLUMNS                                                                                    \
	"gui.column.format:\"Time\",\"%Yut\",\"Interface\",\"%Cus:frame.interface_name:0:R\","     \
	"\"Source\",\"%s\",\"Dir\",\"%Cus:stratoshark.direction:0:R\",\"Destination\",\"%d\","     \
	"\"Protocol\",\"%p\",\"Length\",\"%L\",\"Info\",\"%i\""

/* Records of who is who are for the file: here they would stand between the packets. */
#define NO_DESCRIPTIONS                                                                            \
	"!(frame.interface_name == \"stratoshark-events\" && json.path_with_value in "             \
	"{\"/event:pod\", \"/event:service\", \"/event:node\", \"/event:process\"})"

int ss_live_start(const char *display_filter, pid_t *ret_pid, int *ret_fd, struct ss_error *error)
{
	const char *arguments[] = {"-r",
				   "-",
				   "-l",
				   "-N",
				   "n",
				   "-o",
				   COLUMNS,
				   "-o",
				   "nameres.use_external_name_resolver:FALSE",
				   "-Y",
				   display_filter ? display_filter : NO_DESCRIPTIONS,
				   NULL};
	struct ss_tshark tshark;
	int r = ss_tshark_start(arguments, false, "--live shows packets", &tshark, error);

	if (r < 0)
		return r;
	*ret_pid = tshark.pid;
	*ret_fd = tshark.to;
	return 0;
}

void ss_live_wait(pid_t pid)
{
	ss_tshark_wait(pid);
}
