/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTPS GETs of one API server with the credentials of the moment, on the loop, by libcurl. */
#ifndef SS_KUBE_CLIENT_H
#define SS_KUBE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "kube/config.h"
#include "loop.h"

struct ss_kube_client_answer {
	int status;             /* HTTP; 0: none came */
	bool complete;          /* nothing was cut off */
	unsigned retry_after_s; /* as the server asks; 0: it does not */
	const char *sentence;   /* what went wrong, fit to print; NULL: nothing */
};

struct ss_kube_client_get {
	const char *path;   /* with its query, from "/" */
	const char *accept; /* NULL: application/json */
	unsigned silence_s; /* give up when nothing came for so long; 0: never */
	unsigned total_s;   /* give up after; 0: never */
	/* The headers of a 200 are here; may be NULL. As data(). */
	void (*answered)(void *user_data);
	/* Pieces of the body of a 200; false: enough. Nothing may be freed from here. */
	bool (*data)(const char *data, size_t length, void *user_data);
	/* Once, the last of this request; it is gone then. Not after _cancel. */
	void (*done)(const struct ss_kube_client_answer *answer, void *user_data);
	void *user_data;
};

struct ss_kube_client;
struct ss_kube_client_request;

/* Borrows config. */
int ss_kube_client_new(struct ss_loop *loop, const struct ss_kube_config *config,
		       struct ss_kube_client **ret, struct ss_error *error);
/* Requests end without a word. Never from a callback. */
void ss_kube_client_free(struct ss_kube_client *client);

/* Copies its argument. Nothing happens before the loop runs again. */
struct ss_kube_client_request *ss_kube_client_get(struct ss_kube_client *client,
						  const struct ss_kube_client_get *get);
/* The connection seems to be dead: the next request makes another. */
void ss_kube_client_distrust(struct ss_kube_client *client);
void ss_kube_client_cancel(struct ss_kube_client_request *request);

#endif
