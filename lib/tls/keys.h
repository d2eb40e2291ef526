/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys for captured connections: watches the TLS handshakes in the frames, binds secrets that the
 * probes saw to them, and holds frames back until the secrets which they need are known.
 *
 * The hold is the frame ring itself: _admit() says how many bytes may go on now; the caller offers
 * the rest again when records came or the time that _admit() named has passed. So frames stay in
 * order and are not copied. What is admitted without its secret (timeout, no probe, ring filling)
 * is counted for the report.
 */
#ifndef SS_TLS_KEYS_H
#define SS_TLS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "format/tls.h"

struct ss_tls_keys;

/* One TLS connection seen in frames. */
enum ss_tls_flow_state {
	SS_TLS_FLOW_HANDSHAKE, /* going on */
	SS_TLS_FLOW_KEYED,     /* its secrets are in the file */
	SS_TLS_FLOW_MISSED,    /* older than the capture, or frames of its handshake are missing */
	SS_TLS_FLOW_DARK,      /* no secret came for it */
};

struct ss_tls_flow {
	struct ss_endpoint client, server;
	uint32_t interface_id; /* where its frames were seen first */
	enum ss_tls_flow_state state;
	uint16_t version;      /* 0x0303, 0x0304; 0 unknown */
	uint16_t cipher;       /* suite, 0 unknown */
	uint32_t pid;          /* of the process whose secret came, 0 unknown */
	uint32_t library;      /* number of its file, 0 unknown */
	char server_name[256]; /* SNI, empty without */
	char alpn[32];         /* chosen or offered first, empty without */
	uint64_t frames, first_ns, last_ns;
};

struct ss_tls_keys_callbacks {
	/* A line of the NSS key log, without newline, to be in the file before the next frames. */
	void (*line)(const char *line, void *user_data);
	/* A flow's state changed (also at its end). Borrowed. */
	void (*flow)(const struct ss_tls_flow *flow, void *user_data);
	/* May frames of this interface have secrets? Is a library with keys attached there? Flows
	 * elsewhere are not waited for. */
	bool (*expects)(uint32_t interface_id, void *user_data);
	/* A secret of this file (number) fits a captured handshake; may be NULL. */
	void (*fits)(uint32_t library, void *user_data);
	void *user_data;
};

/* hold_ns: the longest a flow's frames wait for a secret; 0: the default, 1 s. */
struct ss_tls_keys *ss_tls_keys_new(uint64_t hold_ns,
				    const struct ss_tls_keys_callbacks *callbacks);
/* Wipes every secret. */
void ss_tls_keys_free(struct ss_tls_keys *keys);

/* The link type of an interface (SS_LINKTYPE_*), before its first frame. */
void ss_tls_keys_interface(struct ss_tls_keys *keys, uint32_t interface_id, uint16_t link_type);

/* KDF and LABELLED records; others are ignored. May call back line. */
void ss_tls_keys_record(struct ss_tls_keys *keys, const struct ss_tls_record *record);

/*
 * Looks at whole Enhanced Packet Blocks, each once even if offered again. Returns the length of the
 * leading ones that may be written now. If that is not all, *ret_again_ns is how long to wait at
 * most before offering the rest again (less if records arrive). now_ns: CLOCK_MONOTONIC.
 *
 * Every call begins where what was admitted before ended: a caller who could not write all of that
 * remembers how much is left and does not offer it again. What is offered again is the same blocks,
 * with new ones behind them.
 */
size_t ss_tls_keys_admit(struct ss_tls_keys *keys, const void *blocks, size_t length,
			 uint64_t now_ns, uint64_t *ret_again_ns);
/* Wipes secrets of connections that have ended; admitting does so, too. Once a second, for when no
 * frames come. now_ns: CLOCK_MONOTONIC. */
void ss_tls_keys_expire(struct ss_tls_keys *keys, uint64_t now_ns);
/* The ring is filling up, or the capture ends: admits everything that is held now. */
void ss_tls_keys_release(struct ss_tls_keys *keys);

/* Lines of connections that still live, oldest first, for the beginning of the next file of a ring.
 */
void ss_tls_keys_live_lines(struct ss_tls_keys *keys,
			    void (*line)(const char *line, void *user_data), void *user_data);

#endif
