/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a list or a watch: cut into the same objects however they come in pieces, and every
 * name and address that is made of them obeys its rules. The first byte says how they come.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "k8s/podname.h"
#include "kube/object.h"
#include "kube/split.h"

#define LIMIT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_label(const char *text)
{
	return ss_podname_is_label(text, strlen(text));
}

static bool is_subdomain(const char *text)
{
	return ss_podname_is_subdomain(text, strlen(text));
}

static void check_addresses(const GPtrArray *addresses)
{
	struct in6_addr address;

	for (guint i = 0; i < addresses->len; i++)
		g_assert_true(inet_pton(AF_INET, addresses->pdata[i], &address) == 1 ||
			      inet_pton(AF_INET6, addresses->pdata[i], &address) == 1);
}

static void check_pod(const json_t *object)
{
	struct ss_kube_object_owner owner;
	bool finished;
	struct ss_pod *pod = ss_kube_object_pod(object, true, &owner, &finished);

	if (!pod)
		return;
	g_assert_true(is_label(pod->namespace) && is_subdomain(pod->name));
	g_assert_true(ss_podname_is_uid(pod->uid, strlen(pod->uid)));
	g_assert_true(!pod->node_name || is_subdomain(pod->node_name));
	g_assert_true(!owner.uid[0] || is_subdomain(owner.name));
	check_addresses(pod->addresses);
	for (guint i = 0; i < pod->containers->len; i++)
		g_assert_true(is_label(((struct ss_container *)pod->containers->pdata[i])->name));
	for (guint i = 0; i < pod->labels->len; i++)
		g_assert_null(strpbrk(((struct ss_label *)pod->labels->pdata[i])->value,
				      " \t\r\n\033,="));
	ss_pod_free(pod);
}

static void check_slice(struct ss_kube_object_slice *slice)
{
	if (!slice)
		return;
	g_assert_true(is_label(slice->namespace) && is_subdomain(slice->service));
	ss_kube_object_slice_free(slice);
}

static void check(const json_t *object)
{
	struct ss_service *service = ss_kube_object_service(object);
	struct ss_cluster_node *node = ss_kube_object_node(object);

	check_pod(object);
	check_slice(ss_kube_object_slice(object));
	check_slice(ss_kube_object_endpoints(object));
	if (service) {
		g_assert_true(is_label(service->namespace) && is_subdomain(service->name));
		check_addresses(service->addresses);
	}
	ss_service_free(service);
	if (node)
		check_addresses(node->addresses);
	ss_cluster_node_free(node);
}

static void on_object(const char *text, size_t length, void *user_data)
{
	json_t *root = json_loadb(text, length, JSON_ALLOW_NUL, NULL);

	g_assert_cmpuint(length, <=, LIMIT);
	g_assert_true(text[0] == '{');
	g_string_append_len(user_data, text, (gssize)length);
	g_string_append_c(user_data, '\n');
	check(root);
	check(json_object_get(root, "object"));
	json_decref(root);
}

static void on_skipped(size_t length, void *user_data)
{
	g_string_append_printf(user_data, "%zu\n", length);
}

static GString *cut(const char *text, size_t size, enum ss_kube_split_mode mode, size_t piece)
{
	GString *result = g_string_new(NULL);
	const struct ss_kube_split_callbacks callbacks = {on_object, on_skipped, result};
	struct ss_kube_split *split = ss_kube_split_new(mode, LIMIT, &callbacks);
	const GString *envelope;

	for (size_t i = 0; i < size; i += piece)
		ss_kube_split_feed(split, text + i, MIN(piece, size - i));
	envelope = ss_kube_split_envelope(split);
	if (ss_kube_split_end(split) == 0)
		g_string_append_len(result, envelope->str, (gssize)envelope->len);
	ss_kube_split_free(split);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	g_autoptr(GString) whole = NULL, pieces = NULL;
	enum ss_kube_split_mode mode;

	if (size == 0)
		return 0;
	mode = data[0] & 1 ? SS_SPLIT_LIST : SS_SPLIT_STREAM;
	whole = cut(text + 1, size - 1, mode, size);
	pieces = cut(text + 1, size - 1, mode, 1 + data[0] / 16);
	g_assert_true(g_string_equal(whole, pieces));
	return 0;
}
