/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a container runtime of this node may be asked. */
#ifndef SS_CRI_SOCKETS_H
#define SS_CRI_SOCKETS_H

#include <glib.h>

#include "error.h"

/* Adds paths (char *): the wanted one, that of $CONTAINER_RUNTIME_ENDPOINT, or all of the usual
 * ones that exist. wanted: a path or "unix:///run/x.sock"; may be NULL. -EINVAL: it is neither;
 * -ENOENT: there is none. */
int ss_cri_sockets_find(const char *wanted, GPtrArray *sockets, struct ss_error *error);

#endif
