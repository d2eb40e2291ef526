/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One collection of objects, listed and then watched, for ever: through closed connections, servers
 * that start again, and histories that are gone (410).
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
#ifndef SS_KUBE_REFLECT_H
#define SS_KUBE_REFLECT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "kube/client.h"
#include "loop.h"

struct ss_kube_reflect_options {
	const char *path;     /* "/api/v1/pods" */
	const char *selector; /* more query, "fieldSelector=...", or NULL */
	unsigned silence_s;   /* give up when the server says nothing for so long */
	unsigned watch_s;     /* how long one watch lasts */
};

struct ss_kube_reflect_callbacks {
	/* An object as it is now, or as it was when it went. Borrowed. */
	void (*object)(const json_t *object, bool gone, void *user_data);
	/* A list is complete: what object() did not tell since began() is gone. */
	void (*began)(void *user_data);
	void (*listed)(void *user_data);
	/* It did not work, and why; it tries again by itself, later and later. */
	void (*failed)(int status, const char *sentence, void *user_data);
	/* Objects were left out, being larger than may be or no JSON. */
	void (*skipped)(size_t length, void *user_data);
	void *user_data;
};

struct ss_kube_reflect;

/* Copies options and callbacks. */
struct ss_kube_reflect *ss_kube_reflect_new(struct ss_loop *loop, struct ss_kube_client *client,
					    const struct ss_kube_reflect_options *options,
					    const struct ss_kube_reflect_callbacks *callbacks);
/* Not from its callbacks. */
void ss_kube_reflect_free(struct ss_kube_reflect *reflect);

/* A list came, and since then nothing failed. */
bool ss_kube_reflect_is_current(const struct ss_kube_reflect *reflect);
/* The last thing it tried did not work. */
bool ss_kube_reflect_is_failing(const struct ss_kube_reflect *reflect);

#endif
