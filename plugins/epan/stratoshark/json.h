/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The members of one JSON object, without a tree: enough to pick strings out of an event record,
 * and to know where in the frame they are.
 */
#ifndef SS_PLUGIN_JSON_H
#define SS_PLUGIN_JSON_H

#include "compat.h"

/* Deeper nesting is refused, also on behalf of who reads the text next. */
#define SS_JSON_DEPTH_MAX 32

struct ss_json_string {
	size_t offset; /* behind the opening quote */
	size_t length; /* up to the closing quote, escapes included */
	bool word;     /* no string but a number, true, false or null */
};

/* A top-level member whose value is a string or a word. Return without keeping anything. */
typedef void ss_json_member_fn(const char *text, struct ss_json_string key,
			       struct ss_json_string value, void *data);

/* Calls member() for each; false when the text is not one well-formed object. */
bool ss_json_members(const char *text, size_t length, ss_json_member_fn *member, void *data);

/* Escapes resolved, valid UTF-8, no NUL inside. */
const char *ss_json_decode(wmem_allocator_t *scope, const char *text, struct ss_json_string string);

#endif
