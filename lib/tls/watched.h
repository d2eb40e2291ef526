/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process of a pod, as it was when it was last looked at. */
#ifndef SS_TLS_WATCHED_H
#define SS_TLS_WATCHED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "tls/discover.h"
#include "tls/image.h"
#include "tls/pod.h"

struct ss_tls_watched {
	struct ss_tls_process public; /* uses are made when asked for */
	struct ss_tls_pod *pod;
	GPtrArray *images; /* struct ss_tls_image *, one of each */
	uint64_t start, size;
	unsigned quiet, waited; /* scans */
	unsigned rest;          /* scans that it is left alone: its maps are long */
	bool seen;              /* in the current scan */
	char *error;
};

/* Borrows pod. */
struct ss_tls_watched *ss_tls_watched_new(struct ss_tls_pod *pod, pid_t pid);
void ss_tls_watched_free(struct ss_tls_watched *watched, struct ss_tls_images *images);

/* Looks whether it has changed, and if so, or with force, at what it has mapped. The first time,
 * also into its root. A negative errno: it is gone. */
int ss_tls_watched_look(struct ss_tls_watched *watched, struct ss_tls_images *images, bool force);
/* The same in a scan, if its turn has come. */
int ss_tls_watched_scan(struct ss_tls_watched *watched, struct ss_tls_images *images);

bool ss_tls_watched_has_keys(const struct ss_tls_watched *watched);
/* const struct ss_tls_use *, borrowed, of libraries. g_ptr_array_unref(). */
GPtrArray *ss_tls_watched_uses(const struct ss_tls_watched *watched);

#endif
