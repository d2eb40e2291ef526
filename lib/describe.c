/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what is known of a pod to option 2989 and to interface descriptions. */
#include "describe.h"

#include <inttypes.h>
#include <string.h>

#include "format/pcapng.h"

static uint8_t *put_tlv(uint8_t *to, uint8_t type, const void *value, uint8_t length)
{
	*to++ = type;
	*to++ = length;
	memcpy(to, value, length);
	return to + length;
}

static bool parse_hex(const char *text, uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int high = g_ascii_xdigit_value(text[2 * i]);
		int low = high < 0 ? -1 : g_ascii_xdigit_value(text[2 * i + 1]);

		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Option 2989 has 22 bytes of TLVs: 10 process, which the kernel fills in, 3 direction, 1 padding,
 * 8 container. */
void ss_describe_slot(struct ss_slot *slot, const struct ss_pod *pod, enum ss_direction direction)
{
	uint8_t value[28] = {0}, process[SS_PROCESS_SIZE] = {0}, *to = value;
	uint8_t byte = (uint8_t)direction;
	uint32_t pen = GUINT32_TO_LE(SS_METADATA_PEN);
	uint8_t id[SS_CONTAINER_ID_SIZE];

	slot->options[0] = 4u << 16 | SS_EPB_FLAGS;
	slot->options[1] = direction == SS_DIRECTION_IN    ? SS_EPB_FLAG_IN
			   : direction == SS_DIRECTION_OUT ? SS_EPB_FLAG_OUT
							   : 0;
	slot->options[2] = (uint32_t)sizeof(value) << 16 | SS_OPT_CUSTOM_BIN;
	memcpy(to, &pen, sizeof(pen));
	to += sizeof(pen);
	*to++ = SS_METADATA_MAGIC0;
	*to++ = SS_METADATA_MAGIC1;
	to = put_tlv(to, SS_METADATA_PROCESS, process, sizeof(process));
	to = put_tlv(to, SS_METADATA_DIRECTION, &byte, 1);
	*to++ = SS_METADATA_PAD; /* with the direction, room for SS_METADATA_REDIRECT */
	if (pod && pod->containers->len == 1) {
		const struct ss_container *container = pod->containers->pdata[0];

		if (container->id && parse_hex(container->id, id, sizeof(id)))
			put_tlv(to, SS_METADATA_CONTAINER, id, sizeof(id));
	}
	memcpy(&slot->options[3], value, sizeof(value));
}

char *ss_describe_containers(const struct ss_pod *pod)
{
	GString *names = g_string_new(NULL);

	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *container = pod->containers->pdata[i];

		if (container->name)
			g_string_append_printf(names, "%s%s", names->len ? "," : "",
					       container->name);
	}
	return g_string_free(names, FALSE);
}

static struct ss_interface *describe_pod(const struct ss_pod *pod, const char *name,
					 const char *device, const char *node, const char *hook,
					 uint16_t link_type)
{
	struct ss_interface *interface = ss_interface_new(name, link_type);
	g_autofree char *containers = ss_describe_containers(pod);
	g_autofree char *netns =
		pod->netns_inode ? g_strdup_printf("%" PRIu32, pod->netns_inode) : NULL;
	g_autofree char *cgroup =
		pod->cgroup_id ? g_strdup_printf("%" PRIu64, pod->cgroup_id) : NULL;

	ss_interface_describe(interface, SS_INTERFACE_KEY_POD, pod->name);
	ss_interface_describe(interface, SS_INTERFACE_KEY_NAMESPACE, pod->namespace);
	ss_interface_describe(interface, SS_INTERFACE_KEY_CONTAINER, containers);
	ss_interface_describe(interface, SS_INTERFACE_KEY_DEVICE, device);
	ss_interface_describe(interface, SS_INTERFACE_KEY_NODE, node);
	ss_interface_describe(interface, SS_INTERFACE_KEY_RUNTIME, pod->runtime);
	ss_interface_describe(interface, SS_INTERFACE_KEY_UID, pod->uid);
	ss_interface_describe(interface, SS_INTERFACE_KEY_HOOK, hook);
	ss_interface_describe(interface, SS_INTERFACE_KEY_NETNS, netns);
	ss_interface_describe(interface, SS_INTERFACE_KEY_CGROUP, cgroup);
	return interface;
}

struct ss_interface *ss_describe_pod_interface(const struct ss_pod *pod, const char *device,
					       bool first, const char *node, const char *hook,
					       uint16_t link_type)
{
	g_autofree char *name =
		ss_interface_pod_name(pod->namespace, pod->name, first ? NULL : device);

	return describe_pod(pod, name, device, node, hook, link_type);
}

struct ss_interface *ss_describe_plaintext_interface(const struct ss_pod *pod, const char *node)
{
	g_autofree char *name =
		g_strdup_printf(SS_INTERFACE_PLAINTEXT ":%s/%s", pod->namespace, pod->name);

	return describe_pod(pod, name, NULL, node, "tls", SS_LINKTYPE_RAW);
}

GByteArray *ss_describe_process(bool out, uint32_t pid, const char *comm)
{
	uint8_t value[64], *to = value, direction = out ? SS_DIRECTION_OUT : SS_DIRECTION_IN;
	uint32_t little = GUINT32_TO_LE(pid);
	char name[SS_COMM_SIZE] = {0};

	memcpy(name, comm, strnlen(comm, sizeof(name)));
	to = put_tlv(to, SS_METADATA_DIRECTION, &direction, 1);
	to = put_tlv(to, SS_METADATA_PID, &little, sizeof(little));
	to = put_tlv(to, SS_METADATA_COMM, name, sizeof(name));
	return g_byte_array_append(g_byte_array_new(), value, (guint)(to - value));
}

struct ss_interface *ss_describe_host_interface(const char *device, const char *node,
						const char *hook, uint16_t link_type)
{
	struct ss_interface *interface = ss_interface_new(device, link_type);

	ss_interface_describe(interface, SS_INTERFACE_KEY_DEVICE, device);
	ss_interface_describe(interface, SS_INTERFACE_KEY_NODE, node);
	ss_interface_describe(interface, SS_INTERFACE_KEY_HOOK, hook);
	return interface;
}
