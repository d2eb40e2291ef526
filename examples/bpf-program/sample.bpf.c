/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One of 16 TCP connections, but that one whole, both directions; and of the others every SYN, so
 * that one sees how many there are. Which ones is a matter of the ends, so a restarted capture
 * shows the same.
 */
#include <stratoshark/filter.h>

#define ONE_OF 16

static __always_inline __u32 mix(const __u32 address[4], __u16 port)
{
	__u32 hash = port;

	for (int i = 0; i < 4; i++)
		hash = (hash ^ address[i]) * 0x01000193;
	return hash ^ hash >> 15;
}

STRATOSHARK_FILTER
int sample(struct __sk_buff *skb)
{
	struct ss_packet packet;

	if (!ss_packet_read(skb, &packet) || packet.protocol != 6)
		return 0;
	if (packet.tcp_flags & 2)
		return 1;
	/* A sum: the same in both directions. */
	return (mix(packet.source, packet.source_port) +
		mix(packet.destination, packet.destination_port)) %
		       ONE_OF ==
	       0;
}

char LICENSE[] SEC("license") = "GPL";
