/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which end of a connection is shown: a TCP connection can be seen at both, when both pods are
 * captured.
 */
#ifndef SS_TLS_ENDING_H
#define SS_TLS_ENDING_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "format/tls.h"

/* One end: both ends' addresses, the same whichever of them says it, and which of them it is. */
struct ss_tls_end {
	struct {
		uint8_t address[2][16];
		uint16_t port[2];
		uint32_t netns; /* loopback addresses mean something else in each */
	} tuple;
	bool is_second;
};

struct ss_tls_end ss_tls_end_of(const struct ss_tls_socket *socket);
bool ss_tls_end_is_opposite(const struct ss_tls_end *one, const struct ss_tls_end *other);

struct ss_tls_ending {
	struct ss_tls_end shown;
	void *owner; /* who shows it; NULL: it has ended */
	uint64_t ended_ns;
};

/* A table of endings; g_hash_table_unref(). */
GHashTable *ss_tls_endings_new(void);
/* The entry of the connection if this end may be shown: nobody shows the other one, or did a moment
 * ago. Otherwise NULL. It is the table's; who becomes its owner says so in it, and its end, too. */
struct ss_tls_ending *ss_tls_endings_ask(GHashTable *endings, const struct ss_tls_end *end,
					 uint64_t time_ns);
/* Forgets those that ended long ago. */
void ss_tls_endings_sweep(GHashTable *endings, uint64_t now_ns);

#endif
