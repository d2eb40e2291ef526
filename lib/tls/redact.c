/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of redaction and the streams they are applied to. */
#include "tls/redact.h"

#include <errno.h>

#include <glib.h>

struct ss_tls_redact {
	uint64_t masked; /* bytes */
};

struct ss_tls_redact_stream {
	struct ss_tls_redact *redact;
};

int ss_tls_redact_new(const char *path, struct ss_tls_redact **ret_redact, struct ss_error *error)
{
	if (path)
		return ss_fail(error, -ENOSYS, "rules from a file are not implemented");
	*ret_redact = g_new0(struct ss_tls_redact, 1);
	return 0;
}

void ss_tls_redact_free(struct ss_tls_redact *redact)
{
	g_free(redact);
}

struct ss_tls_redact_stream *ss_tls_redact_stream_new(struct ss_tls_redact *redact)
{
	struct ss_tls_redact_stream *stream = g_new0(struct ss_tls_redact_stream, 1);

	stream->redact = redact;
	return stream;
}

void ss_tls_redact_stream_free(struct ss_tls_redact_stream *stream)
{
	g_free(stream);
}

size_t ss_tls_redact_run(struct ss_tls_redact_stream *stream, uint8_t *data, size_t length,
			 bool end)
{
	(void)stream;
	(void)data;
	(void)end;
	return length;
}

uint64_t ss_tls_redact_count(const struct ss_tls_redact *redact)
{
	return redact->masked;
}
