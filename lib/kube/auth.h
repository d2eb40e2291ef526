/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The credentials of the moment: fixed ones, a file's that changes, an exec plugin's that expire.
 */
#ifndef SS_KUBE_AUTH_H
#define SS_KUBE_AUTH_H

#include "error.h"
#include "kube/config.h"
#include "loop.h"

/* Members may be NULL; borrowed until the next call of ss_kube_auth_get(). */
struct ss_kube_credentials {
	const char *token;
	const char *username, *password;
	const char *certificate, *key; /* PEM */
	unsigned generation;           /* another number for others */
};

struct ss_kube_auth;

/* Borrows config. ready(): ss_kube_auth_get() no longer says -EAGAIN. */
struct ss_kube_auth *ss_kube_auth_new(struct ss_loop *loop, const struct ss_kube_config *config,
				      void (*ready)(void *user_data), void *user_data);
void ss_kube_auth_free(struct ss_kube_auth *auth);

/* 0; -EAGAIN: they are being fetched; other negative errno with a sentence: there are none now (the
 * next call tries again). */
int ss_kube_auth_get(struct ss_kube_auth *auth, struct ss_kube_credentials *ret,
		     struct ss_error *error);

/* The API server did not accept the credentials of this generation. */
void ss_kube_auth_refused(struct ss_kube_auth *auth, unsigned generation);

#endif
