/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Once for all tests of a filter. Whatever it does not understand completely is not plain; that is
 * rare in what pods send, and costs only that tshark decides it.
 *
 * plain.c does the same for stored frames: the two must agree.
 */
#include "walk.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "format/pcapng.h"
#include "message.h"
#include "ports.h"

#define CTX           BPF_REG_6
#define TAGS          BPF_REG_7
#define HEAD_IS_THERE BPF_REG_7
#define FRAME         BPF_REG_7
#define TRANSPORT     BPF_REG_8
#define END           BPF_REG_9

#define IPV4_SIZE       20
#define IPV6_SIZE       40
#define ARP_SIZE        28
#define TCP_SIZE        20
#define UDP_SIZE        8
#define ROUTER_ALERT    0x9404 /* type and length */
#define ROUTER_ALERT_V6 0x0502
#define PAD_2           0x0100
#define HOP_BY_HOP_SIZE 8
#define FRAGMENT_MASK   0x3fff /* more fragments, offset */
#define TAGS_MAX        2
#define OSPF            89
#define VRRP            112
#define ND_REDIRECT     137 /* holds the packet that it is about */
#define FIRST_NOT_ERROR 128

static void unless_equal(struct ss_emitter *emitter, unsigned reg, uint32_t value, ss_label label)
{
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JNE, reg, value, 0), label);
}

static void if_equal(struct ss_emitter *emitter, unsigned reg, uint32_t value, ss_label label)
{
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JEQ, reg, value, 0), label);
}

/* Copies what must be there. */
static void take(struct ss_emitter *emitter, const struct ss_walk *walk, int16_t to, uint32_t size)
{
	ss_emit_copy(emitter, to, size, TRANSPORT, 0);
	unless_equal(emitter, BPF_REG_0, 0, walk->to[SS_FRAME_UNPLAIN]);
}

/* The tag of the metadata. R0, R1 are lost. */
static void emit_outer_tag(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	size_t untagged;

	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, TAGS, 0));
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_0, CTX, offsetof(struct __sk_buff, vlan_present)));
	untagged = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 0));
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_0, CTX, offsetof(struct __sk_buff, vlan_proto)));
	ss_emit(emitter, SS_TO_BE(BPF_REG_0, 16));
	unless_equal(emitter, BPF_REG_0, ETH_P_8021Q, walk->to[SS_FRAME_UNPLAIN]);
	ss_emit(emitter, SS_LDX(BPF_W, TAGS, CTX, offsetof(struct __sk_buff, vlan_tci)));
	ss_emit(emitter, SS_ALUW_IMM(BPF_AND, TAGS, 0xffff));
	ss_emit(emitter, SS_ALUW_IMM(BPF_OR, TAGS, SS_TAG_PRESENT));
	ss_emit_land(emitter, untagged);
}

/* A tag in the frame's bytes, R8 behind the type that announced it. R0 = the next type. */
static void emit_inner_tag(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	size_t first;

	take(emitter, walk, SS_STACK_SCRATCH, 4);
	ss_emit(emitter, SS_ADD_IMM(TRANSPORT, 4));
	if (walk->tags) {
		ss_emit_number(emitter, BPF_REG_1, SS_STACK_SCRATCH, 2);
		ss_emit(emitter, SS_ALUW_IMM(BPF_OR, BPF_REG_1, SS_TAG_PRESENT));
		ss_emit(emitter, SS_MOV(BPF_REG_2, TAGS));
		ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, 32));
		unless_equal(emitter, BPF_REG_2, 0, walk->to[SS_FRAME_UNPLAIN]); /* a third one */
		first = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, TAGS, 0, 0));
		ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_1, 0, 0, 32));
		ss_emit_land(emitter, first);
		ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_OR | BPF_X, TAGS, BPF_REG_1, 0, 0));
	}
	ss_emit_number(emitter, BPF_REG_0, SS_STACK_SCRATCH + 2, 2);
}

/* R0 = the type behind all tags, R8 = where its header begins. */
static void emit_link(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	ss_label unplain = walk->to[SS_FRAME_UNPLAIN];
	size_t untagged[TAGS_MAX];

	if (walk->tags)
		emit_outer_tag(emitter, walk);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, TRANSPORT, 0));
	if (walk->needs & SS_NEED_LINK) {
		take(emitter, walk, SS_STACK_LINK, ETH_HLEN);
		ss_emit_number(emitter, BPF_REG_0, SS_STACK_LINK + 2 * ETH_ALEN, 2);
	} else if (emitter->options.access == SS_FILTER_LD_ABS) {
		/* Past the end LD_ABS rejects, so ask before. */
		ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_0, CTX, offsetof(struct __sk_buff, len)));
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JLT, BPF_REG_0, ETH_HLEN, 0), unplain);
		ss_emit(emitter, SS_LD_ABS(BPF_H, 2 * ETH_ALEN));
	} else {
		ss_emit_copy(emitter, SS_STACK_SCRATCH, 2, 0, 2 * ETH_ALEN);
		unless_equal(emitter, BPF_REG_0, 0, unplain);
		ss_emit_number(emitter, BPF_REG_0, SS_STACK_SCRATCH, 2);
	}
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, TRANSPORT, ETH_HLEN));
	if (!walk->inner_tags)
		return;
	for (int i = 0; i < TAGS_MAX; i++) {
		untagged[i] =
			ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, ETH_P_8021Q, 0));
		emit_inner_tag(emitter, walk);
	}
	for (int i = 0; i < TAGS_MAX; i++)
		ss_emit_land(emitter, untagged[i]);
}

/* R9 = R8 + the length in R1; it must not be behind the end of the frame. */
static void emit_end(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	ss_emit(emitter, SS_MOV(END, TRANSPORT));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, END, BPF_REG_1, 0, 0));
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_0, CTX, offsetof(struct __sk_buff, len)));
	ss_emit_jump_to(emitter, SS_JUMPW(BPF_JGT, END, BPF_REG_0, 0), walk->to[SS_FRAME_UNPLAIN]);
}

/* size bytes from R8 must lie before the end of the IP packet. */
static void require(struct ss_emitter *emitter, const struct ss_walk *walk, uint32_t size)
{
	ss_emit(emitter, SS_MOV(BPF_REG_1, TRANSPORT));
	ss_emit(emitter, SS_ADD_IMM(BPF_REG_1, size));
	ss_emit_jump_to(emitter, SS_JUMPW(BPF_JGT, BPF_REG_1, END, 0), walk->to[SS_FRAME_UNPLAIN]);
}

/*
 * Not plain if the port in R0 is one of a tunnel. First a look into a set of the ports modulo 64:
 * nearly all others end there.
 */
static void emit_tunnel_port(struct ss_emitter *emitter, const struct ss_walk *walk,
			     const uint16_t *ports, size_t count)
{
	uint64_t set = 0;
	size_t other;

	for (size_t i = 0; i < count; i++)
		set |= UINT64_C(1) << (ports[i] & 63);
	ss_emit(emitter, SS_MOV(BPF_REG_1, BPF_REG_0));
	ss_emit(emitter, SS_ALUW_IMM(BPF_AND, BPF_REG_1, 63));
	ss_emit(emitter, ss_insn(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_2, 0, 0, (uint32_t)set));
	ss_emit(emitter, ss_insn(0, 0, 0, 0, (uint32_t)(set >> 32)));
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_RSH | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0));
	ss_emit(emitter, SS_ALUW_IMM(BPF_AND, BPF_REG_2, 1));
	other = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_2, 0, 0));
	for (size_t i = 0; i < count; i++)
		if_equal(emitter, BPF_REG_0, ports[i], walk->to[SS_FRAME_UNPLAIN]);
	ss_emit_land(emitter, other);
}

static void emit_tunnel_ports(struct ss_emitter *emitter, const struct ss_walk *walk,
			      const uint16_t *ports, size_t count)
{
	ss_emit_header_number(emitter, BPF_REG_0, SS_STACK_TRANSPORT, 2);
	emit_tunnel_port(emitter, walk, ports, count);
	ss_emit_header_number(emitter, BPF_REG_0, SS_STACK_TRANSPORT + 2, 2);
	emit_tunnel_port(emitter, walk, ports, count);
}

/* copy: it is neither on the stack yet nor linear. */
static void emit_tcp(struct ss_emitter *emitter, const struct ss_walk *walk, bool copy,
		     ss_label label)
{
	static const uint16_t ports[] = {SS_TUNNEL_TCP_PORTS};

	require(emitter, walk, TCP_SIZE);
	if (copy)
		take(emitter, walk, SS_STACK_TRANSPORT, TCP_SIZE);
	ss_emit_header(emitter, BPF_B, BPF_REG_1, SS_STACK_TRANSPORT + 12);
	ss_emit(emitter, SS_ALUW_IMM(BPF_RSH, BPF_REG_1, 4));
	ss_emit(emitter, SS_ALUW_IMM(BPF_LSH, BPF_REG_1, 2));
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JLT, BPF_REG_1, TCP_SIZE, 0),
			walk->to[SS_FRAME_UNPLAIN]);
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, TRANSPORT, 0, 0));
	ss_emit_jump_to(emitter, SS_JUMPW(BPF_JGT, BPF_REG_1, END, 0), walk->to[SS_FRAME_UNPLAIN]);
	emit_tunnel_ports(emitter, walk, ports, G_N_ELEMENTS(ports));
	ss_emit_jump_to(emitter, SS_JUMP(0), label);
}

static void emit_udp(struct ss_emitter *emitter, const struct ss_walk *walk, bool copy,
		     ss_label label)
{
	static const uint16_t ports[] = {SS_TUNNEL_UDP_PORTS};

	require(emitter, walk, UDP_SIZE);
	if (copy)
		take(emitter, walk, SS_STACK_TRANSPORT, UDP_SIZE);
	/* Its own length, too. */
	ss_emit_header_number(emitter, BPF_REG_1, SS_STACK_TRANSPORT + 4, 2);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JLT, BPF_REG_1, UDP_SIZE, 0),
			walk->to[SS_FRAME_UNPLAIN]);
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, TRANSPORT, 0, 0));
	ss_emit_jump_to(emitter, SS_JUMPW(BPF_JGT, BPF_REG_1, END, 0), walk->to[SS_FRAME_UNPLAIN]);
	emit_tunnel_ports(emitter, walk, ports, G_N_ELEMENTS(ports));
	ss_emit_jump_to(emitter, SS_JUMP(0), label);
}

/* Errors hold the packet that caused them. */
static void emit_icmp(struct ss_emitter *emitter, const struct ss_walk *walk, bool v6,
		      ss_label label)
{
	static const uint8_t errors[] = {3, 4, 5, 11, 12};

	require(emitter, walk, UDP_SIZE);
	take(emitter, walk, SS_STACK_TRANSPORT, UDP_SIZE);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_TRANSPORT));
	if (v6) {
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JLT, BPF_REG_0, FIRST_NOT_ERROR, 0),
				walk->to[SS_FRAME_UNPLAIN]);
		if_equal(emitter, BPF_REG_0, ND_REDIRECT, walk->to[SS_FRAME_UNPLAIN]);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(errors) && !v6; i++)
		if_equal(emitter, BPF_REG_0, errors[i], walk->to[SS_FRAME_UNPLAIN]);
	ss_emit_jump_to(emitter, SS_JUMP(0), label);
}

/* R0 = protocol, R8 = its header. */
static void emit_transport(struct ss_emitter *emitter, const struct ss_walk *walk, bool v6)
{
	static const uint8_t others[] = {IPPROTO_ESP, OSPF, VRRP};
	ss_label tcp = ss_label_new(emitter), udp = ss_label_new(emitter);
	ss_label icmp = ss_label_new(emitter);
	ss_label other = walk->to[v6 ? SS_FRAME_IPV6_OTHER : SS_FRAME_IPV4_OTHER];

	if_equal(emitter, BPF_REG_0, IPPROTO_TCP, tcp);
	if_equal(emitter, BPF_REG_0, IPPROTO_UDP, udp);
	if_equal(emitter, BPF_REG_0, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, icmp);
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
		if_equal(emitter, BPF_REG_0, others[i], other);
	if (!v6)
		if_equal(emitter, BPF_REG_0, IPPROTO_IGMP, other);
	ss_emit_jump_to(emitter, SS_JUMP(0), walk->to[SS_FRAME_UNPLAIN]);
	ss_label_bind(emitter, tcp);
	emit_tcp(emitter, walk, true, walk->to[v6 ? SS_FRAME_IPV6_TCP : SS_FRAME_IPV4_TCP]);
	ss_label_bind(emitter, udp);
	emit_udp(emitter, walk, true, walk->to[v6 ? SS_FRAME_IPV6_UDP : SS_FRAME_IPV4_UDP]);
	ss_label_bind(emitter, icmp);
	emit_icmp(emitter, walk, v6, walk->to[v6 ? SS_FRAME_IPV6_ICMPV6 : SS_FRAME_IPV4_ICMP]);
}

/* SS_STACK_IPV4 has the first 20 bytes. */
static void emit_ipv4(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	ss_label unplain = walk->to[SS_FRAME_UNPLAIN];
	size_t no_options;

	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_IPV4));
	ss_emit(emitter, SS_ALUW_IMM(BPF_SUB, BPF_REG_0, 0x45));
	/* The only option that is plain: others may hold addresses. */
	no_options = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 0));
	unless_equal(emitter, BPF_REG_0, 1, unplain);
	ss_emit_copy(emitter, SS_STACK_SCRATCH, 4, TRANSPORT, IPV4_SIZE);
	unless_equal(emitter, BPF_REG_0, 0, unplain);
	ss_emit_number(emitter, BPF_REG_0, SS_STACK_SCRATCH, 2);
	unless_equal(emitter, BPF_REG_0, ROUTER_ALERT, unplain);
	ss_emit_land(emitter, no_options);

	ss_emit_number(emitter, BPF_REG_1, SS_STACK_IPV4 + 2, 2);
	emit_end(emitter, walk);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_IPV4));
	ss_emit(emitter, SS_ALUW_IMM(BPF_AND, BPF_REG_0, 0xf));
	ss_emit(emitter, SS_ALUW_IMM(BPF_LSH, BPF_REG_0, 2));
	/* R8 = the transport header, which must not be behind the end. */
	ss_emit(emitter, ss_insn(BPF_ALU64 | BPF_ADD | BPF_X, TRANSPORT, BPF_REG_0, 0, 0));
	ss_emit_jump_to(emitter, SS_JUMPW(BPF_JGT, TRANSPORT, END, 0), unplain);
	ss_emit_number(emitter, BPF_REG_0, SS_STACK_IPV4 + 6, 2);
	ss_emit(emitter, SS_ALUW_IMM(BPF_AND, BPF_REG_0, FRAGMENT_MASK));
	unless_equal(emitter, BPF_REG_0, 0, unplain);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_IPV4 + 9));
	emit_transport(emitter, walk, false);
}

/* Hop-by-hop options with a router alert alone, padded, as MLD has: R0 = the protocol behind it. Of
 * others Wireshark may find them malformed and stop. */
static void emit_hop_by_hop(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	ss_label unplain = walk->to[SS_FRAME_UNPLAIN];
	size_t other = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JNE, BPF_REG_0, IPPROTO_HOPOPTS, 0));
	size_t padded;

	take(emitter, walk, SS_STACK_SCRATCH, HOP_BY_HOP_SIZE);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_SCRATCH + 1));
	unless_equal(emitter, BPF_REG_0, 0, unplain); /* no more than these 8 bytes */
	ss_emit_number(emitter, BPF_REG_0, SS_STACK_SCRATCH + 2, 2);
	unless_equal(emitter, BPF_REG_0, ROUTER_ALERT_V6, unplain);
	ss_emit_number(emitter, BPF_REG_0, SS_STACK_SCRATCH + 6, 2);
	padded = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 0));
	unless_equal(emitter, BPF_REG_0, PAD_2, unplain);
	ss_emit_land(emitter, padded);
	ss_emit(emitter, SS_ADD_IMM(TRANSPORT, HOP_BY_HOP_SIZE));
	require(emitter, walk, 0);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_SCRATCH));
	ss_emit_land(emitter, other);
}

static void emit_ipv6(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	ss_label unplain = walk->to[SS_FRAME_UNPLAIN];

	take(emitter, walk, SS_STACK_NETWORK, IPV6_SIZE);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_NETWORK));
	ss_emit(emitter, SS_ALUW_IMM(BPF_RSH, BPF_REG_0, 4));
	unless_equal(emitter, BPF_REG_0, 6, unplain);
	ss_emit_number(emitter, BPF_REG_1, SS_STACK_NETWORK + 4, 2);
	if_equal(emitter, BPF_REG_1, 0, unplain); /* a jumbogram */
	ss_emit(emitter, SS_ADD_IMM(TRANSPORT, IPV6_SIZE));
	emit_end(emitter, walk);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_NETWORK + 6));
	emit_hop_by_hop(emitter, walk);
	emit_transport(emitter, walk, true);
}

static void emit_arp(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	take(emitter, walk, SS_STACK_NETWORK, ARP_SIZE);
	/* Ethernet and IPv4 addresses. */
	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_0, BPF_REG_10, SS_STACK_NETWORK));
	unless_equal(emitter, BPF_REG_0, GUINT32_TO_BE(0x00010800), walk->to[SS_FRAME_UNPLAIN]);
	ss_emit_number(emitter, BPF_REG_0, SS_STACK_NETWORK + 4, 2);
	unless_equal(emitter, BPF_REG_0, 0x0604, walk->to[SS_FRAME_UNPLAIN]);
	ss_emit_jump_to(emitter, SS_JUMP(0), walk->to[SS_FRAME_ARP]);
}

/* IPv4's header that is there: to other unless it is one without options of a whole packet. R8 and
 * R9 are set, R0 = protocol. */
static void emit_usual_ipv4(struct ss_emitter *emitter, const struct ss_walk *walk, ss_label other)
{
	ss_emit_header(emitter, BPF_B, BPF_REG_0, SS_STACK_IPV4);
	unless_equal(emitter, BPF_REG_0, 0x45, other);
	ss_emit_header(emitter, BPF_H, BPF_REG_0, SS_STACK_IPV4 + 6);
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JSET, BPF_REG_0, GUINT16_TO_BE(FRAGMENT_MASK), 0),
			other);
	ss_emit_header_number(emitter, BPF_REG_1, SS_STACK_IPV4 + 2, 2);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, TRANSPORT, (uint32_t)ss_emit_link_size(emitter)));
	emit_end(emitter, walk);
	ss_emit(emitter, SS_ADD_IMM(TRANSPORT, IPV4_SIZE));
	ss_emit_header(emitter, BPF_B, BPF_REG_0, SS_STACK_IPV4 + 9);
}

/* The same of IPv6, if there are no extension headers. */
static void emit_usual_ipv6(struct ss_emitter *emitter, const struct ss_walk *walk, ss_label other)
{
	uint32_t size = (uint32_t)ss_emit_link_size(emitter) + IPV6_SIZE;

	ss_emit_header(emitter, BPF_B, BPF_REG_0, SS_STACK_NETWORK);
	ss_emit(emitter, SS_ALUW_IMM(BPF_RSH, BPF_REG_0, 4));
	unless_equal(emitter, BPF_REG_0, 6, other);
	ss_emit_header_number(emitter, BPF_REG_1, SS_STACK_NETWORK + 4, 2);
	if_equal(emitter, BPF_REG_1, 0, other);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, TRANSPORT, size));
	emit_end(emitter, walk);
	ss_emit_header(emitter, BPF_B, BPF_REG_0, SS_STACK_NETWORK + 6);
}

/* R0 = protocol, whose header is linear. */
static void emit_near_transport(struct ss_emitter *emitter, const struct ss_walk *walk,
				ss_label other, ss_label to_tcp, ss_label to_udp)
{
	ss_label tcp = ss_label_new(emitter);

	if_equal(emitter, BPF_REG_0, IPPROTO_TCP, tcp);
	if (walk->near_all) {
		unless_equal(emitter, BPF_REG_0, IPPROTO_UDP, other);
		emit_udp(emitter, walk, false, to_udp);
	} else {
		ss_emit_jump_to(emitter, SS_JUMP(0), other);
	}
	ss_label_bind(emitter, tcp);
	emit_tcp(emitter, walk, false, to_tcp);
}

/* label: here. On Ethernet R0 = type. */
static void emit_near_ipv6(struct ss_emitter *emitter, const struct ss_walk *walk, uint32_t link,
			   ss_label other, ss_label label)
{
	ss_label_bind(emitter, label);
	if (link)
		unless_equal(emitter, BPF_REG_0, GUINT16_TO_BE(ETH_P_IPV6), other);
	ss_emit_unless_linear(emitter, link + IPV6_SIZE + TCP_SIZE, other);
	emitter->near = SS_STACK_NETWORK;
	emit_usual_ipv6(emitter, walk, other);
	emit_near_transport(emitter, walk, other, walk->to[SS_FRAME_NEAR_IPV6_TCP],
			    walk->to[SS_FRAME_NEAR_IPV6_UDP]);
	emitter->near = 0;
}

/*
 * What most frames are: TCP and UDP in IP without options. Headers are read where they are, if the
 * verifier allows it, because calls are what a walk costs. Leads on with what is anything else.
 */
static void emit_near(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	uint32_t link = (uint32_t)ss_emit_link_size(emitter);
	ss_label other = ss_label_new(emitter);
	ss_label not_ipv4 = walk->near_all ? ss_label_new(emitter) : other;

	ss_emit(emitter, SS_LDX(BPF_W, FRAME, CTX, offsetof(struct __sk_buff, data)));
	/* UDP has less, but not much less where somebody has something to say. */
	ss_emit_unless_linear(emitter, link + IPV4_SIZE + TCP_SIZE, other);
	emitter->near = SS_STACK_IPV4;
	if (link) {
		ss_emit_header(emitter, BPF_H, BPF_REG_0, SS_STACK_IPV4 - 2);
		unless_equal(emitter, BPF_REG_0, GUINT16_TO_BE(ETH_P_IP), not_ipv4);
		emit_usual_ipv4(emitter, walk, other);
	} else {
		emit_usual_ipv4(emitter, walk, not_ipv4);
	}
	emit_near_transport(emitter, walk, other, walk->to[SS_FRAME_NEAR_IPV4_TCP],
			    walk->to[SS_FRAME_NEAR_IPV4_UDP]);
	emitter->near = 0;
	if (walk->near_all)
		emit_near_ipv6(emitter, walk, link, other, not_ipv4);
	ss_label_bind(emitter, other);
}

/* The same for TCP in IPv4, with one copy for all headers. */
static void emit_usual(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	const int16_t type = SS_STACK_IPV4 - 2;
	const uint32_t headers = 2 + IPV4_SIZE + TCP_SIZE;
	const uint32_t all = (uint32_t)(SS_STACK_SCRATCH - type) + SS_MESSAGE_HEAD;
	ss_label other = ss_label_new(emitter), less = ss_label_new(emitter);
	size_t whole = 0;

	ss_emit(emitter, SS_LDX(BPF_W, BPF_REG_0, CTX, offsetof(struct __sk_buff, len)));
	if (walk->heads) {
		/* The verifier wants these bytes to be set wherever they might be read. */
		for (int at = 0; at < (int)SS_MESSAGE_HEAD; at += 8)
			ss_emit(emitter,
				SS_ST_IMM(BPF_DW, BPF_REG_10, (int16_t)(SS_STACK_SCRATCH + at), 0));
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, HEAD_IS_THERE, 0));
		ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JLT, BPF_REG_0, 2 * ETH_ALEN + all, 0),
				less);
		ss_emit_copy(emitter, type, all, 0, 2 * ETH_ALEN);
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, HEAD_IS_THERE, 1));
		whole = ss_emit_jump(emitter, SS_JUMPW_IMM(BPF_JEQ, BPF_REG_0, 0, 0));
		ss_emit_jump_to(emitter, SS_JUMP(0), other);
		ss_label_bind(emitter, less);
	}
	ss_emit_jump_to(emitter, SS_JUMPW_IMM(BPF_JLT, BPF_REG_0, 2 * ETH_ALEN + headers, 0),
			other);
	ss_emit_copy(emitter, type, headers, 0, 2 * ETH_ALEN);
	unless_equal(emitter, BPF_REG_0, 0, other);
	if (walk->heads)
		ss_emit_land(emitter, whole);
	ss_emit_header(emitter, BPF_H, BPF_REG_0, type);
	unless_equal(emitter, BPF_REG_0, GUINT16_TO_BE(ETH_P_IP), other);
	emit_usual_ipv4(emitter, walk, other);
	unless_equal(emitter, BPF_REG_0, IPPROTO_TCP, other);
	emit_tcp(emitter, walk, false, walk->to[SS_FRAME_IPV4_TCP]);
	ss_label_bind(emitter, other);
	if (walk->heads) /* ... of something else */
		ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, HEAD_IS_THERE, 0));
}

static void emit_ethernet(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	ss_label ipv4 = ss_label_new(emitter), ipv6 = ss_label_new(emitter);
	ss_label arp = ss_label_new(emitter);

	if (!walk->tags && !(walk->needs & SS_NEED_LINK)) {
		if (walk->near)
			emit_near(emitter, walk);
		else
			emit_usual(emitter, walk);
	}
	emit_link(emitter, walk);
	if_equal(emitter, BPF_REG_0, ETH_P_IP, ipv4);
	if_equal(emitter, BPF_REG_0, ETH_P_IPV6, ipv6);
	if_equal(emitter, BPF_REG_0, ETH_P_ARP, arp);
	if_equal(emitter, BPF_REG_0, ETH_P_LLDP, walk->to[SS_FRAME_LINK]);
	if_equal(emitter, BPF_REG_0, ETH_P_PAE, walk->to[SS_FRAME_LINK]);
	ss_emit_jump_to(emitter, SS_JUMP(0), walk->to[SS_FRAME_UNPLAIN]);
	ss_label_bind(emitter, arp);
	emit_arp(emitter, walk);
	ss_label_bind(emitter, ipv6);
	emit_ipv6(emitter, walk);
	ss_label_bind(emitter, ipv4);
	take(emitter, walk, SS_STACK_IPV4, IPV4_SIZE);
	emit_ipv4(emitter, walk);
}

/* The version says what it is. */
static void emit_raw(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	ss_label ipv6 = ss_label_new(emitter);

	if (walk->near)
		emit_near(emitter, walk);
	ss_emit(emitter, SS_ALUW_IMM(BPF_MOV, TRANSPORT, 0));
	take(emitter, walk, SS_STACK_IPV4, IPV4_SIZE);
	ss_emit(emitter, SS_LDX(BPF_B, BPF_REG_0, BPF_REG_10, SS_STACK_IPV4));
	ss_emit(emitter, SS_ALUW_IMM(BPF_RSH, BPF_REG_0, 4));
	if_equal(emitter, BPF_REG_0, 6, ipv6);
	emit_ipv4(emitter, walk);
	ss_label_bind(emitter, ipv6);
	emit_ipv6(emitter, walk);
}

void ss_walk_emit(struct ss_emitter *emitter, const struct ss_walk *walk)
{
	if (emitter->options.link_type == SS_LINKTYPE_ETHERNET)
		emit_ethernet(emitter, walk);
	else
		emit_raw(emitter, walk);
}
