/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of a key log on their way: at once to the user's file, to the capture before the frames
 * that need them, which wait in a stage of the gate (gate.h). Has secrets for moments; all of it is
 * wiped.
 */
#ifndef SS_SECRETS_H
#define SS_SECRETS_H

#include "error.h"
#include "stage.h"
#include "stream.h"
#include "tls/keys.h"

struct ss_secrets;

struct ss_secrets_context { /* borrowed for its life */
	const char *path;   /* the user's file, appended to, or NULL */
	struct ss_stream *stream;
	void (*failed)(int status, void *user_data);
	void *user_data;
	struct ss_error *error; /* of what fails later */
};

int ss_secrets_new(const struct ss_secrets_context *context, struct ss_secrets **ret_secrets,
		   struct ss_error *error);
/* Before the keys. */
void ss_secrets_free(struct ss_secrets *secrets);

/* A file that can't be written any more is told of, once, and given up. */
void ss_secrets_add(struct ss_secrets *secrets, const char *line);

/* Frames of pods, as these keys admit them; borrowed. Each file of a ring begins with the lines of
 * their connections that still live. */
struct ss_stage ss_secrets_stage(struct ss_secrets *secrets, struct ss_tls_keys *keys);

#endif
