/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes what TCP and UDP queue for their own taps: no tree is needed for that. Remembers for each
 * connection the interface on which it was seen first, until the file is closed.
 */
#include "transport.h"

#include <netinet/in.h>
#include <string.h>

#include <epan/dissectors/packet-tcp.h>
#include <epan/dissectors/packet-udp.h>
#include <epan/tap.h>

static int tcp_tap, udp_tap;

/* (protocol << 32 | stream) → if_name of the interface whose frames count */
static wmem_map_t *owners;

/* An ICMP error quotes the header of another packet. */
static bool is_of_frame(const packet_info *pinfo, const address *src, const address *dst)
{
	return addresses_equal(src, &pinfo->net_src) && addresses_equal(dst, &pinfo->net_dst);
}

static bool get_tcp(const packet_info *pinfo, struct ss_transport *transport)
{
	const tcp_info_t *tcp;

	for (int i = 0; (tcp = (const tcp_info_t *)fetch_tapped_data(tcp_tap, i)); i++) {
		if (!is_of_frame(pinfo, &tcp->ip_src, &tcp->ip_dst))
			continue;
		transport->protocol = IPPROTO_TCP;
		transport->stream = tcp->th_stream;
		transport->seq = tcp->th_rawseq;
		transport->length = tcp->th_have_seglen ? tcp->th_seglen : 0;
		transport->flags = tcp->th_flags;
		return true;
	}
	return false;
}

static bool get_udp(const packet_info *pinfo, struct ss_transport *transport)
{
	const e_udphdr *udp;

	for (int i = 0; (udp = (const e_udphdr *)fetch_tapped_data(udp_tap, i)); i++) {
		if (!is_of_frame(pinfo, &udp->ip_src, &udp->ip_dst))
			continue;
		transport->protocol = IPPROTO_UDP;
		transport->stream = udp->uh_stream;
		transport->length = udp->uh_ulen > 8 ? udp->uh_ulen - 8 : 0;
		return true;
	}
	return false;
}

/* Of what has no ports: the same for both directions. */
static uint32_t hash_addresses(const packet_info *pinfo)
{
	return add_address_to_hash(0, &pinfo->net_src) ^ add_address_to_hash(0, &pinfo->net_dst);
}

static bool is_again(const struct ss_transport *transport, const struct ss_interface *interface)
{
	gint64 key = (gint64)transport->protocol << 32 | transport->stream, *new_key;
	const char *name = interface ? interface->name : "";
	const char *owner = (const char *)wmem_map_lookup(owners, &key);

	if (owner)
		return strcmp(owner, name) != 0;
	new_key = wmem_new(wmem_file_scope(), gint64);
	*new_key = key;
	wmem_map_insert(owners, new_key, (void *)(uintptr_t)name);
	return false;
}

void ss_transport_get(const packet_info *pinfo, const struct ss_interface *interface,
		      struct ss_transport *ret_transport)
{
	memset(ret_transport, 0, sizeof(*ret_transport));
	if (!get_tcp(pinfo, ret_transport) && !get_udp(pinfo, ret_transport))
		ret_transport->stream = hash_addresses(pinfo);
	ret_transport->again = is_again(ret_transport, interface);
}

void ss_transport_register(void)
{
	owners = wmem_map_new_autoreset(wmem_epan_scope(), wmem_file_scope(), g_int64_hash,
					g_int64_equal);
}

void ss_transport_handoff(void)
{
	tcp_tap = find_tap_id("tcp");
	udp_tap = find_tap_id("udp");
}
