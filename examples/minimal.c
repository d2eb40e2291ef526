/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The smallest user of the library: ten seconds of a pod into a file. Built as
 * build/examples/minimal. */
#include <stdio.h>

#include "stratoshark.h"

int main(int argc, char **argv)
{
	struct ss_session_result result;
	struct ss_error error = {0};
	struct ss_options options;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: minimal NAMESPACE/POD FILE\n");
		return SS_EXIT_USAGE;
	}
	ss_options_init(&options);
	g_ptr_array_add(options.pods, g_strdup(argv[1]));
	options.output = g_strdup(argv[2]);
	options.duration_ns = 10 * 1000000000ull;
	r = ss_session_run(&options, NULL, NULL, &result, &error);
	if (r < 0)
		fprintf(stderr, "minimal: %s\n", error.message);
	printf("%llu frames\n", (unsigned long long)result.frames);
	ss_options_deinit(&options);
	return (int)ss_exit_status(r);
}
