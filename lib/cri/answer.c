/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protobuf-c decodes what cri.proto names and keeps the rest as unknown fields, so a small message
 * can become large in memory (a repeated field of empty messages): its allocations are counted.
 */
#include "answer.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "cri.pb-c.h"
#include "k8s/pod.h"
#include "k8s/podname.h"

#define BUDGET_BYTES   (96u << 20)
#define LABELS_MAX     512
#define LABEL_KEY_MAX  317          /* prefix of 253, a slash, a name of 63 */
#define ANNOTATION_MAX (256u << 10) /* bytes of all of an object; the API server's limit */
#define IMAGE_MAX      1024
#define ADDRESSES_MAX  64

static void *allocate(void *budget, size_t size)
{
	size_t *left = budget;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void release(void *budget, void *memory)
{
	(void)budget;
	free(memory);
}

/* Frees with the allocator that it was made with, which keeps no state. */
static ProtobufCAllocator release_only = {allocate, release, NULL};

static void *unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
		    size_t length)
{
	size_t left = BUDGET_BYTES;
	ProtobufCAllocator allocator = {allocate, release, &left};

	return protobuf_c_message_unpack(descriptor, &allocator, length, bytes);
}

static void message_freep(void *message)
{
	ProtobufCMessage **unpacked = message;

	if (*unpacked)
		protobuf_c_message_free_unpacked(*unpacked, &release_only);
}
#define autounpacked __attribute__((cleanup(message_freep)))

static bool is_text(const char *text, size_t maximum, bool lines)
{
	size_t length = strlen(text);

	if (length > maximum || !g_utf8_validate(text, (gssize)length, NULL))
		return false;
	for (size_t i = 0; i < length; i++)
		if (g_ascii_iscntrl(text[i]) && !(lines && (text[i] == '\n' || text[i] == '\t')))
			return false;
	return true;
}

static bool is_id(const char *text)
{
	return ss_podname_is_container_id(text, strlen(text));
}

/* What the kubelet adds to a sandbox for itself (kubernetes, pkg/kubelet/types/labels.go). */
static bool is_kubelets(const char *key)
{
	static const char *const keys[] = {"io.kubernetes.pod.name", "io.kubernetes.pod.namespace",
					   "io.kubernetes.pod.uid", "io.kubernetes.container.name"};

	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static GPtrArray *copy_pairs(Cri__Pair *const *pairs, size_t count, size_t bytes_max, bool lines)
{
	GPtrArray *labels = ss_labels_new();
	size_t bytes = 0;

	for (size_t i = 0; i < count && labels->len < LABELS_MAX; i++) {
		const char *key = pairs[i]->key, *value = pairs[i]->value;

		if (!*key || !is_text(key, LABEL_KEY_MAX, false) || is_kubelets(key) ||
		    !is_text(value, bytes_max - bytes, lines))
			continue;
		bytes += strlen(value);
		ss_labels_set(labels, key, value);
	}
	return labels;
}

static void sandbox_destroy(gpointer pointer)
{
	struct ss_answer_sandbox *sandbox = pointer;

	g_free(sandbox->id);
	g_free(sandbox->uid);
	g_ptr_array_unref(sandbox->labels);
	g_ptr_array_unref(sandbox->annotations);
	g_free(sandbox);
}

void ss_answer_container_free(struct ss_answer_container *container)
{
	if (!container)
		return;
	g_free(container->id);
	g_free(container->sandbox_id);
	g_free(container->name);
	g_free(container->image);
	g_free(container);
}

static void container_destroy(gpointer container)
{
	ss_answer_container_free(container);
}

char *ss_answer_version(const uint8_t *bytes, size_t length)
{
	autounpacked Cri__VersionResponse *answer =
		unpack(&cri__version_response__descriptor, bytes, length);

	if (!answer || !is_text(answer->runtime_name, 64, false) ||
	    !is_text(answer->runtime_version, 64, false))
		return NULL;
	return g_strdup_printf("%s %s", answer->runtime_name, answer->runtime_version);
}

static struct ss_answer_sandbox *copy_sandbox(const Cri__PodSandbox *item)
{
	struct ss_answer_sandbox *sandbox;

	if (!item->metadata || !is_id(item->id) ||
	    !ss_podname_is_uid(item->metadata->uid, strlen(item->metadata->uid)))
		return NULL;
	sandbox = g_new0(struct ss_answer_sandbox, 1);
	sandbox->id = g_strdup(item->id);
	sandbox->uid = g_strdup(item->metadata->uid);
	sandbox->ready = item->state == CRI__POD_SANDBOX_STATE__SANDBOX_READY;
	sandbox->created_ns = item->created_at;
	sandbox->labels = copy_pairs(item->labels, item->n_labels, ANNOTATION_MAX, false);
	sandbox->annotations =
		copy_pairs(item->annotations, item->n_annotations, ANNOTATION_MAX, true);
	return sandbox;
}

GPtrArray *ss_answer_sandboxes(const uint8_t *bytes, size_t length)
{
	autounpacked Cri__ListPodSandboxResponse *answer =
		unpack(&cri__list_pod_sandbox_response__descriptor, bytes, length);
	GPtrArray *sandboxes;

	if (!answer)
		return NULL;
	sandboxes = g_ptr_array_new_with_free_func(sandbox_destroy);
	for (size_t i = 0; i < answer->n_items && sandboxes->len < SS_ANSWER_ITEMS_MAX; i++) {
		struct ss_answer_sandbox *sandbox = copy_sandbox(answer->items[i]);

		if (sandbox)
			g_ptr_array_add(sandboxes, sandbox);
	}
	return sandboxes;
}

/* A digest names no image to people: "sha256:..." */
static char *copy_image(const Cri__ImageSpec *image)
{
	const char *name;

	if (!image)
		return NULL;
	name = *image->user_specified_image ? image->user_specified_image : image->image;
	if (!*name || g_str_has_prefix(name, "sha256:") || is_id(name) ||
	    !is_text(name, IMAGE_MAX, false))
		return NULL;
	return g_strdup(name);
}

static struct ss_answer_container *copy_container(const Cri__Container *item)
{
	struct ss_answer_container *container;

	if (!item->metadata || !is_id(item->id) || !is_id(item->pod_sandbox_id) ||
	    !ss_podname_is_label(item->metadata->name, strlen(item->metadata->name)))
		return NULL;
	container = g_new0(struct ss_answer_container, 1);
	container->id = g_strdup(item->id);
	container->sandbox_id = g_strdup(item->pod_sandbox_id);
	container->name = g_strdup(item->metadata->name);
	container->image = copy_image(item->image);
	container->living = item->state == CRI__CONTAINER_STATE__CONTAINER_CREATED ||
			    item->state == CRI__CONTAINER_STATE__CONTAINER_RUNNING;
	return container;
}

GPtrArray *ss_answer_containers(const uint8_t *bytes, size_t length)
{
	autounpacked Cri__ListContainersResponse *answer =
		unpack(&cri__list_containers_response__descriptor, bytes, length);
	GPtrArray *containers;

	if (!answer)
		return NULL;
	containers = g_ptr_array_new_with_free_func(container_destroy);
	for (size_t i = 0; i < answer->n_containers && containers->len < SS_ANSWER_ITEMS_MAX; i++) {
		struct ss_answer_container *container = copy_container(answer->containers[i]);

		if (container)
			g_ptr_array_add(containers, container);
	}
	return containers;
}

static void add_address(GPtrArray *addresses, const char *text)
{
	uint8_t binary[16];

	if (addresses->len < ADDRESSES_MAX &&
	    (inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1))
		g_ptr_array_add(addresses, g_strdup(text));
}

GPtrArray *ss_answer_addresses(const uint8_t *bytes, size_t length)
{
	autounpacked Cri__PodSandboxStatusResponse *answer =
		unpack(&cri__pod_sandbox_status_response__descriptor, bytes, length);
	GPtrArray *addresses;

	if (!answer)
		return NULL;
	addresses = g_ptr_array_new_with_free_func(g_free);
	if (!answer->status || !answer->status->network)
		return addresses;
	add_address(addresses, answer->status->network->ip);
	for (size_t i = 0; i < answer->status->network->n_additional_ips; i++)
		add_address(addresses, answer->status->network->additional_ips[i]->ip);
	return addresses;
}

char *ss_answer_image(const uint8_t *bytes, size_t length)
{
	autounpacked Cri__ContainerStatusResponse *answer =
		unpack(&cri__container_status_response__descriptor, bytes, length);

	return answer && answer->status ? copy_image(answer->status->image) : NULL;
}
