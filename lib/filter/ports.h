/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside lib/filter: ports whose protocols carry packets, whose headers Wireshark shows as well:
 * "ip.addr == x" finds the inner address, too. From "tshark -G decodes" (4.0.17, and what later
 * versions added). Packets inside of such protocols on other ports are not looked for.
 */
#ifndef SS_FILTER_PORTS_H
#define SS_FILTER_PORTS_H

#include <stdint.h>

/* L2TP, GTP, AMT, GPRS-NS, Teredo, LISP, IPsec, GSMTAP, VXLAN, TAPA, AYIYA, CAPWAP, GUE, Geneve,
 * sFlow, MPLS, SCTP, LWAPP, WASSP, ZEP, ERSPAN, TZSP */
#define SS_TUNNEL_UDP_PORTS                                                                        \
	1701, 2123, 2152, 2157, 2268, 3386, 3544, 4341, 4342, 4500, 4729, 4789, 4790, 5000, 5072,  \
		5246, 5247, 6080, 6081, 6343, 6635, 8472, 9899, 12220, 12222, 12223, 13907, 13910, \
		17754, 19999, 37008
/* X.25, rpcap, DLSw, GTP, OpenFlow */
#define SS_TUNNEL_TCP_PORTS 1998, 2002, 2065, 2123, 2152, 3386, 6633, 6653

#endif
