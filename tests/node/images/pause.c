/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sandbox's first process: holds the pod's namespaces, reaps what is left to it, ends on TERM.
 */
#include <signal.h>
#include <unistd.h>

static void end(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

int main(void)
{
	/* Process 1 of a pid namespace only gets signals it asks for. */
	signal(SIGTERM, end);
	signal(SIGINT, end);
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		pause();
}
