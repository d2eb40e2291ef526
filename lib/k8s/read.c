/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One open, reads until the end or until the caller's buffer is full; no allocation. */
#include "read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "error.h"

ssize_t ss_read_text(const char *path, char *buffer, size_t size)
{
	ss_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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
	}
	buffer[length] = '\0';
	return (ssize_t)length;
}
