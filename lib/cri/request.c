/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages are those of cri.proto; they only borrow texts, so const is cast away. */
#include "cri/request.h"

#include <stdint.h>

#include "cri.pb-c.h"

#define SERVICE    "/runtime.v1.RuntimeService/"
#define TIMEOUT_MS 2000

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

static void call(struct ss_grpc *grpc, const char *method, const ProtobufCMessage *message,
		 ss_grpc_reply reply, void *user_data, GDestroyNotify destroy)
{
	size_t length = protobuf_c_message_get_packed_size(message);
	g_autofree uint8_t *packed = g_malloc(length + 1);
	g_autofree char *path = g_strconcat(SERVICE, method, NULL);

	protobuf_c_message_pack(message, packed);
	ss_grpc_call(grpc, path, packed, length, TIMEOUT_MS, reply, user_data, destroy);
}

void ss_request_version(struct ss_grpc *grpc, ss_grpc_reply reply, void *user_data)
{
	Cri__VersionRequest request = CRI__VERSION_REQUEST__INIT;

	call(grpc, "Version", &request.base, reply, user_data, NULL);
}

void ss_request_sandboxes(struct ss_grpc *grpc, const char *uid, ss_grpc_reply reply,
			  void *user_data)
{
	Cri__ListPodSandboxRequest request = CRI__LIST_POD_SANDBOX_REQUEST__INIT;
	Cri__PodSandboxFilter filter = CRI__POD_SANDBOX_FILTER__INIT;
	Cri__Pair label = CRI__PAIR__INIT, *labels[] = {&label};

	label.key = borrow("io.kubernetes.pod.uid");
	label.value = borrow(uid);
	filter.label_selector = labels;
	filter.n_label_selector = 1;
	request.filter = uid ? &filter : NULL;
	call(grpc, "ListPodSandbox", &request.base, reply, user_data, NULL);
}

void ss_request_containers(struct ss_grpc *grpc, const char *sandbox_id, ss_grpc_reply reply,
			   void *user_data)
{
	Cri__ListContainersRequest request = CRI__LIST_CONTAINERS_REQUEST__INIT;
	Cri__ContainerFilter filter = CRI__CONTAINER_FILTER__INIT;

	filter.pod_sandbox_id = borrow(sandbox_id);
	request.filter = sandbox_id ? &filter : NULL;
	call(grpc, "ListContainers", &request.base, reply, user_data, NULL);
}

void ss_request_addresses(struct ss_grpc *grpc, const char *sandbox_id, ss_grpc_reply reply,
			  void *user_data, GDestroyNotify destroy)
{
	Cri__PodSandboxStatusRequest request = CRI__POD_SANDBOX_STATUS_REQUEST__INIT;

	request.pod_sandbox_id = borrow(sandbox_id);
	call(grpc, "PodSandboxStatus", &request.base, reply, user_data, destroy);
}

void ss_request_image(struct ss_grpc *grpc, const char *container_id, ss_grpc_reply reply,
		      void *user_data, GDestroyNotify destroy)
{
	Cri__ContainerStatusRequest request = CRI__CONTAINER_STATUS_REQUEST__INIT;

	request.container_id = borrow(container_id);
	call(grpc, "ContainerStatus", &request.base, reply, user_data, destroy);
}
