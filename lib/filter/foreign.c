/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "tcp.analysis.retransmission" is Wireshark's to decide, but it is in TCP. Wireshark registers
 * fields of such a name for nothing but that protocol, and no other dissector shows them:
 * tests/unit/test-filter-tshark.c compares. What is inside of tunnels is no plain frame (emit.h).
 *
 * Protocols above TCP are here if Wireshark 4.0 finds them by TCP's ports, in TLS or HTTP only
 * ("tshark -G decodes", "-G heuristic-decodes"). Those that it also finds above SCTP may be here: a
 * frame with SCTP is not plain.
 */
#include "foreign.h"

#include <string.h>

#define ABOVE_IP (SS_LAYER_TCP | SS_LAYER_UDP)
#define FOREIGN(protocol, where)                                                                   \
	{                                                                                          \
		.name = protocol, .type = SS_FIELD_PROTOCOL, .context = SS_CONTEXT_FLOW,           \
		.layers = where, .flow = SS_FLOW_VARIES, .optional = true                          \
	}

static const struct ss_field fields[] = {
	FOREIGN("eth", SS_LAYER_ETHERNET),  FOREIGN("vlan", SS_LAYER_ETHERNET),
	FOREIGN("arp", SS_LAYER_ARP),       FOREIGN("ip", SS_LAYER_IPV4),
	FOREIGN("ipv6", SS_LAYER_IPV6),     FOREIGN("icmp", SS_LAYER_ICMP),
	FOREIGN("icmpv6", SS_LAYER_ICMPV6), FOREIGN("igmp", SS_LAYER_IPV4),
	FOREIGN("tcp", SS_LAYER_TCP),       FOREIGN("udp", SS_LAYER_UDP),
	FOREIGN("dns", ABOVE_IP),           FOREIGN("http", ABOVE_IP),
	FOREIGN("tls", ABOVE_IP),           FOREIGN("http2", SS_LAYER_TCP),
	FOREIGN("amqp", SS_LAYER_TCP),      FOREIGN("kafka", SS_LAYER_TCP),
	FOREIGN("mongo", SS_LAYER_TCP),     FOREIGN("mysql", SS_LAYER_TCP),
	FOREIGN("pgsql", SS_LAYER_TCP),
};

/* What tshark counts: it has to see all frames. */
static const struct ss_field counted = {
	.name = "frame",
	.type = SS_FIELD_PROTOCOL,
	.context = SS_CONTEXT_ALL,
	.layers = SS_LAYER_FRAME,
	.flow = SS_FLOW_VARIES,
	.optional = true,
};

/* Numbers of frames and of connections, by their names: tcp.analysis.acks_frame, http.request_in,
 * ip.reassembled_in, tcp.segment, quic.connection.number. Those that are not, no matter. */
static bool may_be_counted(const char *name)
{
	static const char *const ends[] = {"frame",  "_in",     "_to",       "_retransmission",
					   ".in",    ".number", ".fragment", ".segment",
					   ".error", ".stream"};

	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
		if (g_str_has_suffix(name, ends[i]))
			return true;
	return false;
}

const struct ss_field *ss_foreign_find(const struct ss_test *test)
{
	size_t length = strcspn(test->name, ".");

	if (test->comparison != SS_TEST_PRESENT && may_be_counted(test->name))
		return &counted;
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
		if (strlen(fields[i].name) == length &&
		    strncmp(fields[i].name, test->name, length) == 0)
			return &fields[i];
	return NULL;
}

static enum ss_decision decide(const struct ss_test *test, const char **ret_why)
{
	*ret_why = test->field == &counted
			   ? "tshark counts frames and connections, from the first one on"
			   : "of this field the kernel's part knows the protocol alone";
	return SS_DECISION_NONE;
}

const struct ss_family ss_family_foreign = {
	.name = "foreign",
	.decide = decide,
};
