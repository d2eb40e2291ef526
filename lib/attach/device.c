/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtnetlink questions about devices, through libmnl: one socket a question, in the namespace where
 * the thread is. */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmnl/libmnl.h>

#define REPLY_SIZE 32768 /* the kernel's own dump size */

bool ss_device_is_ethernet(const struct ss_device *device)
{
	return device->type == ARPHRD_ETHER || device->type == ARPHRD_LOOPBACK;
}

/* Sends a request and runs callback over the answer. */
static int ask(struct nlmsghdr *request, mnl_cb_t callback, void *data)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	g_autofree char *reply = g_malloc(REPLY_SIZE);
	unsigned port, sequence = (unsigned)time(NULL);
	ssize_t length;
	int r = -1;

	if (!socket)
		return -errno;
	request->nlmsg_seq = sequence;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0) {
		port = mnl_socket_get_portid(socket);
		do {
			length = mnl_socket_recvfrom(socket, reply, REPLY_SIZE);
			if (length < 0)
				break;
			r = mnl_cb_run(reply, (size_t)length, sequence, port, callback, data);
		} while (r > 0);
	}
	if (r < 0)
		r = -errno;
	mnl_socket_close(socket);
	return r;
}

static int parse_link_attribute(const struct nlattr *attribute, void *data)
{
	struct ss_device *device = data;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			g_strlcpy(device->name, mnl_attr_get_str(attribute), sizeof(device->name));
		break;
	case IFLA_ADDRESS:
		device->has_mac = mnl_attr_get_payload_len(attribute) == sizeof(device->mac);
		if (device->has_mac)
			memcpy(device->mac, mnl_attr_get_payload(attribute), sizeof(device->mac));
		break;
	case IFLA_LINK:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			device->peer_index = (int)mnl_attr_get_u32(attribute);
		break;
	case IFLA_LINK_NETNSID:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			device->peer_netns = (int)mnl_attr_get_u32(attribute);
		break;
	}
	return MNL_CB_OK;
}

static int parse_link(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct ss_device device = {.peer_netns = -1};
	GArray *devices = data;

	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	device.index = info->ifi_index;
	device.type = info->ifi_type;
	device.up = info->ifi_flags & IFF_UP;
	mnl_attr_parse(message, sizeof(*info), parse_link_attribute, &device);
	if (device.name[0])
		g_array_append_val(devices, device);
	return MNL_CB_OK;
}

static int compare_index(gconstpointer a, gconstpointer b)
{
	return ((const struct ss_device *)a)->index - ((const struct ss_device *)b)->index;
}

int ss_device_list(GArray **ret_devices, struct ss_error *error)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	g_autoptr(GArray) devices = g_array_new(FALSE, TRUE, sizeof(struct ss_device));
	struct ifinfomsg *info;
	int r;

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	r = ask(request, parse_link, devices);
	if (r < 0)
		return ss_fail(error, r, "cannot list the network devices: %s", g_strerror(-r));
	g_array_sort(devices, compare_index);
	*ret_devices = g_steal_pointer(&devices);
	return 0;
}

static int parse_nsid_attribute(const struct nlattr *attribute, void *data)
{
	int *nsid = data;

	if (mnl_attr_get_type(attribute) == NETNSA_NSID &&
	    mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
		*nsid = (int)mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static int parse_nsid(const struct nlmsghdr *message, void *data)
{
	return mnl_attr_parse(message, sizeof(struct rtgenmsg), parse_nsid_attribute, data);
}

/* The id that this namespace has for the network namespace of pid; -1 when it has none. */
static int netns_id(pid_t pid, int *ret_nsid)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtgenmsg *generic;

	request->nlmsg_type = RTM_GETNSID;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	generic = mnl_nlmsg_put_extra_header(request, sizeof(*generic));
	generic->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(request, NETNSA_PID, (uint32_t)pid);
	*ret_nsid = -1;
	return ask(request, parse_nsid, ret_nsid);
}

int ss_device_list_peers(pid_t pid, GArray **ret_devices, struct ss_error *error)
{
	g_autoptr(GArray) devices = NULL;
	int nsid, r;

	r = netns_id(pid, &nsid);
	if (r < 0)
		return ss_fail(error, r, "cannot ask for the network namespace of process %d: %s",
			       (int)pid, g_strerror(-r));
	r = ss_device_list(&devices, error);
	if (r < 0)
		return r;
	for (guint i = devices->len; i > 0; i--)
		if (nsid < 0 || g_array_index(devices, struct ss_device, i - 1).peer_netns != nsid)
			g_array_remove_index(devices, i - 1);
	*ret_devices = g_steal_pointer(&devices);
	return 0;
}

int ss_device_monitor_open(struct ss_error *error)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	ss_autofd int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return ss_fail(error, -errno, "cannot watch the network devices: %s",
			       g_strerror(errno));
	return g_steal_fd(&fd);
}

void ss_device_monitor_drain(int fd)
{
	char buffer[8192];

	/* ENOBUFS says that messages were lost: there was a change all the same. */
	while (recv(fd, buffer, sizeof(buffer), 0) > 0 || errno == ENOBUFS)
		;
}
