/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of a key log on their way: at once to the user's file, to the capture before the frames
 * that need them. Has secrets for moments; all of it is wiped.
 */
#ifndef SS_SECRETS_H
#define SS_SECRETS_H

#include "error.h"
#include "stream.h"

struct ss_secrets;

/* path: the user's file, appended to, or NULL; borrowed. */
int ss_secrets_new(const char *path, struct ss_secrets **ret_secrets, struct ss_error *error);
void ss_secrets_free(struct ss_secrets *secrets);

/* A file that can't be written any more is told of, once, and given up. */
void ss_secrets_add(struct ss_secrets *secrets, const char *line);
/* What was added since the last time. */
int ss_secrets_write(struct ss_secrets *secrets, struct ss_stream *stream, struct ss_error *error);

#endif
