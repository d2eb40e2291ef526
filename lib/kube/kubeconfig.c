/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libyaml makes a tree of nodes; only known paths in it are followed, so that anchors which refer
 * to themselves are harmless. What is not understood is ignored, as kubectl does: files are shared
 * with other programs.
 */
#include "kube/kubeconfig.h"

#include <errno.h>
#include <string.h>

#include <yaml.h>

#include "kube/text.h"

#define ENTRIES_MAX 10000

static void exec_clear(struct ss_kube_exec *exec)
{
	g_free(exec->api_version);
	g_free(exec->command);
	g_ptr_array_unref(exec->arguments);
	g_ptr_array_unref(exec->environment);
	g_free(exec);
}

void ss_kube_exec_free(struct ss_kube_exec *exec)
{
	if (exec)
		exec_clear(exec);
}

static GPtrArray *copy_strings(const GPtrArray *strings)
{
	GPtrArray *copy = g_ptr_array_new_with_free_func(g_free);

	for (guint i = 0; strings && i < strings->len; i++)
		g_ptr_array_add(copy, g_strdup(strings->pdata[i]));
	return copy;
}

struct ss_kube_exec *ss_kube_exec_copy(const struct ss_kube_exec *exec)
{
	struct ss_kube_exec *copy;

	if (!exec)
		return NULL;
	copy = g_new0(struct ss_kube_exec, 1);
	*copy = *exec;
	copy->api_version = g_strdup(exec->api_version);
	copy->command = g_strdup(exec->command);
	copy->arguments = copy_strings(exec->arguments);
	copy->environment = copy_strings(exec->environment);
	return copy;
}

static void cluster_free(gpointer data)
{
	struct ss_kubeconfig_cluster *cluster = data;

	g_free(cluster->server);
	g_free(cluster->ca_file);
	g_free(cluster->ca_data);
	g_free(cluster->tls_server_name);
	ss_kube_free_secret(cluster->proxy_url);
	g_free(cluster);
}

static void user_free(gpointer data)
{
	struct ss_kubeconfig_user *user = data;

	g_free(user->certificate_file);
	g_free(user->certificate_data);
	g_free(user->key_file);
	ss_kube_free_secret(user->key_data);
	ss_kube_free_secret(user->token);
	g_free(user->token_file);
	g_free(user->username);
	ss_kube_free_secret(user->password);
	ss_kube_exec_free(user->exec);
	g_free(user->unsupported);
	g_free(user);
}

static void context_free(gpointer data)
{
	struct ss_kubeconfig_context *context = data;

	g_free(context->cluster);
	g_free(context->user);
	g_free(context->namespace);
	g_free(context->path);
	g_free(context);
}

struct ss_kubeconfig *ss_kubeconfig_new(void)
{
	struct ss_kubeconfig *kubeconfig = g_new0(struct ss_kubeconfig, 1);

	kubeconfig->clusters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, cluster_free);
	kubeconfig->users = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, user_free);
	kubeconfig->contexts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, context_free);
	return kubeconfig;
}

void ss_kubeconfig_free(struct ss_kubeconfig *kubeconfig)
{
	if (!kubeconfig)
		return;
	g_hash_table_unref(kubeconfig->clusters);
	g_hash_table_unref(kubeconfig->users);
	g_hash_table_unref(kubeconfig->contexts);
	g_free(kubeconfig->current_context);
	g_free(kubeconfig);
}

static bool is_text(const yaml_node_t *node, const char *text)
{
	return node && node->type == YAML_SCALAR_NODE && node->data.scalar.length == strlen(text) &&
	       !memcmp(node->data.scalar.value, text, strlen(text));
}

/* The value of a key, NULL if there is none or map is no mapping. */
static yaml_node_t *get(yaml_document_t *document, const yaml_node_t *map, const char *key)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = map->data.mapping.pairs.start;
	     pair < map->data.mapping.pairs.top; pair++)
		if (is_text(yaml_document_get_node(document, pair->key), key))
			return yaml_document_get_node(document, pair->value);
	return NULL;
}

/* A scalar's text; NULL when it is none, or null, or empty. */
static char *get_text(yaml_document_t *document, const yaml_node_t *map, const char *key)
{
	const yaml_node_t *node = get(document, map, key);
	const char *text;

	if (!node || node->type != YAML_SCALAR_NODE || node->data.scalar.length == 0)
		return NULL;
	text = (const char *)node->data.scalar.value;
	if (memchr(text, '\0', node->data.scalar.length))
		return NULL;
	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (!strcmp(text, "null") || !strcmp(text, "~")))
		return NULL;
	return g_strdup(text);
}

static char *get_path(yaml_document_t *document, const yaml_node_t *map, const char *key,
		      const char *directory)
{
	g_autofree char *path = get_text(document, map, key);

	if (!path || g_path_is_absolute(path))
		return g_steal_pointer(&path);
	return g_build_filename(directory, path, NULL);
}

static bool get_bool(yaml_document_t *document, const yaml_node_t *map, const char *key)
{
	return is_text(get(document, map, key), "true");
}

static struct ss_kubeconfig_cluster *read_cluster(yaml_document_t *document, const yaml_node_t *map,
						  const char *directory)
{
	struct ss_kubeconfig_cluster *cluster = g_new0(struct ss_kubeconfig_cluster, 1);

	cluster->server = get_text(document, map, "server");
	cluster->ca_file = get_path(document, map, "certificate-authority", directory);
	cluster->ca_data = get_text(document, map, "certificate-authority-data");
	cluster->tls_server_name = get_text(document, map, "tls-server-name");
	cluster->proxy_url = get_text(document, map, "proxy-url");
	cluster->insecure = get_bool(document, map, "insecure-skip-tls-verify");
	return cluster;
}

/* Calls back for each element of a sequence. */
#define FOR_EACH_ITEM(document, node, item)                                                        \
	for (yaml_node_item_t *item = (node)->data.sequence.items.start;                           \
	     item < (node)->data.sequence.items.top; item++)

static void read_arguments(yaml_document_t *document, const yaml_node_t *map, GPtrArray *arguments)
{
	const yaml_node_t *list = get(document, map, "args");

	if (!list || list->type != YAML_SEQUENCE_NODE)
		return;
	FOR_EACH_ITEM(document, list, item)
	{
		const yaml_node_t *node = yaml_document_get_node(document, *item);

		if (node && node->type == YAML_SCALAR_NODE && arguments->len < ENTRIES_MAX)
			g_ptr_array_add(arguments, g_strdup((const char *)node->data.scalar.value));
	}
}

static void read_environment(yaml_document_t *document, const yaml_node_t *map,
			     GPtrArray *environment)
{
	const yaml_node_t *list = get(document, map, "env");

	if (!list || list->type != YAML_SEQUENCE_NODE)
		return;
	FOR_EACH_ITEM(document, list, item)
	{
		const yaml_node_t *entry = yaml_document_get_node(document, *item);
		g_autofree char *name = get_text(document, entry, "name");
		g_autofree char *value = get_text(document, entry, "value");

		if (name && !strchr(name, '=') && environment->len < ENTRIES_MAX)
			g_ptr_array_add(environment,
					g_strdup_printf("%s=%s", name, value ? value : ""));
	}
}

static struct ss_kube_exec *read_exec(yaml_document_t *document, const yaml_node_t *map,
				      const char *directory)
{
	g_autofree char *command = get_text(document, map, "command");
	struct ss_kube_exec *exec;
	g_autofree char *mode = get_text(document, map, "interactiveMode");

	if (!command)
		return NULL;
	exec = g_new0(struct ss_kube_exec, 1);
	exec->api_version = get_text(document, map, "apiVersion");
	exec->command = strchr(command, '/') && !g_path_is_absolute(command)
				? g_build_filename(directory, command, NULL)
				: g_strdup(command);
	exec->arguments = g_ptr_array_new_with_free_func(g_free);
	exec->environment = g_ptr_array_new_with_free_func(g_free);
	read_arguments(document, map, exec->arguments);
	read_environment(document, map, exec->environment);
	exec->cluster_info = get_bool(document, map, "provideClusterInfo");
	exec->needs_terminal = !g_strcmp0(mode, "Always");
	return exec;
}

static struct ss_kubeconfig_user *read_user(yaml_document_t *document, const yaml_node_t *map,
					    const char *directory)
{
	struct ss_kubeconfig_user *user = g_new0(struct ss_kubeconfig_user, 1);
	const yaml_node_t *provider = get(document, map, "auth-provider");

	user->certificate_file = get_path(document, map, "client-certificate", directory);
	user->certificate_data = get_text(document, map, "client-certificate-data");
	user->key_file = get_path(document, map, "client-key", directory);
	user->key_data = get_text(document, map, "client-key-data");
	user->token = get_text(document, map, "token");
	user->token_file = get_path(document, map, "tokenFile", directory);
	user->username = get_text(document, map, "username");
	user->password = get_text(document, map, "password");
	user->exec = read_exec(document, get(document, map, "exec"), directory);
	if (provider) {
		g_autofree char *name = get_text(document, provider, "name");

		user->unsupported = g_strdup_printf("auth-provider '%s'", name ? name : "");
	}
	return user;
}

static struct ss_kubeconfig_context *read_context(yaml_document_t *document, const yaml_node_t *map,
						  const char *path)
{
	struct ss_kubeconfig_context *context = g_new0(struct ss_kubeconfig_context, 1);

	context->cluster = get_text(document, map, "cluster");
	context->user = get_text(document, map, "user");
	context->namespace = get_text(document, map, "namespace");
	context->path = g_strdup(path);
	return context;
}

enum entry { CLUSTER, USER, CONTEXT };

static gpointer read_entry(enum entry kind, yaml_document_t *document, const yaml_node_t *map,
			   const char *path, const char *directory)
{
	switch (kind) {
	case CLUSTER:
		return read_cluster(document, map, directory);
	case USER:
		return read_user(document, map, directory);
	case CONTEXT:
		break;
	}
	return read_context(document, map, path);
}

/* A sequence of {name: ..., <key>: {...}}. */
static void read_entries(enum entry kind, yaml_document_t *document, const yaml_node_t *list,
			 const char *key, const char *path, GHashTable *entries)
{
	g_autofree char *directory = g_path_get_dirname(path);

	if (!list || list->type != YAML_SEQUENCE_NODE)
		return;
	FOR_EACH_ITEM(document, list, item)
	{
		const yaml_node_t *entry = yaml_document_get_node(document, *item);
		const yaml_node_t *map = get(document, entry, key);
		g_autofree char *name = get_text(document, entry, "name");

		if (!name || !map || map->type != YAML_MAPPING_NODE ||
		    g_hash_table_contains(entries, name) ||
		    g_hash_table_size(entries) >= ENTRIES_MAX)
			continue;
		g_hash_table_insert(entries, g_steal_pointer(&name),
				    read_entry(kind, document, map, path, directory));
	}
}

int ss_kubeconfig_add(struct ss_kubeconfig *kubeconfig, const char *text, size_t length,
		      const char *path, struct ss_error *error)
{
	yaml_parser_t parser;
	yaml_document_t document;
	yaml_node_t *root;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	if (!yaml_parser_load(&parser, &document)) {
		r = ss_fail(error, -EINVAL, "'%s' is no kubeconfig: line %zu is not valid YAML",
			    path, parser.problem_mark.line + 1);
		yaml_parser_delete(&parser);
		return r;
	}
	root = yaml_document_get_root_node(&document);
	if (root && root->type != YAML_MAPPING_NODE)
		r = ss_fail(error, -EINVAL, "'%s' is no kubeconfig: it has no clusters and users",
			    path);
	read_entries(CLUSTER, &document, get(&document, root, "clusters"), "cluster", path,
		     kubeconfig->clusters);
	read_entries(USER, &document, get(&document, root, "users"), "user", path,
		     kubeconfig->users);
	read_entries(CONTEXT, &document, get(&document, root, "contexts"), "context", path,
		     kubeconfig->contexts);
	if (!kubeconfig->current_context)
		kubeconfig->current_context = get_text(&document, root, "current-context");
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	return r;
}
