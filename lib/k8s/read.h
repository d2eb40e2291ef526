/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the small files of /proc and cgroupfs, which have no size. */
#ifndef SS_K8S_READ_H
#define SS_K8S_READ_H

#include <sys/types.h>

/* The first size - 1 bytes, always terminated. Their number, or a negative errno. */
ssize_t ss_read_text(const char *path, char *buffer, size_t size);
/* As openat(2): the path begins at a directory. */
ssize_t ss_read_text_at(int directory, const char *path, char *buffer, size_t size);

#endif
