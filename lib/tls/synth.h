/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TCP connection written from scratch, as IP packets: what an application said inside TLS, with
 * the addresses and ports it was said between. Inside is a TLS 1.2 session whose cipher encrypts
 * nothing, so that readers dissect the plaintext on any port, by the ALPN that the session names;
 * or the bare bytes.
 */
#ifndef SS_TLS_SYNTH_H
#define SS_TLS_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/tls.h"

struct ss_tls_synth;

struct ss_tls_synth_packet {
	uint64_t time_ns;
	bool out; /* from the local end of the socket to the remote one */
	const uint8_t *data;
	uint32_t length;
	const char *comment; /* NULL without */
};

typedef void (*ss_tls_synth_emit)(const struct ss_tls_synth_packet *packet, void *user_data);

struct ss_tls_synth_options {
	struct ss_tls_socket socket; /* addresses and ports */
	bool local_is_client;
	bool raw;                /* no TLS inside */
	const char *alpn;        /* "h2"; NULL without */
	const char *server_name; /* for SNI; NULL without */
	uint32_t seed; /* initial sequence numbers: differs between connections on one socket */
};

/* Nothing is written yet. The options are copied; packets and comments are borrowed during emit. */
struct ss_tls_synth *ss_tls_synth_new(const struct ss_tls_synth_options *options,
				      ss_tls_synth_emit emit, void *user_data);
/* Writes nothing: close first. */
void ss_tls_synth_free(struct ss_tls_synth *synth);

/* The handshakes of TCP and TLS. Times never go back: an earlier one is taken as the latest. */
void ss_tls_synth_open(struct ss_tls_synth *synth, uint64_t time_ns, const char *comment);
/* The comment is for the first packet. data NULL: zeros. */
void ss_tls_synth_data(struct ss_tls_synth *synth, bool out, const uint8_t *data, size_t length,
		       uint64_t time_ns, const char *comment);
/* FIN from both ends, out's first. */
void ss_tls_synth_close(struct ss_tls_synth *synth, bool out, uint64_t time_ns,
			const char *comment);

#endif
