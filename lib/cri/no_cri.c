/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instead of cri.c in a build without WITH_CRI. */
#include "cri.h"

#include <errno.h>

int ss_cri_new(struct ss_loop *loop, const struct ss_cri_options *options,
	       const struct ss_provider_callbacks *callbacks, struct ss_provider **ret,
	       struct ss_error *error)
{
	(void)loop;
	(void)options;
	(void)callbacks;
	(void)ret;
	return ss_fail(error, -EOPNOTSUPP,
		       "built without the container runtime's part (-DWITH_CRI=OFF)");
}
