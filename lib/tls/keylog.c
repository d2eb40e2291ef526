/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table: what the key log calls a secret, what the key schedule calls it. */
#include "tls/keylog.h"

#include <string.h>

#include <glib.h>

static const struct {
	const char *name, *schedule;
} labels[] = {
	[SS_TLS_CLIENT_EARLY] = {"CLIENT_EARLY_TRAFFIC_SECRET", "c e traffic"},
	[SS_TLS_EARLY_EXPORTER] = {"EARLY_EXPORTER_SECRET", "e exp master"},
	[SS_TLS_CLIENT_HANDSHAKE] = {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "c hs traffic"},
	[SS_TLS_SERVER_HANDSHAKE] = {"SERVER_HANDSHAKE_TRAFFIC_SECRET", "s hs traffic"},
	[SS_TLS_CLIENT_TRAFFIC] = {"CLIENT_TRAFFIC_SECRET_0", "c ap traffic"},
	[SS_TLS_SERVER_TRAFFIC] = {"SERVER_TRAFFIC_SECRET_0", "s ap traffic"},
	[SS_TLS_EXPORTER] = {"EXPORTER_SECRET", "exp master"},
	[SS_TLS_CLIENT_RANDOM] = {"CLIENT_RANDOM", NULL},
};

static bool is(const char *text, const void *name, size_t length)
{
	return text && strlen(text) == length && memcmp(text, name, length) == 0;
}

enum ss_tls_label ss_tls_label_parse(const void *name, size_t length)
{
	unsigned i = 0;

	while (i < SS_TLS_LABELS && !is(labels[i].name, name, length))
		i++;
	return i;
}

enum ss_tls_label ss_tls_label_parse_schedule(const void *name, size_t length)
{
	unsigned i = 0;

	while (i < SS_TLS_LABELS && !is(labels[i].schedule, name, length))
		i++;
	return i;
}

const char *ss_tls_label_schedule(enum ss_tls_label label)
{
	return labels[label].schedule;
}

static char *put_hex(char *to, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*to++ = digits[bytes[i] >> 4];
		*to++ = digits[bytes[i] & 15];
	}
	return to;
}

void ss_tls_keylog_line(enum ss_tls_label label, const uint8_t *random,
			const struct ss_tls_secret *secret, char ret_line[SS_TLS_LINE_SIZE])
{
	char *to = g_stpcpy(ret_line, labels[label].name);

	*to++ = ' ';
	to = put_hex(to, random, SS_TLS_RANDOM_SIZE);
	*to++ = ' ';
	to = put_hex(to, secret->bytes, secret->length);
	*to = '\0';
}
