/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets of TLS, and the key schedule of TLS 1.3 (RFC 8446 7.1). */
#ifndef SS_TLS_SECRET_H
#define SS_TLS_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/tls.h"

enum ss_tls_hash { SS_TLS_SHA256, SS_TLS_SHA384, SS_TLS_HASHES };

#define SS_TLS_HASH_MAX 48u /* bytes */

/* Of a length that is the hash's; 0: not known. Who has copied one wipes it. */
struct ss_tls_secret {
	uint8_t length;
	uint8_t bytes[SS_TLS_SECRET_MAX];
};

uint8_t ss_tls_hash_length(enum ss_tls_hash hash);
/* The hash of a cipher suite of TLS 1.3; SS_TLS_HASHES: not known. */
enum ss_tls_hash ss_tls_hash_of_cipher(uint16_t cipher);
/* length bytes of data; ret_digest has room for SS_TLS_HASH_MAX. */
void ss_tls_hash_digest(enum ss_tls_hash hash, const void *data, size_t length,
			uint8_t *ret_digest);

/* At most SS_TLS_SECRET_MAX bytes. */
void ss_tls_secret_set(struct ss_tls_secret *secret, const void *bytes, size_t length);
bool ss_tls_secret_equal(const struct ss_tls_secret *a, const struct ss_tls_secret *b);
void ss_tls_secret_wipe(struct ss_tls_secret *secret);

void ss_tls_hkdf_extract(enum ss_tls_hash hash, const struct ss_tls_secret *salt,
			 const struct ss_tls_secret *key, struct ss_tls_secret *ret_secret);
/* HKDF-Expand-Label for as many bytes as the hash has. label: without "tls13 ". */
void ss_tls_hkdf_expand(enum ss_tls_hash hash, const struct ss_tls_secret *key, const char *label,
			const uint8_t *context, uint8_t context_length,
			struct ss_tls_secret *ret_secret);
/* The master secret that follows a handshake secret: nothing but it goes in. */
void ss_tls_master_secret(enum ss_tls_hash hash, const struct ss_tls_secret *handshake,
			  struct ss_tls_secret *ret_master);

#endif
