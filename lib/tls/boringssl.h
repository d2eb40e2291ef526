/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BoringSSL inside of programs without symbols: where it writes its key log, reads and writes. All
 * by likelihood: whoever uses it believes what it sees only after a proof (proof.h).
 */
#ifndef SS_TLS_BORINGSSL_H
#define SS_TLS_BORINGSSL_H

#include "tls/elf.h"

/* The offset in the file of ssl_log_secret(SSL *, const char *label, secret, length). -ENOENT: not
 * found. */
int ss_boringssl_find(struct ss_elf *elf, uint64_t *ret_offset);

struct ss_boringssl_calls {
	uint64_t read, write; /* SSL_read, SSL_write: offsets in the file */
};

/*
 * -ENOENT: not found, or not without doubt. What is found begins a function, so that a probe there
 * can't break an instruction. log: what ss_boringssl_find() found; where that is of no function
 * that is known, the rest of the library is not either.
 */
int ss_boringssl_find_calls(struct ss_elf *elf, uint64_t log, struct ss_boringssl_calls *ret_calls);

#endif
