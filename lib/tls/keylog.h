/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of the NSS key log (draft-ietf-tls-keylogfile), and the labels that name its secrets. */
#ifndef SS_TLS_KEYLOG_H
#define SS_TLS_KEYLOG_H

#include "tls/secret.h"

/* In the order in which lines are written. */
enum ss_tls_label {
	SS_TLS_CLIENT_EARLY,
	SS_TLS_EARLY_EXPORTER,
	SS_TLS_CLIENT_HANDSHAKE,
	SS_TLS_SERVER_HANDSHAKE,
	SS_TLS_CLIENT_TRAFFIC,
	SS_TLS_SERVER_TRAFFIC,
	SS_TLS_EXPORTER,
	SS_TLS_CLIENT_RANDOM, /* the master secret of TLS 1.2 and older */
	SS_TLS_LABELS
};

#define SS_TLS_RANDOM_SIZE 32u
/* Label, random, secret: hexadecimal, two spaces, NUL. */
#define SS_TLS_LINE_SIZE (48u + 2 * SS_TLS_RANDOM_SIZE + 2 * SS_TLS_SECRET_MAX)

/* "CLIENT_TRAFFIC_SECRET_0"; not NUL-terminated. SS_TLS_LABELS: none of ours. */
enum ss_tls_label ss_tls_label_parse(const void *name, size_t length);
/* Of the key schedule: "c ap traffic". */
enum ss_tls_label ss_tls_label_parse_schedule(const void *name, size_t length);
/* NULL for SS_TLS_CLIENT_RANDOM. */
const char *ss_tls_label_schedule(enum ss_tls_label label);

void ss_tls_keylog_line(enum ss_tls_label label, const uint8_t *random,
			const struct ss_tls_secret *secret, char ret_line[SS_TLS_LINE_SIZE]);

#endif
