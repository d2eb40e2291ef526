/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Less is known without a provider, and that is all: the sentences here say what, once. */
#include "providers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cri/cri.h"
#include "kube/kube.h"
#include "log.h"

struct ss_directory_options ss_providers_needs(const struct ss_selection *selection)
{
	return (struct ss_directory_options){
		.needs_labels = ss_selection_needs_labels(selection),
		.needs_workload = ss_selection_needs_workload(selection),
	};
}

/* Joins sentences; the status that says most stays. */
static void miss(int *status, struct ss_error *missing, int r, const char *sentence)
{
	if (*status != -EACCES)
		*status = r;
	if (*missing->message)
		g_strlcat(missing->message, "; ", sizeof(missing->message));
	g_strlcat(missing->message, sentence, sizeof(missing->message));
}

/* An ordinary machine has neither: no news. */
static void log_missing(int r, const char *sentence)
{
	enum ss_log_level level = SS_LOG_NOTE;

	if (r == -ENOENT || r == -ENODATA || r == -EOPNOTSUPP)
		level = SS_LOG_DEBUG;
	else if (r == -EINVAL)
		level = SS_LOG_WARNING;
	ss_log(level, "%s", sentence);
}

int ss_providers_add_cri(struct ss_loop *loop, const struct ss_options *options, bool peers,
			 struct ss_directory *directory, struct ss_error *error)
{
	struct ss_provider_callbacks callbacks = ss_directory_provider_callbacks(directory);
	const struct ss_cri_options cri = {0};
	struct ss_provider *provider;
	int r = ss_cri_new(loop, &cri, &callbacks, &provider, error);

	(void)options;
	(void)peers;
	if (r == 0)
		ss_directory_add(directory, provider);
	return r;
}

int ss_providers_add_kube(struct ss_loop *loop, const struct ss_options *options, bool peers,
			  struct ss_directory *directory, struct ss_error *error)
{
	struct ss_provider_callbacks callbacks = ss_directory_provider_callbacks(directory);
	const struct ss_kube_options kube = {
		.kubeconfig = options->kubeconfig,
		.context = options->context,
		.node_name = options->node,
		.namespaces = options->namespaces, /* no other pod can be meant */
		.no_peers = !peers,
	};
	struct ss_provider *provider;
	int r = ss_kube_new(loop, &kube, &callbacks, &provider, error);

	if (r == 0)
		ss_directory_add(directory, provider);
	return r;
}

int ss_providers_open(struct ss_loop *loop, const struct ss_options *options, bool peers,
		      struct ss_directory *directory, struct ss_error *missing)
{
	const struct {
		bool unwanted;
		const char *sentence;
		int (*add)(struct ss_loop *loop, const struct ss_options *options, bool peers,
			   struct ss_directory *directory, struct ss_error *error);
	} providers[] = {
		{options->no_cri, "the container runtime is not asked (--no-cri)",
		 ss_providers_add_cri},
		{options->no_kube, "the API server is not asked (--no-kube)",
		 ss_providers_add_kube},
	};
	int status = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(providers); i++) {
		struct ss_error error = {0};
		int r;

		if (providers[i].unwanted) {
			miss(&status, missing, -ENODATA, providers[i].sentence);
			continue;
		}
		r = providers[i].add(loop, options, peers, directory, &error);
		if (r < 0) {
			bool named = providers[i].add == ss_providers_add_kube &&
				     (options->kubeconfig || options->context);

			/* who names a file wants to know that it is of no use */
			log_missing(named ? -EINVAL : r, error.message);
			miss(&status, missing, r, error.message);
		}
	}
	return status;
}

void ss_providers_tell_silent(const struct ss_directory *directory)
{
	const GPtrArray *providers = ss_directory_providers(directory);

	for (guint i = 0; i < providers->len; i++) {
		struct ss_provider *provider = providers->pdata[i];

		if (!provider->works(provider))
			ss_log(SS_LOG_NOTE, "%s: what it would tell is missing",
			       provider->state(provider));
	}
}

static bool is_known(const GPtrArray *pods, enum ss_fact fact)
{
	for (guint i = 0; i < pods->len; i++)
		if (((const struct ss_pod *)pods->pdata[i])->sources[fact])
			return true;
	return pods->len == 0;
}

int ss_providers_check(const struct ss_directory *directory, const struct ss_selection *selection,
		       const GPtrArray *pods, int status, const struct ss_error *missing,
		       struct ss_error *error)
{
	const GPtrArray *providers = ss_directory_providers(directory);
	g_autoptr(GString) why = g_string_new(missing->message);
	const char *what = NULL;

	if (ss_selection_needs_labels(selection) && !is_known(pods, SS_FACT_LABELS))
		what = "--selector needs the pods' labels";
	else if (ss_selection_needs_workload(selection) && !is_known(pods, SS_FACT_LABELS) &&
		 !is_known(pods, SS_FACT_WORKLOAD))
		what = "--workload needs the pods' owners";
	if (!what)
		return 0;
	for (guint i = 0; i < providers->len; i++) {
		struct ss_provider *provider = providers->pdata[i];

		g_string_append_printf(why, "%s%s", why->len ? "; " : "",
				       provider->state(provider));
	}
	return ss_fail(error, status ?: -ENODATA, "%s, which nobody here tells: %s", what,
		       why->str);
}

int ss_providers_check_node(const char *node, const GPtrArray *pods, struct ss_error *error)
{
	const char *own = getenv("NODE_NAME"); /* what a pod's manifest calls it by convention */

	if (!node || (own && g_ascii_strcasecmp(own, node) == 0) ||
	    g_ascii_strcasecmp(g_get_host_name(), node) == 0)
		return 0;
	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];

		if (g_strcmp0(pod->node_name, node) == 0)
			return 0;
		own = own && *own ? own : pod->node_name;
	}
	return ss_fail(
		error, -ENOENT,
		"this is node '%s': pods of node '%.253s' are captured there, by " PROGRAM_NAME
		" on that machine",
		own && *own ? own : g_get_host_name(), node);
}
