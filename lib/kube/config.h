/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the API server is and how to prove who asks: kubeconfig files as kubectl reads them
 * (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/), or the
 * service account of the pod this runs in.
 */
#ifndef SS_KUBE_CONFIG_H
#define SS_KUBE_CONFIG_H

#include <stdbool.h>

#include <glib.h>

#include "error.h"

/* An exec plugin (client.authentication.k8s.io/v1 and v1beta1). */
struct ss_kube_exec {
	char *api_version;
	char *command;          /* a path if it has a slash, else looked for in $PATH */
	GPtrArray *arguments;   /* char * */
	GPtrArray *environment; /* char *: "NAME=value" */
	bool cluster_info;      /* it wants to know the cluster */
	bool needs_terminal;
};

struct ss_kube_config {
	char *origin;    /* for people: "context 'prod' of /home/a/.kube/config" */
	char *server;    /* "https://host:port/path", no slash at the end */
	char *namespace; /* NULL: none is preferred */
	char *ca;        /* PEM; NULL: the system's */
	bool insecure;   /* whoever answers is believed */
	char *tls_server_name;
	char *proxy_url;
	char *certificate, *key; /* PEM */
	char *token;
	char *token_file; /* read again and again: it changes */
	char *username, *password;
	struct ss_kube_exec *exec;
};

/* Each argument may be NULL. -ENODATA: there is no configuration at all. */
int ss_kube_config_load(const char *kubeconfig, const char *context, struct ss_kube_config **ret,
			struct ss_error *error);
void ss_kube_config_free(struct ss_kube_config *config);

/* One file's text, for tests: context may be NULL, paths in it are relative to directory. */
int ss_kube_config_parse(const char *text, size_t length, const char *directory,
			 const char *context, struct ss_kube_config **ret, struct ss_error *error);

#endif
