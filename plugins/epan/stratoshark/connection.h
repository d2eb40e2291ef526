/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TCP connection or UDP exchange, as its frames pass: which end is the client, what came twice,
 * how long the handshake and the answers took.
 */
#ifndef SS_PLUGIN_CONNECTION_H
#define SS_PLUGIN_CONNECTION_H

#include "metadata.h"

struct ss_connection {
	address client; /* bytes are ours */
	uint8_t client_bytes[16];
	uint16_t client_port;
	bool has_syn, has_syn_ack, has_handshake, is_asked;
	bool has_first[2], has_next[2]; /* by sender: client, server */
	uint32_t first_seq[2];          /* of the sender's first segment */
	uint32_t next_seq[2];           /* the sequence number after all seen so far */
	uint64_t syn_ns, asked_ns, last_ns;
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

/* Who sent a frame of it: 0 the client, 1 the server. */
unsigned ss_connection_sender(const struct ss_connection *connection, const packet_info *pinfo);

uint64_t ss_connection_time_ns(const packet_info *pinfo);

/* Frames in the order of the file. */
void ss_connection_step(struct ss_connection *connection, const packet_info *pinfo,
			const struct ss_transport *transport, struct ss_connection_step *ret_step);

#endif
