/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From files and environment to one server and one user. Certificates and keys are read here, once;
 * only token files are read later.
 */
#include "kube/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/kubeconfig.h"
#include "kube/text.h"

#define KUBECONFIG_MAX (8u << 20)
#define PEM_MAX        (1u << 20)
#define ACCOUNT        "/var/run/secrets/kubernetes.io/serviceaccount"

void ss_kube_config_free(struct ss_kube_config *config)
{
	if (!config)
		return;
	g_free(config->origin);
	g_free(config->server);
	g_free(config->namespace);
	g_free(config->ca);
	g_free(config->tls_server_name);
	ss_kube_free_secret(config->proxy_url);
	g_free(config->certificate);
	ss_kube_free_secret(config->key);
	ss_kube_free_secret(config->token);
	g_free(config->token_file);
	g_free(config->username);
	ss_kube_free_secret(config->password);
	ss_kube_exec_free(config->exec);
	g_free(config);
}

static void config_freep(struct ss_kube_config **config)
{
	ss_kube_config_free(*config);
}

static void kubeconfig_freep(struct ss_kubeconfig **kubeconfig)
{
	ss_kubeconfig_free(*kubeconfig);
}

/* PEM from base64, or else from a file; *ret stays NULL when neither is said. */
static int read_pem(const char *data, const char *file, const char *what, char **ret,
		    struct ss_error *error)
{
	g_autofree guchar *decoded = NULL;
	gsize length;
	int r;

	if (data) {
		decoded = g_base64_decode(data, &length);
		*ret = g_strndup((const char *)decoded, length);
		explicit_bzero(decoded, length);
		if (!strstr(*ret, "-----BEGIN"))
			return ss_fail(error, -EINVAL,
				       "the kubeconfig's %s-data is no PEM in base64", what);
		return 0;
	}
	if (!file)
		return 0;
	r = ss_kube_read_file(file, PEM_MAX, ret, NULL);
	if (r < 0)
		return ss_fail(error, r, "cannot read the kubeconfig's %s '%s': %s", what, file,
			       g_strerror(-r));
	return 0;
}

static int take_cluster(struct ss_kube_config *config, const char *name,
			const struct ss_kubeconfig_cluster *cluster, struct ss_error *error)
{
	size_t length;

	if (!cluster->server || (!g_str_has_prefix(cluster->server, "https://") &&
				 !g_str_has_prefix(cluster->server, "http://")))
		return ss_fail(error, -EINVAL,
			       "the kubeconfig's cluster '%s' has no server that begins with "
			       "https:// or http://",
			       name);
	config->server = g_strdup(cluster->server);
	for (length = strlen(config->server); config->server[length - 1] == '/';)
		config->server[--length] = '\0';
	config->insecure = cluster->insecure;
	config->tls_server_name = g_strdup(cluster->tls_server_name);
	config->proxy_url = g_strdup(cluster->proxy_url);
	return read_pem(cluster->ca_data, cluster->ca_file, "certificate-authority", &config->ca,
			error);
}

static int take_user(struct ss_kube_config *config, const char *name,
		     const struct ss_kubeconfig_user *user, struct ss_error *error)
{
	int r;

	if (user->unsupported && !user->exec && !user->token)
		return ss_fail(error, -EOPNOTSUPP,
			       "the kubeconfig's user '%s' uses %s, which kubectl no longer knows "
			       "either: use its exec plugin",
			       name, user->unsupported);
	r = read_pem(user->certificate_data, user->certificate_file, "client-certificate",
		     &config->certificate, error);
	if (r == 0)
		r = read_pem(user->key_data, user->key_file, "client-key", &config->key, error);
	if (r < 0)
		return r;
	if (config->certificate && !config->key && strstr(config->certificate, "PRIVATE KEY"))
		config->key = g_strdup(config->certificate);
	config->token = g_strdup(user->token);
	config->token_file = g_strdup(user->token_file);
	config->username = g_strdup(user->username);
	config->password = g_strdup(user->password);
	config->exec = ss_kube_exec_copy(user->exec);
	return 0;
}

static int resolve(const struct ss_kubeconfig *kubeconfig, const char *name,
		   struct ss_kube_config **ret, struct ss_error *error)
{
	__attribute__((cleanup(config_freep))) struct ss_kube_config *config =
		g_new0(struct ss_kube_config, 1);
	const struct ss_kubeconfig_context *context;
	const struct ss_kubeconfig_cluster *cluster;
	const struct ss_kubeconfig_user *user;
	int r;

	if (!name)
		name = kubeconfig->current_context;
	if (!name)
		return ss_fail(error, -EINVAL,
			       "the kubeconfig has no current-context: name one with --context, or "
			       "set it with kubectl config use-context NAME");
	context = g_hash_table_lookup(kubeconfig->contexts, name);
	if (!context)
		return ss_fail(error, -EINVAL,
			       "the kubeconfig has no context '%s': kubectl config get-contexts "
			       "lists them",
			       name);
	cluster = context->cluster ? g_hash_table_lookup(kubeconfig->clusters, context->cluster)
				   : NULL;
	if (!cluster)
		return ss_fail(error, -EINVAL,
			       "the kubeconfig's context '%s' names a cluster '%s' that is not "
			       "there",
			       name, context->cluster ? context->cluster : "");
	config->origin = g_strdup_printf("context '%s' of %s", name, context->path);
	config->namespace = g_strdup(context->namespace);
	r = take_cluster(config, context->cluster, cluster, error);
	if (r < 0)
		return r;
	user = context->user ? g_hash_table_lookup(kubeconfig->users, context->user) : NULL;
	if (context->user && !user)
		return ss_fail(error, -EINVAL,
			       "the kubeconfig's context '%s' names a user '%s' that is not there",
			       name, context->user);
	r = user ? take_user(config, context->user, user, error) : 0;
	if (r == 0)
		*ret = g_steal_pointer(&config);
	return r;
}

int ss_kube_config_parse(const char *text, size_t length, const char *directory,
			 const char *context, struct ss_kube_config **ret, struct ss_error *error)
{
	__attribute__((cleanup(kubeconfig_freep))) struct ss_kubeconfig *kubeconfig =
		ss_kubeconfig_new();
	g_autofree char *path = g_build_filename(directory, "config", NULL);
	int r = ss_kubeconfig_add(kubeconfig, text, length, path, error);

	return r < 0 ? r : resolve(kubeconfig, context, ret, error);
}

static int add_file(struct ss_kubeconfig *kubeconfig, const char *path, struct ss_error *error)
{
	char *text = NULL;
	size_t length;
	int r = ss_kube_read_file(path, KUBECONFIG_MAX, &text, &length);

	if (r < 0)
		return r == -ENOENT ? r
				    : ss_fail(error, r, "cannot read the kubeconfig '%s': %s", path,
					      g_strerror(-r));
	r = ss_kubeconfig_add(kubeconfig, text, length, path, error);
	explicit_bzero(text, length);
	g_free(text);
	return r;
}

/* $KUBECONFIG: several files; those that are not there are skipped. 1: one was read. */
static int add_files(struct ss_kubeconfig *kubeconfig, const char *list, struct ss_error *error)
{
	g_auto(GStrv) paths = g_strsplit(list, ":", -1);
	int found = 0, r;

	for (char **path = paths; *path; path++) {
		if (!**path)
			continue;
		r = add_file(kubeconfig, *path, error);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0)
			found = 1;
	}
	return found;
}

static int load_in_cluster(struct ss_kube_config **ret, struct ss_error *error)
{
	__attribute__((cleanup(config_freep))) struct ss_kube_config *config = NULL;
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");

	if (!host || !*host || !port || !*port)
		return ss_fail(
			error, -ENODATA,
			"no kubeconfig in $KUBECONFIG or ~/.kube/config, and this runs in no "
			"pod: name one with --kubeconfig FILE");
	config = g_new0(struct ss_kube_config, 1);
	config->origin = g_strdup("the pod's service account");
	config->server = g_strdup_printf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s",
					 host, port);
	config->token_file = g_strdup(ACCOUNT "/token");
	if (!g_file_test(config->token_file, G_FILE_TEST_EXISTS))
		return ss_fail(error, -ENODATA,
			       "no kubeconfig in $KUBECONFIG or ~/.kube/config, and the pod has no "
			       "service account token: name one with --kubeconfig FILE, or mount "
			       "the token");
	ss_kube_read_file(ACCOUNT "/ca.crt", PEM_MAX, &config->ca, NULL);
	ss_kube_read_file(ACCOUNT "/namespace", 256, &config->namespace, NULL);
	if (config->namespace)
		g_strstrip(config->namespace);
	*ret = g_steal_pointer(&config);
	return 0;
}

int ss_kube_config_load(const char *kubeconfig, const char *context, struct ss_kube_config **ret,
			struct ss_error *error)
{
	__attribute__((cleanup(kubeconfig_freep))) struct ss_kubeconfig *files =
		ss_kubeconfig_new();
	g_autofree char *home = g_build_filename(g_get_home_dir(), ".kube", "config", NULL);
	const char *list = getenv("KUBECONFIG");
	int r;

	if (kubeconfig) {
		r = add_file(files, kubeconfig, error);
		if (r < 0)
			return ss_fail(error, r, "there is no kubeconfig '%s'", kubeconfig);
		return resolve(files, context, ret, error);
	}
	r = list && *list ? add_files(files, list, error) : 0;
	if (r == 0 && !(list && *list)) {
		r = add_file(files, home, error);
		r = r == -ENOENT ? 0 : r == 0 ? 1 : r;
	}
	if (r < 0)
		return r;
	if (r > 0)
		return resolve(files, context, ret, error);
	if (context)
		return ss_fail(error, -EINVAL,
			       "--context %s: there is no kubeconfig in $KUBECONFIG or "
			       "~/.kube/config",
			       context);
	return load_in_cluster(ret, error);
}
