/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plaintext as packets: DATA records become TCP/IP frames with the connection's true addresses and
 * ports, carrying a TLS session with a NULL cipher, which stock Wireshark dissects as HTTP/1,
 * HTTP/2 or gRPC on any port. Ports whose protocols speak before TLS (STARTTLS) carry the bytes as
 * they are. LINKTYPE_RAW: frames begin with the IP header.
 */
#ifndef SS_TLS_PLAINTEXT_H
#define SS_TLS_PLAINTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "format/tls.h"
#include "tls/redact.h"

struct ss_tls_plaintext;

/* One frame. time_ns: CLOCK_BOOTTIME as in the record; data: IP packet. */
struct ss_tls_frame {
	uint64_t time_ns;
	uint64_t cgroup_id; /* of the pod */
	uint32_t pid, tid;
	const char *comm; /* NUL-terminated */
	bool out;         /* the process sent it */
	const uint8_t *data;
	uint32_t length;
	const char *comment; /* a gap, a redirect; NULL without */
};

struct ss_tls_plaintext_callbacks {
	void (*frame)(const struct ss_tls_frame *frame, void *user_data);
	/* Is this connection shown by its own packets and keys (then its plaintext is left out)? */
	bool (*shown)(const struct ss_tls_socket *socket, void *user_data);
	void *user_data;
};

/* redact: NULL shows all; borrowed. */
struct ss_tls_plaintext *ss_tls_plaintext_new(struct ss_tls_redact *redact,
					      const struct ss_tls_plaintext_callbacks *callbacks);
/* A gap of up to so many bytes is filled with zeros, as long as that is at most 1 MiB; behind a
 * larger one a new stream begins. Where calls are cut, there is no point in more than is copied. */
void ss_tls_plaintext_limit_gaps(struct ss_tls_plaintext *plaintext, uint32_t length);
/* Closes every stream with FIN first. Wipes what it buffered. */
void ss_tls_plaintext_free(struct ss_tls_plaintext *plaintext);

/* DATA, CLOSE and EXIT records; others are ignored. Frames come in order of time for each
 * connection; records of both directions are sorted within a window of some milliseconds. */
void ss_tls_plaintext_record(struct ss_tls_plaintext *plaintext,
			     const struct ss_tls_record *record);
/* Hands out what has waited long enough; now_ns: CLOCK_BOOTTIME. UINT64_MAX: everything. */
void ss_tls_plaintext_flush(struct ss_tls_plaintext *plaintext, uint64_t now_ns);

#endif
