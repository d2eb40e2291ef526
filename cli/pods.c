/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "pods": what the node knows, as a table, JSON, or names for completion. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

static char *join_addresses(const struct ss_pod *pod)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < pod->addresses->len; i++)
		g_string_append_printf(text, "%s%s", i ? "," : "",
				       (char *)pod->addresses->pdata[i]);
	if (pod->host_network)
		g_string_append(text, "(host)");
	return g_string_free(text, FALSE);
}

static char *join_containers(const struct ss_pod *pod, const char *quote)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];

		if (container->name)
			g_string_append_printf(text, "%s%s%s%s", text->len ? "," : "", quote,
					       container->name, quote);
	}
	return g_string_free(text, FALSE);
}

static void print_table(const GPtrArray *pods)
{
	int namespace = 9, name = 3, address = 7;

	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];
		g_autofree char *addresses = join_addresses(pod);

		namespace = MAX(namespace, (int)strlen(pod->namespace));
		name = MAX(name, (int)strlen(pod->name));
		address = MAX(address, (int)strlen(addresses));
	}
	printf("%-*s  %-*s  %-8s  %-*s  %s\n", namespace, "NAMESPACE", name, "POD", "STATE",
	       address, "ADDRESS", "CONTAINERS");
	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];
		g_autofree char *addresses = join_addresses(pod);
		g_autofree char *containers = join_containers(pod, "");

		printf("%-*s  %-*s  %-8s  %-*s  %s\n", namespace, pod->namespace, name, pod->name,
		       pod->pid ? "running" : "ended", address, *addresses ? addresses : "-",
		       containers);
	}
}

/* Names are RFC 1123 labels and addresses are numbers: nothing in them needs an escape. */
static void print_json(const GPtrArray *pods)
{
	putchar('[');
	for (guint i = 0; i < pods->len; i++) {
		const struct ss_pod *pod = pods->pdata[i];
		g_autofree char *containers = join_containers(pod, "\"");

		printf("%s\n  {\"namespace\":\"%s\",\"pod\":\"%s\",\"uid\":\"%s\",\"running\":%s,"
		       "\"pid\":%d,\"host_network\":%s,\"netns\":%u,\"runtime\":\"%s\","
		       "\"containers\":[%s],\"addresses\":[",
		       i ? "," : "", pod->namespace, pod->name, pod->uid,
		       pod->pid ? "true" : "false", (int)pod->pid,
		       pod->host_network ? "true" : "false", pod->netns_inode,
		       pod->runtime ? pod->runtime : "", containers);
		for (guint j = 0; j < pod->addresses->len; j++)
			printf("%s\"%s\"", j ? "," : "", (char *)pod->addresses->pdata[j]);
		printf("]}");
	}
	printf("\n]\n");
}

static int resolve(const struct ss_options *options, const GPtrArray *pods, GPtrArray **ret_chosen,
		   struct ss_error *error)
{
	struct ss_selection selection;
	int r = 0;

	ss_selection_init(&selection);
	for (guint i = 0; i < options->namespaces->len && r == 0; i++)
		r = ss_selection_add_namespace(&selection, options->namespaces->pdata[i], error);
	for (guint i = 0; i < options->pods->len && r == 0; i++)
		r = ss_selection_add_name(&selection, options->pods->pdata[i], error);
	if (r == 0)
		r = ss_selection_resolve(&selection, pods, ret_chosen, error);
	ss_selection_deinit(&selection);
	return r;
}

int command_select_pods(const struct ss_options *options, GPtrArray **ret_pods,
			GPtrArray **ret_chosen, struct ss_error *error)
{
	struct ss_node *node = ss_node_new(NULL);
	int r = ss_node_scan(node, ret_pods, error);

	ss_node_free(node);
	if (r == 0 && (options->pods->len || options->namespaces->len))
		return resolve(options, *ret_pods, ret_chosen, error);
	if (r == 0)
		*ret_chosen = g_ptr_array_ref(*ret_pods);
	return r;
}

int command_pods(const struct ss_options *options, struct ss_error *error)
{
	g_autoptr(GPtrArray) pods = NULL;
	g_autoptr(GPtrArray) chosen = NULL;
	int r = command_select_pods(options, &pods, &chosen, error);

	if (r < 0)
		return r;
	if (options->format == SS_LIST_JSON) {
		print_json(chosen);
	} else if (options->format == SS_LIST_NAMES) {
		for (guint i = 0; i < pods->len; i++) {
			const struct ss_pod *pod = pods->pdata[i];

			printf("%s/%s\n", pod->namespace, pod->name);
		}
	} else if (pods->len == 0) {
		fprintf(stderr, PROGRAM_NAME ": no pods: /var/log/pods is empty, so no kubelet has "
					     "started any on this machine\n");
	} else {
		print_table(chosen);
	}
	return 0;
}
