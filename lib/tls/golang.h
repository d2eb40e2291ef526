/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Go programs: the functions of crypto/tls and its forks, found by the runtime's own tables. */
#ifndef SS_TLS_GOLANG_H
#define SS_TLS_GOLANG_H

#include <stdbool.h>

#include <glib.h>

#include "tls/elf.h"

struct ss_golang {
	char *version;  /* "go1.19.8"; NULL: the program does not say */
	bool tables;    /* its functions have names; false: packed, or obfuscated */
	GArray *points; /* struct ss_tls_point */
};

/* 0, or -ENOENT: not a Go program. */
int ss_golang_read(struct ss_elf *elf, struct ss_golang *ret_golang);
void ss_golang_deinit(struct ss_golang *golang);

#endif
