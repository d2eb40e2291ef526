/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the redaction looks for: built in, and what a file adds (format in redact.h). */
#ifndef SS_TLS_RULES_H
#define SS_TLS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "error.h"

struct ss_tls_rules {
	GHashTable *headers; /* names, lower case */
	GHashTable *fields;  /* names as ss_tls_rules_is_field() simplifies them */
	GPtrArray *patterns; /* GRegex * */
	bool cards;
};

/* path NULL: only what is built in. -EINVAL with the line's number for a line that is no rule. */
int ss_tls_rules_init(struct ss_tls_rules *rules, const char *path, struct ss_error *error);
void ss_tls_rules_deinit(struct ss_tls_rules *rules);

/* Is the value of this header secret? In any case of letters. */
bool ss_tls_rules_is_header(const struct ss_tls_rules *rules, const void *name, size_t length);
/* Of this form field, query parameter or JSON member? Case, '_', '-' and escapes do not matter, nor
 * does what a name is part of: "user[password]" and "user.password" are "password". */
bool ss_tls_rules_is_field(const struct ss_tls_rules *rules, const void *name, size_t length);

/* Does the value begin with a word that is no secret ("Bearer")? */
bool ss_tls_rules_is_scheme(const void *word, size_t length);
#define SS_TLS_SCHEME_MAX 24u /* bytes */

#endif
