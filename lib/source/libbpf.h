/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings of libbpf that all loaders share. */
#ifndef SS_SOURCE_LIBBPF_H
#define SS_SOURCE_LIBBPF_H

/* libbpf's messages go to our log, for --verbose. */
void ss_libbpf_init(void);

#endif
