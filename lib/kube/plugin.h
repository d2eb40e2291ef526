/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An exec plugin as a child without capabilities, and what it answers: an ExecCredential. */
#ifndef SS_KUBE_PLUGIN_H
#define SS_KUBE_PLUGIN_H

#include <stdint.h>

#include "error.h"
#include "kube/config.h"
#include "loop.h"

struct ss_kube_credential {
	char *token;             /* or */
	char *certificate, *key; /* PEM */
	int64_t expires_s;       /* Unix time; 0: it does not say */
};

void ss_kube_credential_clear(struct ss_kube_credential *credential);

/* Once. r: 0, or a negative errno with a sentence; the credential is handed over: steal its members
 * (the rest is freed after the call). */
typedef void (*ss_kube_plugin_callback)(int r, struct ss_kube_credential *credential,
					const struct ss_error *error, void *user_data);

struct ss_kube_plugin;

/* Borrows config until the callback, which never comes from _start itself and may call _free. */
int ss_kube_plugin_start(struct ss_loop *loop, const struct ss_kube_config *config,
			 ss_kube_plugin_callback callback, void *user_data,
			 struct ss_kube_plugin **ret, struct ss_error *error);
/* Ends the child if it still runs. */
void ss_kube_plugin_free(struct ss_kube_plugin *exec);

/* The parser, for text of any origin. */
int ss_kube_plugin_parse(const char *text, size_t length, const char *api_version,
			 struct ss_kube_credential *ret, struct ss_error *error);

#endif
