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
	struct ss_secrets_context context;
	GString *pending; /* not in the stream yet */
	int fd;           /* -1: no file */
	struct ss_tls_keys *keys;
};

int ss_secrets_new(const struct ss_secrets_context *context, struct ss_secrets **ret_secrets,
		   struct ss_error *error)
{
	const char *path = context->path;
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
	secrets->context = *context;
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
	if (secrets->keys)
		ss_output_set_live_secrets(ss_stream_output(secrets->context.stream), NULL, NULL);
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
		ss_log(SS_LOG_WARNING, "cannot write '%s' any more: %s", secrets->context.path,
		       g_strerror(errno));
		close(secrets->fd);
		secrets->fd = -1;
	}
	ss_secret_text_wipe(whole);
}

/* --- The stage --- */

static void write_pending(struct ss_secrets *secrets)
{
	int r = ss_stream_secrets(secrets->context.stream, secrets->pending->str,
				  secrets->context.error);

	ss_secret_text_wipe(secrets->pending);
	if (r < 0)
		secrets->context.failed(r, secrets->context.user_data);
}

/* Lines that are known go before the frames that are admitted next. */
static size_t admit(void *blocks, size_t length, uint64_t now_ns, uint64_t *ret_again_ns,
		    void *user_data)
{
	struct ss_secrets *secrets = user_data;
	size_t admitted = ss_tls_keys_admit(secrets->keys, blocks, length, now_ns, ret_again_ns);

	if (admitted && secrets->pending->len)
		write_pending(secrets);
	return admitted;
}

static void release(void *user_data)
{
	ss_tls_keys_release(((struct ss_secrets *)user_data)->keys);
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	const struct ss_secrets *secrets = user_data;

	if (place->pod)
		ss_tls_keys_interface(secrets->keys, place->interface_id, place->link_type);
}

static void live_line(const char *line, void *user_data)
{
	ss_secret_text_add(user_data, line);
}

static void live_secrets(GString *lines, void *user_data)
{
	ss_tls_keys_live_lines(((struct ss_secrets *)user_data)->keys, live_line, lines);
}

struct ss_stage ss_secrets_stage(struct ss_secrets *secrets, struct ss_tls_keys *keys)
{
	secrets->keys = keys;
	ss_output_set_live_secrets(ss_stream_output(secrets->context.stream), live_secrets,
				   secrets);
	return (struct ss_stage){
		.admit = admit,
		.release = release,
		.interface = add_interface,
		.user_data = secrets,
	};
}
