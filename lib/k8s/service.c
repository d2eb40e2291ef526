/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of services and nodes: everything they point to is their own. */
#include "service.h"

static void port_free(gpointer data)
{
	struct ss_service_port *port = data;

	g_free(port->name);
	g_free(port);
}

void ss_service_endpoint_free(struct ss_service_endpoint *endpoint)
{
	if (!endpoint)
		return;
	g_free(endpoint->address);
	g_free(endpoint->namespace);
	g_free(endpoint->pod);
	g_array_unref(endpoint->ports);
	g_free(endpoint);
}

static void endpoint_free(gpointer endpoint)
{
	ss_service_endpoint_free(endpoint);
}

struct ss_service *ss_service_new(void)
{
	struct ss_service *service = g_new0(struct ss_service, 1);

	service->addresses = g_ptr_array_new_with_free_func(g_free);
	service->ports = g_ptr_array_new_with_free_func(port_free);
	service->endpoints = g_ptr_array_new_with_free_func(endpoint_free);
	return service;
}

void ss_service_free(struct ss_service *service)
{
	if (!service)
		return;
	g_free(service->namespace);
	g_free(service->name);
	g_free(service->uid);
	g_free(service->type);
	g_ptr_array_unref(service->addresses);
	g_ptr_array_unref(service->ports);
	g_ptr_array_unref(service->endpoints);
	g_free(service);
}

struct ss_service_port *ss_service_port_new(const char *name, uint8_t protocol, uint16_t port,
					    uint16_t node_port)
{
	struct ss_service_port *made = g_new(struct ss_service_port, 1);

	*made = (struct ss_service_port){g_strdup(name), protocol, port, node_port};
	return made;
}

struct ss_service_endpoint *ss_service_endpoint_new(const char *address, const char *namespace,
						    const char *pod)
{
	struct ss_service_endpoint *endpoint = g_new0(struct ss_service_endpoint, 1);

	endpoint->address = g_strdup(address);
	endpoint->namespace = g_strdup(namespace);
	endpoint->pod = g_strdup(pod);
	endpoint->ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	return endpoint;
}

struct ss_cluster_node *ss_cluster_node_new(const char *name)
{
	struct ss_cluster_node *node = g_new0(struct ss_cluster_node, 1);

	node->name = g_strdup(name);
	node->addresses = g_ptr_array_new_with_free_func(g_free);
	return node;
}

void ss_cluster_node_free(struct ss_cluster_node *node)
{
	if (!node)
		return;
	g_free(node->name);
	g_ptr_array_unref(node->addresses);
	g_free(node);
}
