/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BoringSSL inside of programs without symbols: where it writes its key log. */
#ifndef SS_TLS_BORINGSSL_H
#define SS_TLS_BORINGSSL_H

#include "tls/elf.h"

/* The offset in the file of ssl_log_secret(SSL *, const char *label, secret, length), by
 * likelihood: whoever uses it checks what it sees. -ENOENT: not found. */
int ss_boringssl_find(struct ss_elf *elf, uint64_t *ret_offset);

#endif
