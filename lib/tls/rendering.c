/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/rendering.h"

static void show(const uint8_t *data, size_t length, uint64_t time_ns, const char *comment,
		 void *user_data)
{
	struct ss_tls_rendering_way *way = user_data;
	struct ss_tls_rendering *rendering = way->rendering;

	if (rendering->synth && length)
		ss_tls_synth_data(rendering->synth, way == &rendering->ways[1], data, length,
				  time_ns, comment);
}

void ss_tls_rendering_init(struct ss_tls_rendering *rendering, struct ss_tls_renderer *renderer,
			   ss_tls_synth_emit emit, void *user_data)
{
	*rendering = (struct ss_tls_rendering){
		.renderer = renderer, .emit = emit, .user_data = user_data};
	for (size_t i = 0; i < 2; i++) {
		rendering->ways[i].rendering = rendering;
		ss_tls_veil_init(&rendering->ways[i].veil, show, &rendering->ways[i]);
	}
}

void ss_tls_rendering_deinit(struct ss_tls_rendering *rendering)
{
	for (size_t i = 0; i < 2; i++)
		ss_tls_veil_deinit(&rendering->ways[i].veil);
	ss_tls_synth_free(rendering->synth);
}

void ss_tls_rendering_open(struct ss_tls_rendering *rendering, const struct ss_tls_opening *opening,
			   uint64_t time_ns, const char *reason)
{
	struct ss_tls_renderer *renderer = rendering->renderer;
	bool is_http2 = opening->protocol == SS_TLS_PROTOCOL_HTTP2;
	g_autofree char *comment = ss_tls_opening_comment(opening, reason);
	struct ss_tls_synth_options options =
		ss_tls_opening_options(opening, ++renderer->streams * 2654435761u);

	rendering->synth = ss_tls_synth_new(&options, rendering->emit, rendering->user_data);
	for (size_t i = 0; i < 2; i++) {
		ss_tls_framing_begin(&rendering->ways[i].framing, is_http2);
		ss_tls_veil_begin(&rendering->ways[i].veil, renderer->redact, is_http2);
	}
	rendering->opening = *opening;
	rendering->opening.begins = false;
	rendering->opening.host = NULL;
	ss_tls_synth_open(rendering->synth, time_ns, comment);
}

void ss_tls_rendering_close(struct ss_tls_rendering *rendering, bool out, uint64_t time_ns,
			    const char *comment)
{
	for (size_t i = 0; i < 2; i++)
		ss_tls_veil_let_go(&rendering->ways[i].veil, time_ns);
	if (rendering->synth)
		ss_tls_synth_close(rendering->synth, out, time_ns, comment);
	g_clear_pointer(&rendering->synth, ss_tls_synth_free);
	for (size_t i = 0; i < 2; i++)
		ss_tls_veil_end(&rendering->ways[i].veil);
}

void ss_tls_rendering_pass(struct ss_tls_rendering *rendering, bool out, const uint8_t *data,
			   size_t length, uint64_t time_ns, const char *comment)
{
	struct ss_tls_rendering_way *way = &rendering->ways[out];
	g_autofree char *missing = NULL;

	if (rendering->synth && !ss_tls_framing_take(&way->framing, &data, &length, &missing))
		return;
	ss_tls_veil_pass(&way->veil, data, length, time_ns, missing ? missing : comment);
}

/* So much was lost that what follows is a stream of its own. */
static void restart(struct ss_tls_rendering *rendering, bool out, uint64_t lost, const char *why,
		    uint64_t time_ns)
{
	g_autofree char *reason =
		g_strdup_printf("%" G_GUINT64_FORMAT " bytes were lost before it%s", lost, why);
	struct ss_tls_opening opening = rendering->opening;

	ss_tls_rendering_close(rendering, out, time_ns,
			       "StratoShark: the rest of this stream was lost");
	ss_tls_rendering_open(rendering, &opening, time_ns, reason);
}

/* Zeros keep the framing, up to a limit. */
void ss_tls_rendering_gap(struct ss_tls_rendering *rendering, bool out, uint64_t length,
			  const char *why, uint64_t time_ns)
{
	struct ss_tls_rendering_way *way = &rendering->ways[out];
	g_autofree char *comment = NULL;
	uint64_t fill;

	ss_tls_veil_let_go(&way->veil, time_ns);
	if (!rendering->synth)
		return;
	ss_tls_veil_gap(&way->veil);
	if (!ss_tls_framing_lose(&way->framing, length, rendering->renderer->gap_max, &fill)) {
		restart(rendering, out, length, why, time_ns);
		return;
	}
	comment = g_strdup_printf("StratoShark: %" G_GUINT64_FORMAT
				  " bytes were lost here%s; zeros stand for them",
				  fill, why);
	ss_tls_veil_pass(&way->veil, NULL, fill, time_ns, comment);
}

bool ss_tls_rendering_keeps(const struct ss_tls_rendering *rendering, bool out,
			    uint64_t *ret_since_ns)
{
	const struct ss_tls_veil *veil = &rendering->ways[out].veil;

	if (!veil->rest->len)
		return false;
	*ret_since_ns = veil->since_ns;
	return true;
}

void ss_tls_rendering_let_go(struct ss_tls_rendering *rendering, bool out, uint64_t time_ns)
{
	ss_tls_veil_let_go(&rendering->ways[out].veil, time_ns);
}
