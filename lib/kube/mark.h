/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which list told an object last, so that those a new list does not tell can be dropped. */
#ifndef SS_KUBE_MARK_H
#define SS_KUBE_MARK_H

#include <stdbool.h>

struct ss_kube_mark {
	const void *stream;  /* who lists */
	unsigned generation; /* which of its lists */
};

static inline bool ss_kube_mark_is_stale(struct ss_kube_mark mark, struct ss_kube_mark listed)
{
	return mark.stream == listed.stream && mark.generation != listed.generation;
}

#endif
