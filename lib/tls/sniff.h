/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the first plaintext seen in one direction of a connection tells: the protocol, and whether
 * the client or the server says it.
 */
#ifndef SS_TLS_SNIFF_H
#define SS_TLS_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ss_tls_protocol { SS_TLS_PROTOCOL_UNKNOWN, SS_TLS_PROTOCOL_HTTP1, SS_TLS_PROTOCOL_HTTP2 };
enum ss_tls_speaker { SS_TLS_SPEAKER_UNKNOWN, SS_TLS_SPEAKER_CLIENT, SS_TLS_SPEAKER_SERVER };

struct ss_tls_sniff {
	enum ss_tls_protocol protocol;
	enum ss_tls_speaker speaker;
	bool begins;    /* at the beginning of a connection: HTTP/2 with its preface */
	bool undecided; /* more bytes may tell more */
};

/* A few hundred bytes are enough. */
struct ss_tls_sniff ss_tls_sniff(const uint8_t *data, size_t length);

/* The host that an HTTP/1 request names, without port, if it is a name (no address); NULL without.
 * To be freed. */
char *ss_tls_sniff_host(const uint8_t *data, size_t length);

#endif
