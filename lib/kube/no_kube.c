/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API server's provider in a build without it. */
#include "kube/kube.h"

#include <errno.h>

int ss_kube_new(struct ss_loop *loop, const struct ss_kube_options *options,
		const struct ss_provider_callbacks *callbacks, struct ss_provider **ret,
		struct ss_error *error)
{
	(void)loop;
	(void)options;
	(void)callbacks;
	(void)ret;
	return ss_fail(error, -EOPNOTSUPP,
		       "this program was built without WITH_KUBE and can't ask an API server");
}
