/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A capture filter of your own, as an eBPF program: capture --bpf-program FILE.o
 *
 *	#include <stratoshark/filter.h>
 *
 *	STRATOSHARK_FILTER
 *	int my_filter(struct __sk_buff *skb)
 *	{
 *		struct ss_packet packet;
 *
 *		return ss_packet_read(skb, &packet) && packet.destination_port == 8080;
 *	}
 *
 * The contract:
 *  - One function in the section "stratoshark/filter"; it takes the skb and returns int: 0 leaves
 *    the frame out of the capture, anything else keeps it. Functions that it calls are
 *    __always_inline.
 *  - It only looks. What it may use is what the kernel allows a socket filter, less what leads away
 *    from it: maps and global variables, bpf_skb_load_bytes(), bpf_skb_load_bytes_relative(),
 *    time, random numbers. No tail calls, no callbacks, no direct packet access (skb->data).
 *  - It runs for each frame of each captured device and cgroup, in both directions, after --filter.
 *    A frame begins with the Ethernet header on devices that have one, else with the IP header:
 *    read from the IP header on with ss_ip_bytes(), then it does not matter.
 *  - At most 192 bytes of stack, and what the verifier can follow together with our program.
 *  - It becomes part of a program under the GPL: say so in SEC("license").
 * Compile with: clang -target bpf -O2 -g -c my_filter.bpf.c
 */
#ifndef STRATOSHARK_FILTER_H
#define STRATOSHARK_FILTER_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define STRATOSHARK_FILTER SEC("stratoshark/filter")

/* Where the IP header begins in what bpf_skb_load_bytes() reads: behind an Ethernet header, if the
 * same bytes are there. */
static __always_inline __u32 ss_ip_offset(struct __sk_buff *skb)
{
	__u64 here[2] = {}, behind[2] = {};

	bpf_skb_load_bytes_relative(skb, 0, here, sizeof(here), BPF_HDR_START_NET);
	if (bpf_skb_load_bytes(skb, 14, behind, sizeof(behind)))
		return 0;
	return ((here[0] ^ behind[0]) | (here[1] ^ behind[1])) ? 0 : 14;
}

/* Copies length bytes (a constant, or bounded) at offset from the IP header on. 0, or negative:
 * the packet ends before. */
static __always_inline long ss_ip_bytes(struct __sk_buff *skb, __u32 offset, void *to, __u32 length)
{
	/* This helper finds only what the kernel has beside the headers: most payload is not. */
	if (!bpf_skb_load_bytes_relative(skb, offset, to, length, BPF_HDR_START_NET))
		return 0;
	return bpf_skb_load_bytes(skb, ss_ip_offset(skb) + offset, to, length);
}

/* Whether length bytes, a constant, are the same. (clang makes a call of __builtin_memcmp().) */
static __always_inline int ss_is_same(const void *one, const void *other, __u32 length)
{
	const char *a = one, *b = other;
	int different = 0;

#pragma unroll
	for (__u32 i = 0; i < length; i++)
		different |= a[i] ^ b[i];
	return !different;
}

/* A TCP segment or UDP datagram. */
struct ss_packet {
	__u32 source[4], destination[4]; /* addresses as in the packet; IPv4 in the first word */
	__u16 source_port, destination_port;
	__u8 version;   /* 4 or 6 */
	__u8 protocol;  /* 6 TCP, 17 UDP */
	__u8 tcp_flags; /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16 */
	__u32 payload;  /* where it begins, from the IP header on, for ss_ip_bytes() */
	__u32 length;   /* of the payload in bytes; more than one segment with offloading */
};

/* 1, or 0: neither TCP nor UDP right behind the IP header, a later fragment, or cut. */
static __always_inline int ss_packet_read(struct __sk_buff *skb, struct ss_packet *packet)
{
	__u32 transport, total;
	__u8 bytes[12];

	__builtin_memset(packet, 0, sizeof(*packet));
	if (ss_ip_bytes(skb, 0, bytes, 10))
		return 0;
	packet->version = bytes[0] >> 4;
	if (packet->version == 4) {
		transport = (bytes[0] & 15) * 4;
		total = bytes[2] << 8 | bytes[3];
		packet->protocol = bytes[9];
		if ((bytes[6] & 0x1f) | bytes[7] || ss_ip_bytes(skb, 12, packet->source, 4) ||
		    ss_ip_bytes(skb, 16, packet->destination, 4))
			return 0;
	} else if (packet->version == 6) {
		transport = 40;
		total = 40 + (bytes[4] << 8 | bytes[5]);
		packet->protocol = bytes[6];
		if (ss_ip_bytes(skb, 8, packet->source, 16) ||
		    ss_ip_bytes(skb, 24, packet->destination, 16))
			return 0;
	} else {
		return 0;
	}
	if (packet->protocol != 6 && packet->protocol != 17)
		return 0;
	if (ss_ip_bytes(skb, transport, bytes, 4))
		return 0;
	packet->source_port = bytes[0] << 8 | bytes[1];
	packet->destination_port = bytes[2] << 8 | bytes[3];
	packet->payload = transport + 8;
	if (packet->protocol == 6) {
		if (ss_ip_bytes(skb, transport + 12, bytes, 2))
			return 0;
		packet->payload = transport + (bytes[0] >> 4) * 4;
		packet->tcp_flags = bytes[1];
	}
	packet->length = total > packet->payload ? total - packet->payload : 0;
	return 1;
}

#endif
