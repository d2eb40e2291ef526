/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What TLS a file holds, and where to probe it: a shared library, or a program with one inside. */
#ifndef SS_TLS_LIBRARY_H
#define SS_TLS_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "error.h"
#include "format/tls.h"

enum ss_tls_library_kind {
	SS_TLS_LIBRARY_NONE, /* no TLS in it */
	SS_TLS_LIBRARY_OPENSSL,
	SS_TLS_LIBRARY_GNUTLS,
	SS_TLS_LIBRARY_GO,
	SS_TLS_LIBRARY_BORINGSSL,
	SS_TLS_LIBRARY_RUSTLS,
	/* Recognized, but not probed: the report says why. */
	SS_TLS_LIBRARY_JAVA,
	SS_TLS_LIBRARY_NSS,
	SS_TLS_LIBRARY_GO_OBFUSCATED, /* garble, UPX: no tables */
	SS_TLS_LIBRARY_OTHER,         /* mbedTLS, wolfSSL, s2n: named in detail */
	SS_TLS_LIBRARY_KINDS
};

struct ss_tls_library {
	enum ss_tls_library_kind kind;
	char *detail;   /* "OpenSSL 3.0.17", "Go go1.19.8", "libssl3.so (NSS)"; may be NULL */
	GArray *points; /* struct ss_tls_point; empty: nothing to probe */
	bool keys;      /* secrets can be had from it */
	bool plaintext; /* plaintext can be had from it */
	bool versioned; /* the detail tells its version, not the file's name */
	/* What was found by pattern: SS_TLS_PART_* that have not proved themselves (proof.h). */
	unsigned unproven;
	unsigned refuted; /* likewise: that were something else */
};

#define SS_TLS_PART_KEYS      1u
#define SS_TLS_PART_PLAINTEXT 2u

/* Which part a point that was found by pattern belongs to; 0: it was not. */
unsigned ss_tls_point_part(const struct ss_tls_point *point);

/* "OpenSSL", "Java (JSSE)". */
const char *ss_tls_library_kind_name(enum ss_tls_library_kind kind);
/* One sentence: why it stays dark and what would help; NULL if it can be probed. */
const char *ss_tls_library_reason(const struct ss_tls_library *library);

/*
 * Reads the file. name is what the process calls it ("/usr/lib/libssl.so.3"), for the detail and
 * hints. A file without TLS is kind NONE, no error. -EBADMSG: not an ELF file we understand.
 */
int ss_tls_library_read(int fd, const char *name, struct ss_tls_library *ret_library,
			struct ss_error *error);
void ss_tls_library_deinit(struct ss_tls_library *library);

#endif
