/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/veil.h"

#include <string.h>

void ss_tls_veil_init(struct ss_tls_veil *veil, ss_tls_veil_show show, void *user_data)
{
	*veil = (struct ss_tls_veil){
		.show = show, .user_data = user_data, .rest = g_byte_array_new()};
}

static void wipe_rest(struct ss_tls_veil *veil)
{
	if (veil->rest->len)
		explicit_bzero(veil->rest->data, veil->rest->len);
	g_byte_array_set_size(veil->rest, 0);
}

void ss_tls_veil_deinit(struct ss_tls_veil *veil)
{
	wipe_rest(veil);
	g_byte_array_unref(veil->rest);
	g_free(veil->comment);
	ss_tls_redact_stream_free(veil->stream);
}

void ss_tls_veil_begin(struct ss_tls_veil *veil, struct ss_tls_redact *redact, bool is_http2)
{
	if (!redact)
		return;
	veil->stream = ss_tls_redact_stream_new(redact);
	if (is_http2)
		ss_tls_redact_stream_http2(veil->stream);
}

void ss_tls_veil_end(struct ss_tls_veil *veil)
{
	g_clear_pointer(&veil->stream, ss_tls_redact_stream_free);
}

void ss_tls_veil_gap(struct ss_tls_veil *veil)
{
	if (veil->stream)
		ss_tls_redact_stream_gap(veil->stream);
}

static void show(struct ss_tls_veil *veil, size_t length, uint64_t time_ns)
{
	veil->show(veil->rest->data, length, time_ns, veil->comment, veil->user_data);
	g_clear_pointer(&veil->comment, g_free);
}

void ss_tls_veil_let_go(struct ss_tls_veil *veil, uint64_t time_ns)
{
	if (!veil->rest->len)
		return;
	ss_tls_redact_run(veil->stream, veil->rest->data, veil->rest->len, true);
	show(veil, veil->rest->len, time_ns);
	wipe_rest(veil);
}

void ss_tls_veil_pass(struct ss_tls_veil *veil, const uint8_t *data, size_t length,
		      uint64_t time_ns, const char *comment)
{
	GByteArray *rest = veil->rest;
	guint kept = rest->len;
	size_t final;

	if (!length)
		return;
	if (!veil->stream) {
		veil->show(data, length, time_ns, comment, veil->user_data);
		return;
	}
	g_byte_array_set_size(rest, kept + (guint)length);
	if (data)
		memcpy(rest->data + kept, data, length);
	else
		memset(rest->data + kept, 0, length);
	if (comment) {
		g_free(veil->comment);
		veil->comment = g_strdup(comment);
	}
	if (!kept)
		veil->since_ns = time_ns;
	final = ss_tls_redact_run(veil->stream, rest->data, rest->len, false);
	if (!final)
		return;
	show(veil, final, time_ns);
	memmove(rest->data, rest->data + final, rest->len - final);
	explicit_bzero(rest->data + rest->len - final, final);
	g_byte_array_set_size(rest, rest->len - (guint) final);
	veil->since_ns = time_ns;
}
