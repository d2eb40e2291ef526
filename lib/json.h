/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members appended to a JSON object that begins with "{": a comma goes before all but the first. */
#ifndef SS_JSON_H
#define SS_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/* Nothing when value is NULL. What is not UTF-8 becomes U+FFFD. */
void ss_json_text(GString *json, const char *key, const char *value);
void ss_json_number(GString *json, const char *key, uint64_t value);
void ss_json_bool(GString *json, const char *key, bool value);

#endif
