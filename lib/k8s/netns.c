/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTM_GETNSID over a raw netlink socket: one message each way, no library, no capability. A
 * namespace has a local id only once something linked the two (a veth pair does); without one the
 * kernel answers -1 for every such namespace, which identifies nothing.
 */
#include "netns.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "error.h"

struct ss_netns_table {
	int netlink;
	uint32_t sequence;
	GHashTable *inodes; /* nsid → inode */
};

static int32_t parse_reply(const uint8_t *data, size_t length, uint32_t sequence)
{
	struct nlmsghdr header;
	size_t offset = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct rtgenmsg));
	struct rtattr attribute;

	if (length < sizeof(header))
		return -1;
	memcpy(&header, data, sizeof(header));
	if (header.nlmsg_type != RTM_NEWNSID || header.nlmsg_seq != sequence)
		return -1;
	length = MIN(length, header.nlmsg_len);
	while (offset + sizeof(attribute) <= length) {
		memcpy(&attribute, data + offset, sizeof(attribute));
		if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > length - offset)
			return -1;
		if (attribute.rta_type == NETNSA_NSID &&
		    attribute.rta_len == RTA_LENGTH(sizeof(int32_t))) {
			int32_t nsid;

			memcpy(&nsid, data + offset + RTA_LENGTH(0), sizeof(nsid));
			return nsid;
		}
		offset += RTA_ALIGN(attribute.rta_len);
	}
	return -1;
}

/* kind: NETNSA_PID or NETNSA_FD. -1: none. */
static int32_t query_nsid(int netlink, uint32_t sequence, unsigned short kind, uint32_t value)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg message;
		char padding[NLMSG_ALIGN(sizeof(struct rtgenmsg)) - sizeof(struct rtgenmsg)];
		struct rtattr attribute;
		uint32_t value;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_GETNSID,
			   .nlmsg_flags = NLM_F_REQUEST,
			   .nlmsg_seq = sequence},
		.attribute = {.rta_len = RTA_LENGTH(sizeof(value)), .rta_type = kind},
		.value = value,
	};
	uint8_t reply[512];
	ssize_t length;

	if (netlink < 0 || send(netlink, &request, sizeof(request), 0) < 0)
		return -1;
	/* the kernel answers inside send(): there is nothing to wait for */
	length = recv(netlink, reply, sizeof(reply), MSG_DONTWAIT);
	return length < 0 ? -1 : parse_reply(reply, (size_t)length, sequence);
}

static void add_file(struct ss_netns_table *table, int directory, const char *name)
{
	ss_autofd int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat status;
	int32_t nsid;

	if (fd < 0 || fstat(fd, &status) < 0)
		return;
	nsid = query_nsid(table->netlink, ++table->sequence, NETNSA_FD, (uint32_t)fd);
	if (nsid >= 0)
		g_hash_table_insert(table->inodes, GINT_TO_POINTER(nsid),
				    GUINT_TO_POINTER((guint)status.st_ino));
}

struct ss_netns_table *ss_netns_table_new(const char *directory)
{
	struct ss_netns_table *table = g_new0(struct ss_netns_table, 1);
	struct dirent *entry;
	DIR *dir;

	table->inodes = g_hash_table_new(NULL, NULL);
	table->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	dir = opendir(directory);
	if (!dir)
		return table;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add_file(table, dirfd(dir), entry->d_name);
	closedir(dir);
	return table;
}

void ss_netns_table_free(struct ss_netns_table *table)
{
	if (!table)
		return;
	ss_closep(&table->netlink);
	g_hash_table_unref(table->inodes);
	g_free(table);
}

uint32_t ss_netns_table_lookup(struct ss_netns_table *table, pid_t pid)
{
	int32_t nsid;

	if (g_hash_table_size(table->inodes) == 0)
		return 0;
	nsid = query_nsid(table->netlink, ++table->sequence, NETNSA_PID, (uint32_t)pid);
	if (nsid < 0)
		return 0;
	return GPOINTER_TO_UINT(g_hash_table_lookup(table->inodes, GINT_TO_POINTER(nsid)));
}
