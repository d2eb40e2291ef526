/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what is known of an object to the members of its record. Facts nobody knows are left out. */
#include "description.h"

#include <netinet/in.h>
#include <string.h>

#include "json.h"

/* Beyond that a record might not fit into a block: the rest is counted in "endpoints_left_out". */
#define ENDPOINTS_MAX 1000
#define LABELS_MAX    256

/* "key":"text", where the key is foreign as well. */
static void put_pair(GString *object, const char *key, const char *value)
{
	g_autoptr(GString) name = g_string_new("{");

	if (!key || !value)
		return;
	ss_json_text(name, "", key);
	g_string_append_printf(object, "%s%s:", object->len > 1 ? "," : "",
			       name->str + strlen("{\"\":"));
	g_string_truncate(name, 1);
	ss_json_text(name, "", value);
	g_string_append(object, name->str + strlen("{\"\":"));
}

static void put_element(GString *array, const char *text)
{
	g_autoptr(GString) element = g_string_new("{");

	ss_json_text(element, "", text);
	g_string_append_printf(array, "%s%s", array->len > 1 ? "," : "",
			       element->str + strlen("{\"\":"));
}

/* A member that is an array or object, without its last bracket; nothing when it is empty. */
static void put_nested(GString *json, const char *key, const GString *nested)
{
	if (nested->len > 1)
		g_string_append_printf(json, "%s\"%s\":%s%c",
				       json->len && json->str[json->len - 1] != '{' ? "," : "", key,
				       nested->str, nested->str[0] == '{' ? '}' : ']');
}

static void put_texts(GString *json, const char *key, const GPtrArray *texts)
{
	g_autoptr(GString) array = g_string_new("[");

	for (guint i = 0; i < texts->len; i++)
		put_element(array, texts->pdata[i]);
	put_nested(json, key, array);
}

/* As ss_json_text(), into text without an opening bracket. */
static void put_text(GString *json, const char *key, const char *value)
{
	g_autoptr(GString) member = g_string_new("{");

	ss_json_text(member, key, value);
	if (member->len > 1)
		g_string_append_printf(json, "%s%s", json->len ? "," : "", member->str + 1);
}

static void put_containers(GString *json, const struct ss_pod *pod)
{
	g_autoptr(GString) names = g_string_new("[");
	g_autoptr(GString) ids = g_string_new("{");
	g_autoptr(GString) images = g_string_new("{");

	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];
		g_autofree char *id = container->id ? g_strndup(container->id, 12) : NULL;

		if (!container->name)
			continue;
		put_element(names, container->name);
		put_pair(ids, id, container->name);
		put_pair(images, container->name, container->image);
	}
	put_nested(json, "containers", names);
	put_nested(json, "container_ids", ids);
	put_nested(json, "images", images);
}

static void put_labels(GString *json, const struct ss_pod *pod)
{
	g_autoptr(GString) labels = g_string_new("{");

	for (guint i = 0; i < MIN(pod->labels->len, LABELS_MAX); i++) {
		const struct ss_label *label = pod->labels->pdata[i];

		put_pair(labels, label->key, label->value);
	}
	put_nested(json, "labels", labels);
}

static GPtrArray *copy_texts(const GPtrArray *texts)
{
	GPtrArray *copy = g_ptr_array_new_with_free_func(g_free);

	for (guint i = 0; i < texts->len; i++)
		g_ptr_array_add(copy, g_strdup(texts->pdata[i]));
	return copy;
}

static struct ss_description *new_description(const char *event, const GPtrArray *addresses,
					      GString *details)
{
	struct ss_description *description = g_new0(struct ss_description, 1);

	description->event.event = event;
	description->event.quiet = true;
	description->addresses = copy_texts(addresses);
	description->endpoints = g_ptr_array_new_with_free_func(g_free);
	description->details = g_string_free(details, FALSE);
	return description;
}

/* The event borrows the strings. */
static struct ss_description *finish(struct ss_description *description)
{
	struct ss_event *event = &description->event;

	event->namespace = description->namespace;
	event->pod = description->pod;
	event->uid = description->uid;
	event->node = description->node;
	event->message = description->message;
	event->details = description->details;
	return description;
}

struct ss_description *ss_description_of_pod(const struct ss_pod *pod, const char *host)
{
	GString *details = g_string_new(NULL);
	g_autofree char *workload =
		pod->workload_kind && pod->workload_name
			? g_strconcat(pod->workload_kind, "/", pod->workload_name, NULL)
			: NULL;
	struct ss_description *description;

	put_texts(details, "addresses", pod->addresses);
	put_containers(details, pod);
	put_labels(details, pod);
	put_text(details, "workload", workload);
	if (pod->host_network)
		g_string_append_printf(details, "%s\"host_network\":true", details->len ? "," : "");

	description = new_description("pod", pod->addresses, details);
	description->namespace = g_strdup(pod->namespace);
	description->pod = g_strdup(pod->name);
	description->uid = g_strdup(pod->uid);
	description->node = g_strdup(pod->node_name ? pod->node_name : host);
	description->message =
		g_strdup_printf("pod %s/%s%s%s%s", pod->namespace, pod->name, workload ? " (" : "",
				workload ? workload : "", workload ? ")" : "");
	/* With the network of its host it has the host's addresses. */
	if (!pod->host_network)
		description->name = g_strdup_printf("%s.%s", pod->name, pod->namespace);
	return finish(description);
}

static void put_ports(GString *json, const struct ss_service *service, bool *ret_node_ports)
{
	g_autoptr(GString) array = g_string_new("[");

	for (guint i = 0; i < service->ports->len; i++) {
		const struct ss_service_port *port = service->ports->pdata[i];
		g_autoptr(GString) object = g_string_new("{");

		ss_json_text(object, "name", port->name);
		ss_json_text(object, "protocol",
			     port->protocol == IPPROTO_UDP    ? "UDP"
			     : port->protocol == IPPROTO_SCTP ? "SCTP"
							      : "TCP");
		ss_json_number(object, "port", port->port);
		if (port->node_port) {
			ss_json_number(object, "node_port", port->node_port);
			*ret_node_ports = true;
		}
		g_string_append_printf(array, "%s%s}", array->len > 1 ? "," : "", object->str);
	}
	put_nested(json, "ports", array);
}

static void put_endpoints(GString *json, const struct ss_service *service)
{
	g_autoptr(GString) array = g_string_new("[");

	for (guint i = 0; i < MIN(service->endpoints->len, ENDPOINTS_MAX); i++) {
		const struct ss_service_endpoint *endpoint = service->endpoints->pdata[i];
		g_autoptr(GString) object = g_string_new("{");
		g_autoptr(GString) ports = g_string_new("[");
		g_autofree char *pod =
			endpoint->pod ? g_strdup_printf("%s/%s", endpoint->namespace, endpoint->pod)
				      : NULL;

		ss_json_text(object, "address", endpoint->address);
		ss_json_text(object, "pod", pod);
		for (guint port = 0; port < endpoint->ports->len; port++)
			g_string_append_printf(ports, "%s%u", port ? "," : "",
					       g_array_index(endpoint->ports, uint16_t, port));
		put_nested(object, "ports", ports);
		g_string_append_printf(array, "%s%s}", array->len > 1 ? "," : "", object->str);
	}
	put_nested(json, "endpoints", array);
	if (service->endpoints->len > ENDPOINTS_MAX)
		g_string_append_printf(json, ",\"endpoints_left_out\":%u",
				       service->endpoints->len - ENDPOINTS_MAX);
}

struct ss_description *ss_description_of_service(const struct ss_service *service)
{
	GString *details = g_string_new(NULL);
	struct ss_description *description;
	bool has_node_ports = false;

	put_text(details, "service", service->name);
	put_text(details, "type", service->type);
	put_texts(details, "addresses", service->addresses);
	put_ports(details, service, &has_node_ports);
	put_endpoints(details, service);

	description = new_description("service", service->addresses, details);
	description->has_node_ports = has_node_ports;
	for (guint i = 0; i < MIN(service->endpoints->len, ENDPOINTS_MAX); i++) {
		const struct ss_service_endpoint *endpoint = service->endpoints->pdata[i];

		g_ptr_array_add(description->endpoints, g_strdup(endpoint->address));
	}
	description->namespace = g_strdup(service->namespace);
	description->uid = g_strdup(service->uid);
	description->message = g_strdup_printf("service %s/%s", service->namespace, service->name);
	description->name = g_strdup_printf("%s.%s.svc", service->name, service->namespace);
	return finish(description);
}

struct ss_description *ss_description_of_node(const struct ss_cluster_node *node)
{
	GString *details = g_string_new(NULL);
	struct ss_description *description;

	put_texts(details, "addresses", node->addresses);
	description = new_description("node", node->addresses, details);
	description->node = g_strdup(node->name);
	description->message = g_strdup_printf("node %s", node->name);
	description->name = g_strdup(node->name);
	return finish(description);
}

void ss_description_free(struct ss_description *description)
{
	if (!description)
		return;
	g_free(description->namespace);
	g_free(description->pod);
	g_free(description->uid);
	g_free(description->node);
	g_free(description->message);
	g_free(description->details);
	g_free(description->name);
	g_ptr_array_unref(description->addresses);
	g_ptr_array_unref(description->endpoints);
	g_free(description);
}

bool ss_description_equal(const struct ss_description *a, const struct ss_description *b)
{
	return strcmp(a->message, b->message) == 0 && strcmp(a->details, b->details) == 0 &&
	       g_strcmp0(a->uid, b->uid) == 0 && g_strcmp0(a->node, b->node) == 0;
}
