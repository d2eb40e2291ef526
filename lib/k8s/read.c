/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One open, reads until the end or until the caller's buffer is full; no allocation. A kernel's
 * file of many records gives at least a page less one record if there is more, so what is much
 * shorter was all, and need not be asked again: half of the time of a small file.
 */
#include "read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "error.h"

#define SHORT_READ 2048 /* bytes: a page is 4096 at least, a record far below the rest */

ssize_t ss_read_text_at(int directory, const char *path, char *buffer, size_t size)
{
	ss_autofd int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t length = 0;

	if (fd < 0)
		return -errno;
	while (length < size - 1) {
		ssize_t n = read(fd, buffer + length, size - 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
		if (n < SHORT_READ)
			break;
	}
	buffer[length] = '\0';
	return (ssize_t)length;
}

ssize_t ss_read_text(const char *path, char *buffer, size_t size)
{
	return ss_read_text_at(AT_FDCWD, path, buffer, size);
}
