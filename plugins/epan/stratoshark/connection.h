/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TCP connection or UDP exchange, as its frames pass: which end is the client, what came twice,
 * how long the handshake and the answers took.
 */
#ifndef SS_PLUGIN_CONNECTION_H
#define SS_PLUGIN_CONNECTION_H

#include "metadata.h"

struct ss_connection {
	unsigned row;   /* of whoever counts */
	address client; /* bytes are ours */
	uint8_t client_bytes[16];
	uint16_t client_port;
	bool has_syn, has_syn_ack, has_handshake, is_asked;
	bool has_next[2];     /* by sender: client, server */
	uint32_t next_seq[2]; /* the sequence number after all seen so far */
	uint64_t syn_ns, asked_ns;
};

/* What a frame adds. */
struct ss_connection_step {
	bool retransmission; /* all of it was sent before */
	bool reset;
	bool has_handshake, has_answer;
	uint64_t handshake_ns; /* first SYN to the ACK of the SYN/ACK */
	uint64_t answer_ns;    /* last bytes of a request to the first ones of its answer */
};

/* Is the sender of this frame, the first one seen of the connection, its client? */
bool ss_connection_from_client(const packet_info *pinfo, const struct ss_tap *record);

void ss_connection_init(struct ss_connection *connection, const packet_info *pinfo,
			bool from_client);

/* Frames in the order of the file. */
void ss_connection_step(struct ss_connection *connection, const packet_info *pinfo,
			const struct ss_transport *transport, struct ss_connection_step *ret_step);

#endif
