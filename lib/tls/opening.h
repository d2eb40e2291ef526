/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the plaintext of a connection begins to be shown: what its first bytes tell of the protocol
 * and of who is the client, and what a reader is told of it.
 */
#ifndef SS_TLS_OPENING_H
#define SS_TLS_OPENING_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "format/tls.h"
#include "tls/sniff.h"
#include "tls/synth.h"

struct ss_tls_opening {
	/* Of the first bytes: */
	enum ss_tls_protocol protocol;
	bool roles_known, local_is_client;
	bool begins;    /* seen from its beginning */
	bool undecided; /* the next bytes may tell */
	char *host;     /* NULL without */
	/* Of the connection: */
	struct ss_tls_socket socket;
	uint32_t pid;
	const char *comm; /* borrowed */
};

/* Of the pieces (piece.h) that wait in the two ways; the host is the caller's, to g_free(). What is
 * of the connection is left to it. */
struct ss_tls_opening ss_tls_opening_judge(const GQueue *in, const GQueue *out);
/* Is the local end the client, as far as ports tell? */
bool ss_tls_opening_client_by_ports(const struct ss_tls_socket *socket);
/* Addresses for a connection whose socket is not known; number: another one for each. */
void ss_tls_opening_make_up_socket(struct ss_tls_socket *socket, uint32_t pid, uint32_t number,
				   bool local_is_client);

/* For the first packet; reason: why the stream begins here, NULL without. g_free(). */
char *ss_tls_opening_comment(const struct ss_tls_opening *opening, const char *reason);
/* Borrows the host. */
struct ss_tls_synth_options ss_tls_opening_options(const struct ss_tls_opening *opening,
						   uint32_t seed);

#endif
