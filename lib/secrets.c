/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "log.h"
#include "secret_text.h"

struct ss_secrets {
	GString *pending; /* not in the stream yet */
	const char *path;
	int fd; /* -1: no file */
};

int ss_secrets_new(const char *path, struct ss_secrets **ret_secrets, struct ss_error *error)
{
	struct ss_secrets *secrets;
	ss_autofd int fd = -1;

	if (path) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (fd < 0 || fchmod(fd, 0600) < 0)
			return ss_fail(error, -EIO, "cannot create '%s': %s", path,
				       g_strerror(errno));
	}
	secrets = g_new0(struct ss_secrets, 1);
	secrets->pending = g_string_new(NULL);
	secrets->path = path;
	secrets->fd = g_steal_fd(&fd);
	*ret_secrets = secrets;
	return 0;
}

void ss_secrets_free(struct ss_secrets *secrets)
{
	if (!secrets)
		return;
	if (secrets->fd >= 0)
		close(secrets->fd);
	ss_secret_text_wipe(secrets->pending);
	g_string_free(secrets->pending, TRUE);
	g_free(secrets);
}

void ss_secrets_add(struct ss_secrets *secrets, const char *line)
{
	g_autoptr(GString) whole = NULL;

	ss_secret_text_add(secrets->pending, line);
	if (secrets->fd < 0)
		return;
	whole = g_string_new(NULL);
	ss_secret_text_add(whole, line);
	if (write(secrets->fd, whole->str, whole->len) != (ssize_t)whole->len) {
		ss_log(SS_LOG_WARNING, "cannot write '%s' any more: %s", secrets->path,
		       g_strerror(errno));
		close(secrets->fd);
		secrets->fd = -1;
	}
	ss_secret_text_wipe(whole);
}

int ss_secrets_write(struct ss_secrets *secrets, struct ss_stream *stream, struct ss_error *error)
{
	int r;

	if (!secrets->pending->len)
		return 0;
	r = ss_stream_secrets(stream, secrets->pending->str, error);
	ss_secret_text_wipe(secrets->pending);
	return r;
}
