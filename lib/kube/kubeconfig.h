/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kubeconfig files, parsed and merged: of two entries with one name the first file's counts. */
#ifndef SS_KUBE_KUBECONFIG_H
#define SS_KUBE_KUBECONFIG_H

#include <stdbool.h>

#include <glib.h>

#include "error.h"
#include "kube/config.h"

/* Members are NULL where the file says nothing. Paths are absolute, or as good as the directory's
 * name was. */
struct ss_kubeconfig_cluster {
	char *server, *ca_file, *ca_data /* base64 */, *tls_server_name, *proxy_url;
	bool insecure;
};

struct ss_kubeconfig_user {
	char *certificate_file, *certificate_data, *key_file, *key_data; /* data: base64 */
	char *token, *token_file, *username, *password;
	struct ss_kube_exec *exec;
	char *unsupported; /* what it asks for that nobody here can do: "auth-provider 'gcp'" */
};

struct ss_kubeconfig_context {
	char *cluster, *user, *namespace;
	char *path; /* the file that says so */
};

struct ss_kubeconfig {
	GHashTable *clusters, *users, *contexts; /* name → the above */
	char *current_context;
};

struct ss_kubeconfig *ss_kubeconfig_new(void);
void ss_kubeconfig_free(struct ss_kubeconfig *kubeconfig);

/* path: for sentences, and the directory that paths in the file are relative to. */
int ss_kubeconfig_add(struct ss_kubeconfig *kubeconfig, const char *text, size_t length,
		      const char *path, struct ss_error *error);

struct ss_kube_exec *ss_kube_exec_copy(const struct ss_kube_exec *exec);
void ss_kube_exec_free(struct ss_kube_exec *exec);

#endif
