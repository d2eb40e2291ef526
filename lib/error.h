/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One sentence for people. Whoever knows the reason writes it, once; callers pass it up unchanged;
 * the front end prints it. The library never prints.
 */
#ifndef SS_ERROR_H
#define SS_ERROR_H

#include <stddef.h>
#include <unistd.h>

struct ss_error {
	char message[1024]; /* no trailing newline; empty while nothing failed */
};

/* Writes the sentence (unless error is NULL or already holds one) and returns code, a negative
 * errno, so that "return ss_fail(error, -EINVAL, ...)" is a line. */
int ss_fail(struct ss_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A descriptor that closes itself; hand it over with g_steal_fd(). */
static inline void ss_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define ss_autofd __attribute__((cleanup(ss_closep)))

#endif
