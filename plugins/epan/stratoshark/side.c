/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resolves the two ends of a frame. Costs a few hash lookups: done only for frames of which
 * somebody asked.
 */
#include "side.h"

#include <netinet/in.h>
#include <string.h>

#include <epan/address_types.h>
#include <epan/strutil.h>
#include <epan/to_str.h>

#include "format/metadata.h"

struct frame {
	const packet_info *pinfo;
	const struct ss_interface *interface;
	const char *observer;
	const struct ss_description *own; /* the captured pod; NULL if it is not described */
	uint8_t direction;
	uint8_t protocol; /* IPPROTO_*, 0: without ports */
};

static bool to_ip(const address *address, struct ss_ip *ret_ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (address->type == AT_IPv4 && address->len == 4) {
		memcpy(ret_ip->bytes, mapped, sizeof(mapped));
		memcpy(ret_ip->bytes + sizeof(mapped), address->data, 4);
		return true;
	}
	if (address->type == AT_IPv6 && address->len == 16) {
		memcpy(ret_ip->bytes, address->data, 16);
		return true;
	}
	return false;
}

static bool is_loopback(const struct ss_ip *ip)
{
	static const struct ss_ip six = {{[15] = 1}};

	return ss_ip_compare(ip, &six) == 0 || (ip->bytes[10] == 0xff && ip->bytes[12] == 127);
}

/* Never anybody's own, nor outside: multicast, broadcast, unspecified, link-local. */
static bool is_special(const struct ss_ip *ip)
{
	static const struct ss_ip none = {{0}};
	const uint8_t *bytes = ip->bytes;
	bool four = memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;

	if (four)
		return bytes[12] == 0 || bytes[12] >= 224 || (bytes[12] == 169 && bytes[13] == 254);
	return bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) ||
	       ss_ip_compare(ip, &none) == 0;
}

static uint8_t protocol_of(const packet_info *pinfo)
{
	switch (pinfo->ptype) {
	case PT_TCP:
		return IPPROTO_TCP;
	case PT_UDP:
		return IPPROTO_UDP;
	case PT_SCTP:
		return IPPROTO_SCTP;
	default:
		return 0;
	}
}

/* Does the pod's interface and the direction tell that this side is the pod? */
static bool is_own(const struct frame *frame, bool is_source, const struct ss_ip *ip)
{
	if (!frame->interface || !frame->interface->is_pod)
		return false;
	if (frame->direction == SS_DIRECTION_LOCAL)
		return is_loopback(ip) || (frame->own && ss_description_has(frame->own, ip));
	if (frame->direction != (is_source ? SS_DIRECTION_OUT : SS_DIRECTION_IN) || is_special(ip))
		return false;
	/* A pod may forward for others: then the address is not its own. */
	return !frame->own || wmem_array_get_count(frame->own->addresses) == 0 ||
	       ss_description_has(frame->own, ip);
}

static void find(const struct frame *frame, const struct ss_ip *ip, struct ss_side *side)
{
	const uint32_t number = frame->pinfo->num;
	bool own;

	if (ss_cluster_is_empty())
		return;
	if (!side->own)
		side->pod = ss_cluster_pod_at(ip, number, frame->observer);
	side->services_count =
		ss_cluster_services_at(ip, frame->protocol, side->port, number, frame->observer,
				       side->services, SS_SIDE_SERVICES_MAX, &own);
	if (!side->own && !side->pod)
		side->node = ss_cluster_node_at(ip, number, frame->observer);
	if (side->own || side->pod)
		side->kind = SS_KIND_POD;
	else if (own || (side->services_count && !side->node))
		side->kind = SS_KIND_SERVICE;
	else if (side->node)
		side->kind = SS_KIND_NODE;
	else if (ss_cluster_is_known() && !is_special(ip) && !is_loopback(ip))
		side->kind = SS_KIND_OUTSIDE;
}

static void resolve(const struct frame *frame, bool is_source, const address *address,
		    uint32_t port, struct ss_side *side)
{
	struct ss_ip ip;

	memset(side, 0, sizeof(*side));
	side->address = address;
	if (!to_ip(address, &ip))
		return;
	if (frame->protocol)
		side->port = (uint16_t)port;
	if (is_own(frame, is_source, &ip)) {
		side->own = frame->interface;
		side->pod = frame->own;
		side->kind = SS_KIND_POD;
	}
	find(frame, &ip, side);
}

bool ss_sides_get(const packet_info *pinfo, const struct ss_interface *interface, uint8_t direction,
		  struct ss_sides *ret_sides)
{
	struct frame frame = {
		.pinfo = pinfo,
		.interface = interface,
		.observer = ss_interface_observer(interface),
		.direction = direction,
		.protocol = protocol_of(pinfo),
	};

	frame.own = ss_interface_pod(interface, pinfo->num);
	resolve(&frame, true, &pinfo->net_src, pinfo->srcport, &ret_sides->src);
	resolve(&frame, false, &pinfo->net_dst, pinfo->destport, &ret_sides->dst);
	return ret_sides->src.kind != SS_KIND_UNKNOWN || ret_sides->dst.kind != SS_KIND_UNKNOWN;
}

const char *ss_side_namespace(const struct ss_side *side)
{
	if (side->pod)
		return side->pod->namespace;
	if (side->own)
		return side->own->values[SS_FIELD_NAMESPACE];
	return side->services_count ? side->services[0]->namespace : NULL;
}

const char *ss_side_pod(const struct ss_side *side)
{
	if (side->pod)
		return side->pod->name;
	return side->own ? side->own->values[SS_FIELD_POD] : NULL;
}

const char *ss_side_workload(const struct ss_side *side)
{
	return side->pod ? side->pod->workload : NULL;
}

const char *ss_side_node(const struct ss_side *side)
{
	if (side->pod && side->pod->node)
		return side->pod->node;
	if (side->own)
		return side->own->values[SS_FIELD_NODE];
	return side->node ? side->node->name : NULL;
}

bool ss_side_is_named(const struct ss_side *side)
{
	return ss_side_pod(side) || side->node || side->services_count;
}

static bool has_service(const struct ss_side *side, const struct ss_description *service)
{
	for (unsigned i = 0; i < side->services_count; i++) {
		if (strcmp(side->services[i]->full_name, service->full_name) == 0)
			return true;
	}
	return false;
}

enum ss_side_change ss_side_change(const struct ss_side *before, const struct ss_side *now)
{
	const char *pod = ss_side_pod(before);

	if (before->own == now->own && before->pod == now->pod && before->node == now->node &&
	    before->services_count == now->services_count &&
	    memcmp(before->services, now->services, sizeof(now->services)) == 0)
		return SS_SIDE_SAME;
	if (pod && (g_strcmp0(pod, ss_side_pod(now)) != 0 ||
		    g_strcmp0(ss_side_namespace(before), ss_side_namespace(now)) != 0))
		return SS_SIDE_OTHER;
	if ((ss_side_workload(before) && !ss_side_workload(now)) || (before->node && !now->node))
		return SS_SIDE_OTHER;
	for (unsigned i = 0; i < before->services_count; i++) {
		if (!has_service(now, before->services[i]))
			return SS_SIDE_OTHER;
	}
	return SS_SIDE_MORE;
}

const char *ss_side_kind_name(enum ss_kind kind)
{
	static const char *const names[] = {
		[SS_KIND_UNKNOWN] = "unknown", [SS_KIND_POD] = "pod",
		[SS_KIND_SERVICE] = "service", [SS_KIND_NODE] = "node",
		[SS_KIND_OUTSIDE] = "outside",
	};

	return names[kind];
}

const char *ss_side_name(wmem_allocator_t *scope, const struct ss_side *side)
{
	if (side->pod)
		return side->pod->full_name;
	if (side->own && side->own->full_name)
		return side->own->full_name;
	if (side->kind == SS_KIND_SERVICE)
		return side->services[0]->full_name;
	if (side->node)
		return side->node->full_name;
	return side->address->type == AT_NONE ? "" : address_to_str(scope, side->address);
}

static void add_part(wmem_strbuf_t *text, bool *first, const char *part)
{
	wmem_strbuf_append(text, *first ? " (" : ", ");
	wmem_strbuf_append(text, part);
	*first = false;
}

static void add_services(wmem_strbuf_t *text, bool *first, const struct ss_side *side)
{
	for (unsigned i = 0; i < side->services_count; i++) {
		/* The namespace is said already, but not with a node. */
		const struct ss_description *service = side->services[i];

		add_part(text, first, "Service ");
		if (side->kind == SS_KIND_NODE)
			wmem_strbuf_append_printf(text, "%s/", service->namespace);
		wmem_strbuf_append(text, service->name);
		if (side->port)
			wmem_strbuf_append_printf(text, ":%u", side->port);
	}
}

const char *ss_side_text(wmem_allocator_t *scope, const struct ss_side *side)
{
	const char *workload = ss_side_workload(side);
	wmem_strbuf_t *text = wmem_strbuf_new(scope, NULL);
	bool first = true;
	const char *raw;

	if (side->kind == SS_KIND_SERVICE)
		wmem_strbuf_append_printf(text, "%s/%s", side->services[0]->namespace,
					  side->services[0]->name);
	else
		wmem_strbuf_append(text, ss_side_name(scope, side));
	if (workload)
		add_part(text, &first, workload);
	else if (side->own && side->own->values[SS_FIELD_CONTAINER])
		add_part(text, &first, side->own->values[SS_FIELD_CONTAINER]);
	add_services(text, &first, side);
	if (side->kind == SS_KIND_OUTSIDE)
		add_part(text, &first, "outside");
	if (!first)
		wmem_strbuf_append_c(text, ')');
	raw = wmem_strbuf_get_str(text);
	return (const char *)format_text(scope, (const void *)raw, strlen(raw));
}
