/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The redaction of any stream keeps its length and does not depend on how it is cut. The input's
 * first bytes say how: rules, a hint, sizes of pieces.
 */
#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "cursor.h"
#include "tls/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ss_tls_redact *redact_new(const char *rules)
{
	g_autofree char *path = NULL;
	struct ss_tls_redact *redact = NULL;
	int fd = g_file_open_tmp("fuzz-XXXXXX", &path, NULL);

	g_assert(fd >= 0 && g_file_set_contents(path, rules, -1, NULL));
	g_assert(ss_tls_redact_new(path, &redact, NULL) == 0);
	close(fd);
	g_unlink(path);
	return redact;
}

/* steps: sizes of the pieces, again and again. Whole without. */
static uint8_t *run(struct ss_tls_redact *redact, bool http2, struct ss_cursor input,
		    const uint8_t *steps, size_t step_count)
{
	struct ss_tls_redact_stream *stream = ss_tls_redact_stream_new(redact);
	uint8_t *output = g_malloc(input.length + 1);
	size_t final = 0, offered = step_count ? 0 : input.length;

	memcpy(output, input.data, input.length);
	if (http2)
		ss_tls_redact_stream_http2(stream);
	for (size_t i = 0; offered < input.length; i++) {
		size_t part, length;

		offered += MIN(input.length - offered, steps[i % step_count] + 1u);
		length = offered - final;
		part = ss_tls_redact_run(stream, output + final, length, false);
		g_assert(part <= length);
		final += part;
	}
	final += ss_tls_redact_run(stream, output + final, offered - final, true);
	g_assert(final == input.length);
	ss_tls_redact_stream_free(stream);
	return output;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ss_tls_redact *redacts[2];
	g_autofree uint8_t *whole = NULL, *cut = NULL;
	struct ss_cursor cursor = ss_cursor(data, size);
	const uint8_t *steps;
	uint8_t flags;

	if (ss_cursor_u8(&cursor, &flags) < 0 || ss_cursor_bytes(&cursor, 4, &steps) < 0)
		return 0;
	if (!redacts[0]) {
		redacts[0] = redact_new("");
		redacts[1] = redact_new("pattern a(b+)c\npattern \\d{3}-\\d{2}\nheader x-y\n");
	}
	whole = run(redacts[flags & 1], flags & 2, cursor, NULL, 0);
	cut = run(redacts[flags & 1], flags & 2, cursor, steps, 4);
	g_assert(cursor.length == 0 || memcmp(whole, cut, cursor.length) == 0);
	return 0;
}
