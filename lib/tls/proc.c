/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <glib.h>

#include "error.h"

/* These files have no size. */
int ss_tls_proc_read(const char *proc, pid_t pid, const char *name, size_t limit, char **ret_text)
{
	g_autofree char *path = g_strdup_printf("%s/%d/%s", proc, (int)pid, name);
	ss_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	g_autoptr(GString) text = g_string_sized_new(4096);
	char buffer[4096];
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (text->len < limit && (n = read(fd, buffer, sizeof(buffer))) > 0)
		g_string_append_len(text, buffer, n);
	if (n < 0)
		return -errno;
	*ret_text = g_string_free(g_steal_pointer(&text), FALSE);
	return 0;
}
