/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One dump a direction. The dump also holds lines about whole chains and priorities, which have no
 * handle and are no filters. */
#include "filters.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>

#include <glib.h>
#include <libmnl/libmnl.h>

#define REPLY_SIZE  32768         /* the kernel's own dump size */
#define OUR_PROGRAM "ss_frame_tc" /* libbpf names a filter "<program>:[<id>]" */

struct filter {
	bool bpf, ours;
};

static int parse_bpf(const struct nlattr *attribute, void *data)
{
	struct filter *filter = data;

	if (mnl_attr_get_type(attribute) == TCA_BPF_NAME &&
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0 &&
	    g_str_has_prefix(mnl_attr_get_str(attribute), OUR_PROGRAM))
		filter->ours = true;
	return MNL_CB_OK;
}

/* TCA_KIND comes before TCA_OPTIONS. */
static int parse_attribute(const struct nlattr *attribute, void *data)
{
	struct filter *filter = data;

	if (mnl_attr_get_type(attribute) == TCA_KIND &&
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
		filter->bpf = strcmp(mnl_attr_get_str(attribute), "bpf") == 0;
	if (mnl_attr_get_type(attribute) == TCA_OPTIONS && filter->bpf)
		mnl_attr_parse_nested(attribute, parse_bpf, filter);
	return MNL_CB_OK;
}

static int parse_filter(const struct nlmsghdr *message, void *data)
{
	struct ss_filters *filters = data;
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct filter filter = {0};

	if (message->nlmsg_type != RTM_NEWTFILTER ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*tc) || !tc->tcm_handle)
		return MNL_CB_OK;
	filters->total++;
	mnl_attr_parse(message, sizeof(*tc), parse_attribute, &filter);
	if (filter.ours && TC_H_MAJ(tc->tcm_info) >> 16 == SS_FILTERS_PRIORITY_OWN)
		filters->own_qdisc = true;
	return MNL_CB_OK;
}

static int list_side(struct mnl_socket *socket, int ifindex, uint32_t parent,
		     struct ss_filters *filters)
{
	g_autofree char *buffer = g_malloc0(REPLY_SIZE);
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(request, sizeof(*tc));
	unsigned sequence = (unsigned)time(NULL) ^ parent;
	ssize_t length;
	int r;

	request->nlmsg_type = RTM_GETTFILTER;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = sequence;
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = parent;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		length = mnl_socket_recvfrom(socket, buffer, REPLY_SIZE);
		if (length < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)length, sequence, mnl_socket_get_portid(socket),
			       parse_filter, filters);
	} while (r > 0);
	return r < 0 ? -errno : 0;
}

int ss_filters_list(int ifindex, struct ss_filters *ret_filters)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct ss_filters filters = {0};
	int r;

	if (!socket)
		return -errno;
	r = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (r == 0)
		r = list_side(socket, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), &filters);
	if (r == 0)
		r = list_side(socket, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), &filters);
	mnl_socket_close(socket);
	if (r == 0)
		*ret_filters = filters;
	return r;
}
