/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows sequence numbers by itself: Wireshark's own analysis mixes the interfaces on which a
 * connection was captured.
 */
#include "connection.h"

#include <netinet/in.h>
#include <string.h>

#include <epan/dissectors/packet-tcp.h>

#define NSEC_PER_SEC 1000000000u

/* Ports from here on are those of clients (Linux: net.ipv4.ip_local_port_range). */
#define EPHEMERAL_MIN 32768

uint64_t ss_connection_time_ns(const packet_info *pinfo)
{
	return (uint64_t)pinfo->abs_ts.secs * NSEC_PER_SEC + (uint64_t)pinfo->abs_ts.nsecs;
}

/* Clocks go back in damaged and badly merged files. */
static uint64_t since(uint64_t start, uint64_t end)
{
	return end > start ? end - start : 0;
}

bool ss_connection_from_client(const packet_info *pinfo, const struct ss_tap *record)
{
	const struct ss_side *src = &record->sides.src, *dst = &record->sides.dst;
	bool ephemeral_src = pinfo->srcport >= EPHEMERAL_MIN;

	if (record->transport.flags & TH_SYN)
		return !(record->transport.flags & TH_ACK);
	if (!src->services_count != !dst->services_count)
		return dst->services_count > 0;
	if (record->transport.protocol && ephemeral_src != (pinfo->destport >= EPHEMERAL_MIN))
		return ephemeral_src;
	return true;
}

void ss_connection_init(struct ss_connection *connection, const packet_info *pinfo,
			bool from_client)
{
	const address *client = from_client ? &pinfo->net_src : &pinfo->net_dst;

	memset(connection, 0, sizeof(*connection));
	if (client->len > 0 && (size_t)client->len <= sizeof(connection->client_bytes)) {
		memcpy(connection->client_bytes, client->data, (size_t)client->len);
		set_address(&connection->client, client->type, client->len,
			    connection->client_bytes);
	}
	connection->client_port = (uint16_t)(from_client ? pinfo->srcport : pinfo->destport);
}

unsigned ss_connection_sender(const struct ss_connection *connection, const packet_info *pinfo)
{
	return !(addresses_equal(&connection->client, &pinfo->net_src) &&
		 connection->client_port == pinfo->srcport);
}

/* Does the segment bring anything new? A probe of the other end (keep-alive) repeats a byte. */
static bool is_new(struct ss_connection *connection, unsigned sender,
		   const struct ss_transport *transport, bool *ret_retransmission)
{
	uint32_t length =
		transport->length + !!(transport->flags & TH_SYN) + !!(transport->flags & TH_FIN);
	uint32_t next = connection->next_seq[sender], end = transport->seq + length;

	if (transport->flags & TH_RST || length == 0)
		return false;
	if (!connection->has_next[sender] || GT_SEQ(end, next)) {
		connection->has_next[sender] = true;
		connection->next_seq[sender] = end;
		return transport->length > 0;
	}
	*ret_retransmission = length > 1 || transport->flags & (TH_SYN | TH_FIN) || end != next;
	return false;
}

static void step_handshake(struct ss_connection *connection, unsigned sender, uint16_t flags,
			   uint64_t now, struct ss_connection_step *step)
{
	bool syn = flags & TH_SYN, ack = flags & TH_ACK;

	if (sender == 0 && syn && !connection->has_syn) {
		connection->has_syn = true;
		connection->syn_ns = now;
	} else if (sender == 1 && syn && ack && connection->has_syn) {
		connection->has_syn_ack = true;
	} else if (sender == 0 && !syn && ack && !(flags & TH_RST) && connection->has_syn_ack &&
		   !connection->has_handshake) {
		connection->has_handshake = true;
		step->has_handshake = true;
		step->handshake_ns = since(connection->syn_ns, now);
	}
}

static void step_answer(struct ss_connection *connection, unsigned sender, uint64_t now,
			struct ss_connection_step *step)
{
	if (sender == 0) {
		connection->is_asked = true;
		connection->asked_ns = now;
	} else if (connection->is_asked) {
		connection->is_asked = false;
		step->has_answer = true;
		step->answer_ns = since(connection->asked_ns, now);
	}
}

void ss_connection_step(struct ss_connection *connection, const packet_info *pinfo,
			const struct ss_transport *transport, struct ss_connection_step *ret_step)
{
	unsigned sender = ss_connection_sender(connection, pinfo);
	uint64_t now = ss_connection_time_ns(pinfo);
	bool new = transport->length > 0;

	memset(ret_step, 0, sizeof(*ret_step));
	connection->last_ns = now;
	if (transport->protocol == IPPROTO_TCP) {
		if (!connection->has_first[sender]) {
			connection->has_first[sender] = true;
			connection->first_seq[sender] = transport->seq;
		}
		new = is_new(connection, sender, transport, &ret_step->retransmission);
		ret_step->reset = transport->flags & TH_RST;
		step_handshake(connection, sender, transport->flags, now, ret_step);
	}
	if (new)
		step_answer(connection, sender, now, ret_step);
}
