/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "filter": what Wireshark's capture filter box asks. Standard output is the answer, status is 0.
 */
#include <errno.h>
#include <stdio.h>

#include "commands.h"

int command_filter(const struct ss_options *options, struct ss_error *error)
{
#ifdef SS_WITH_BPF
	struct ss_error reason = {0};
	struct ss_filter *filter = NULL;

	if (options->arguments->len != 1)
		return ss_fail(error, -EINVAL, "filter takes one expression: put it in quotes");
	if (ss_filter_new(options->arguments->pdata[0], &filter, &reason) < 0 ||
	    ss_filter_check(filter, &reason) < 0)
		printf("%s\n", reason.message);
	ss_filter_free(filter);
	return 0;
#else
	(void)options;
	return ss_fail(error, -ENOTSUP, "this build has no capture filters");
#endif
}
