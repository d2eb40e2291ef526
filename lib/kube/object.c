/* SPDX-License-Identifier: GPL-2.0-or-later */
/* jansson's accessors say NULL for whatever is not there or of another type: so do we. */
#include "kube/object.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "k8s/podname.h"

#define LIST_MAX       10000 /* of anything in one object */
#define CONTAINERS_MAX 256
#define ADDRESSES_MAX  64
#define IMAGE_MAX      512
#define ANNOTATION_MAX 4096 /* longer values are other programs' notes to themselves */
#define CONFIG_MIRROR  "kubernetes.io/config.mirror"

/* A text without NUL bytes; NULL: there is none. */
static const char *text_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	return text && *text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool is_label(const char *text)
{
	return text && ss_podname_is_label(text, strlen(text));
}

static bool is_subdomain(const char *text)
{
	return text && ss_podname_is_subdomain(text, strlen(text));
}

static bool is_uid(const char *text)
{
	return text && ss_podname_is_uid(text, strlen(text));
}

/* Letters and digits, and between them some of extra. */
static bool is_word(const char *text, size_t max, const char *extra)
{
	size_t length = text ? strlen(text) : 0;

	if (length < 1 || length > max)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!g_ascii_isalnum(text[i]) &&
		    (i == 0 || i == length - 1 || !strchr(extra, text[i])))
			return false;
	return true;
}

/* Of a label or an annotation: "app", "example.com/app". */
static bool is_key(const char *text)
{
	const char *slash = strchr(text, '/');

	if (!slash)
		return is_word(text, SS_LABEL_MAX, "-_.");
	return ss_podname_is_subdomain(text, (size_t)(slash - text)) &&
	       is_word(slash + 1, SS_LABEL_MAX, "-_.");
}

static bool is_printable(const char *text, size_t max)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (!g_ascii_isgraph(text[i]))
			return false;
	return length <= max;
}

/* In the one form that addresses are compared in. */
static char *read_address(const char *text)
{
	char buffer[INET6_ADDRSTRLEN];
	struct in6_addr address;
	int family = text && strchr(text, ':') ? AF_INET6 : AF_INET;

	if (!text || inet_pton(family, text, &address) != 1)
		return NULL;
	return g_strdup(inet_ntop(family, &address, buffer, sizeof(buffer)));
}

static void add_address(GPtrArray *addresses, const char *text)
{
	g_autofree char *address = read_address(text);

	if (address && addresses->len < ADDRESSES_MAX &&
	    !g_ptr_array_find_with_equal_func(addresses, address, g_str_equal, NULL))
		g_ptr_array_add(addresses, g_steal_pointer(&address));
}

const char *ss_kube_object_meta(const json_t *object, const char *key)
{
	return text_of(json_object_get(object, "metadata"), key);
}

void ss_kube_object_owner(const json_t *object, struct ss_kube_object_owner *ret)
{
	const json_t *owners =
		json_object_get(json_object_get(object, "metadata"), "ownerReferences");
	const char *kind, *name, *uid, *version, *slash;

	*ret = (struct ss_kube_object_owner){0};
	for (size_t i = 0; i < MIN(json_array_size(owners), LIST_MAX); i++) {
		const json_t *owner = json_array_get(owners, i);

		if (!json_is_true(json_object_get(owner, "controller")))
			continue;
		kind = text_of(owner, "kind");
		name = text_of(owner, "name");
		uid = text_of(owner, "uid");
		version = text_of(owner, "apiVersion");
		if (!is_word(kind, sizeof(ret->kind) - 1, "") || !is_subdomain(name) ||
		    !is_uid(uid) || !version)
			return;
		slash = strchr(version, '/');
		g_strlcpy(ret->kind, kind, sizeof(ret->kind));
		g_strlcpy(ret->name, name, sizeof(ret->name));
		g_strlcpy(ret->uid, uid, sizeof(ret->uid));
		if (slash)
			g_strlcpy(ret->group, version,
				  MIN(sizeof(ret->group), (size_t)(slash - version) + 1));
		return;
	}
}

static void read_labels(const json_t *labels, GPtrArray *ret, size_t value_max)
{
	const json_t *value;
	const char *key;

	/* json_object_foreach() wants an object that may be changed */
	for (void *i = json_object_iter((json_t *)(uintptr_t)labels); i;
	     i = json_object_iter_next((json_t *)(uintptr_t)labels, i)) {
		const char *text;

		key = json_object_iter_key(i);
		value = json_object_iter_value(i);
		text = json_string_value(value);
		if (text && is_key(key) && json_string_length(value) <= value_max &&
		    strlen(text) == json_string_length(value) && ret->len < LIST_MAX)
			ss_labels_set(ret, key, text);
	}
}

/* Label values are words or empty; anything else was not let in by an API server. */
static void drop_bad_labels(GPtrArray *labels)
{
	for (guint i = labels->len; i > 0; i--) {
		const struct ss_label *label = labels->pdata[i - 1];

		if (*label->value && !is_word(label->value, SS_LABEL_MAX, "-_."))
			g_ptr_array_remove_index(labels, i - 1);
	}
}

static int by_name(gconstpointer a, gconstpointer b)
{
	const struct ss_container *const *left = a, *const *right = b;

	return g_strcmp0((*left)->name, (*right)->name);
}

/* "containerd://<64 hex digits>" */
static const char *read_id(const char *text)
{
	const char *id = text ? strstr(text, "://") : NULL;

	id = id ? id + 3 : NULL;
	return id && ss_podname_is_container_id(id, strlen(id)) ? id : NULL;
}

static const json_t *find_named(const json_t *list, const char *name)
{
	for (size_t i = 0; i < MIN(json_array_size(list), CONTAINERS_MAX); i++) {
		const json_t *entry = json_array_get(list, i);

		if (!g_strcmp0(text_of(entry, "name"), name))
			return entry;
	}
	return NULL;
}

static void read_containers(const json_t *specs, const json_t *statuses, struct ss_pod *pod)
{
	for (size_t i = 0; i < MIN(json_array_size(specs), CONTAINERS_MAX); i++) {
		const json_t *spec = json_array_get(specs, i);
		const char *name = text_of(spec, "name"), *image = text_of(spec, "image"), *id;
		struct ss_container *container;

		if (!is_label(name) || pod->containers->len >= CONTAINERS_MAX)
			continue;
		id = read_id(text_of(find_named(statuses, name), "containerID"));
		container = ss_container_new(name, id);
		if (image && is_printable(image, IMAGE_MAX))
			container->image = g_strdup(image);
		g_ptr_array_add(pod->containers, container);
	}
}

static void read_whole_pod(const json_t *object, struct ss_pod *pod)
{
	const json_t *meta = json_object_get(object, "metadata");
	const json_t *spec = json_object_get(object, "spec");
	const json_t *status = json_object_get(object, "status");

	read_labels(json_object_get(meta, "labels"), pod->labels, SS_LABEL_MAX);
	drop_bad_labels(pod->labels);
	read_labels(json_object_get(meta, "annotations"), pod->annotations, ANNOTATION_MAX);
	read_containers(json_object_get(spec, "initContainers"),
			json_object_get(status, "initContainerStatuses"), pod);
	read_containers(json_object_get(spec, "containers"),
			json_object_get(status, "containerStatuses"), pod);
	read_containers(json_object_get(spec, "ephemeralContainers"),
			json_object_get(status, "ephemeralContainerStatuses"), pod);
	g_ptr_array_sort(pod->containers, by_name);
}

struct ss_pod *ss_kube_object_pod(const json_t *object, bool whole,
				  struct ss_kube_object_owner *ret_owner, bool *ret_finished)
{
	const json_t *spec = json_object_get(object, "spec");
	const json_t *status = json_object_get(object, "status");
	const json_t *annotations =
		json_object_get(json_object_get(object, "metadata"), "annotations");
	const json_t *addresses = json_object_get(status, "podIPs");
	const char *namespace = ss_kube_object_meta(object, "namespace");
	const char *name = ss_kube_object_meta(object, "name");
	const char *uid = text_of(annotations, CONFIG_MIRROR);
	const char *phase = text_of(status, "phase"), *node = text_of(spec, "nodeName");
	struct ss_pod *pod;

	if (!is_uid(uid))
		uid = ss_kube_object_meta(object, "uid");
	if (!is_label(namespace) || !is_subdomain(name) || !is_uid(uid))
		return NULL;
	pod = ss_pod_new();
	pod->namespace = g_strdup(namespace);
	pod->name = g_strdup(name);
	pod->uid = g_strdup(uid);
	pod->node_name = is_subdomain(node) ? g_strdup(node) : NULL;
	pod->host_network = json_is_true(json_object_get(spec, "hostNetwork"));
	add_address(pod->addresses, text_of(status, "podIP"));
	for (size_t i = 0; i < MIN(json_array_size(addresses), LIST_MAX); i++)
		add_address(pod->addresses, text_of(json_array_get(addresses, i), "ip"));
	if (whole)
		read_whole_pod(object, pod);
	ss_kube_object_owner(object, ret_owner);
	*ret_finished = !g_strcmp0(phase, "Succeeded") || !g_strcmp0(phase, "Failed");
	return pod;
}

static uint8_t read_protocol(const char *text)
{
	if (!g_strcmp0(text, "UDP"))
		return IPPROTO_UDP;
	return g_strcmp0(text, "SCTP") ? IPPROTO_TCP : IPPROTO_SCTP;
}

static uint16_t read_port(const json_t *object, const char *key)
{
	json_int_t port = json_integer_value(json_object_get(object, key));

	return port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void read_service_ports(const json_t *ports, struct ss_service *service)
{
	for (size_t i = 0; i < MIN(json_array_size(ports), LIST_MAX); i++) {
		const json_t *entry = json_array_get(ports, i);
		const char *name = text_of(entry, "name");
		uint16_t port = read_port(entry, "port");

		if (port)
			g_ptr_array_add(
				service->ports,
				ss_service_port_new(is_label(name) ? name : NULL,
						    read_protocol(text_of(entry, "protocol")), port,
						    read_port(entry, "nodePort")));
	}
}

struct ss_service *ss_kube_object_service(const json_t *object)
{
	static const char *const lists[] = {"clusterIPs", "externalIPs"};
	const json_t *spec = json_object_get(object, "spec");
	const json_t *balancers = json_object_get(
		json_object_get(json_object_get(object, "status"), "loadBalancer"), "ingress");
	const char *namespace = ss_kube_object_meta(object, "namespace");
	const char *name = ss_kube_object_meta(object, "name"),
		   *uid = ss_kube_object_meta(object, "uid");
	const char *type = text_of(spec, "type");
	struct ss_service *service;

	if (!is_label(namespace) || !is_subdomain(name))
		return NULL;
	service = ss_service_new();
	service->namespace = g_strdup(namespace);
	service->name = g_strdup(name);
	service->uid = is_uid(uid) ? g_strdup(uid) : NULL;
	service->type = is_word(type, SS_LABEL_MAX, "") ? g_strdup(type) : NULL;
	add_address(service->addresses, text_of(spec, "clusterIP")); /* "None" is no address */
	for (size_t list = 0; list < G_N_ELEMENTS(lists); list++) {
		const json_t *addresses = json_object_get(spec, lists[list]);

		for (size_t i = 0; i < MIN(json_array_size(addresses), LIST_MAX); i++)
			add_address(service->addresses,
				    json_string_value(json_array_get(addresses, i)));
	}
	for (size_t i = 0; i < MIN(json_array_size(balancers), LIST_MAX); i++)
		add_address(service->addresses, text_of(json_array_get(balancers, i), "ip"));
	read_service_ports(json_object_get(spec, "ports"), service);
	return service;
}

static void slice_endpoint_free(gpointer data)
{
	ss_service_endpoint_free(data);
}

static struct ss_kube_object_slice *slice_new(const char *namespace, const char *name,
					      const char *service)
{
	struct ss_kube_object_slice *slice;

	if (!is_label(namespace) || !is_subdomain(name) || !is_subdomain(service))
		return NULL;
	slice = g_new0(struct ss_kube_object_slice, 1);
	slice->namespace = g_strdup(namespace);
	slice->name = g_strdup(name);
	slice->service = g_strdup(service);
	slice->endpoints = g_ptr_array_new_with_free_func(slice_endpoint_free);
	return slice;
}

void ss_kube_object_slice_free(struct ss_kube_object_slice *slice)
{
	if (!slice)
		return;
	g_free(slice->namespace);
	g_free(slice->name);
	g_free(slice->service);
	g_ptr_array_unref(slice->endpoints);
	g_free(slice);
}

static void add_endpoint(struct ss_kube_object_slice *slice, const char *text, const json_t *target,
			 const json_t *ports)
{
	bool is_pod = !g_strcmp0(text_of(target, "kind"), "Pod");
	const char *pod = is_pod ? text_of(target, "name") : NULL;
	g_autofree char *address = read_address(text);
	struct ss_service_endpoint *endpoint;

	if (!address || slice->endpoints->len >= LIST_MAX)
		return;
	if (!is_subdomain(pod))
		pod = NULL;
	endpoint = ss_service_endpoint_new(address, pod ? slice->namespace : NULL, pod);
	for (size_t i = 0; i < MIN(json_array_size(ports), LIST_MAX); i++) {
		uint16_t port = read_port(json_array_get(ports, i), "port");

		if (port)
			g_array_append_val(endpoint->ports, port);
	}
	g_ptr_array_add(slice->endpoints, endpoint);
}

struct ss_kube_object_slice *ss_kube_object_slice(const json_t *object)
{
	const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
	const json_t *endpoints = json_object_get(object, "endpoints");
	struct ss_kube_object_slice *slice = slice_new(
		ss_kube_object_meta(object, "namespace"), ss_kube_object_meta(object, "name"),
		text_of(labels, "kubernetes.io/service-name"));

	if (!slice)
		return NULL;
	for (size_t i = 0; i < MIN(json_array_size(endpoints), LIST_MAX); i++) {
		const json_t *endpoint = json_array_get(endpoints, i);
		const json_t *addresses = json_object_get(endpoint, "addresses");

		/* of several addresses all are of the same endpoint, and the first is used */
		add_endpoint(slice, json_string_value(json_array_get(addresses, 0)),
			     json_object_get(endpoint, "targetRef"),
			     json_object_get(object, "ports"));
	}
	return slice;
}

struct ss_kube_object_slice *ss_kube_object_endpoints(const json_t *object)
{
	static const char *const lists[] = {"addresses", "notReadyAddresses"};
	const char *namespace = ss_kube_object_meta(object, "namespace");
	const char *name = ss_kube_object_meta(object, "name");
	struct ss_kube_object_slice *slice = slice_new(namespace, name, name);
	const json_t *subsets = json_object_get(object, "subsets");

	if (!slice)
		return NULL;
	for (size_t i = 0; i < MIN(json_array_size(subsets), LIST_MAX); i++) {
		const json_t *subset = json_array_get(subsets, i);

		for (size_t list = 0; list < G_N_ELEMENTS(lists); list++) {
			const json_t *addresses = json_object_get(subset, lists[list]);

			for (size_t j = 0; j < MIN(json_array_size(addresses), LIST_MAX); j++) {
				const json_t *entry = json_array_get(addresses, j);

				add_endpoint(slice, text_of(entry, "ip"),
					     json_object_get(entry, "targetRef"),
					     json_object_get(subset, "ports"));
			}
		}
	}
	return slice;
}

struct ss_cluster_node *ss_kube_object_node(const json_t *object)
{
	const json_t *addresses = json_object_get(json_object_get(object, "status"), "addresses");
	const char *name = ss_kube_object_meta(object, "name");
	struct ss_cluster_node *node;

	if (!is_subdomain(name))
		return NULL;
	node = ss_cluster_node_new(name);
	for (size_t i = 0; i < MIN(json_array_size(addresses), LIST_MAX); i++)
		add_address(node->addresses, text_of(json_array_get(addresses, i), "address"));
	return node;
}
