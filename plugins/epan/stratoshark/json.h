/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON without a tree: walks over the members of an object and the elements of an array, enough to
 * pick what is wanted out of an event record, and to know where in the frame it is.
 */
#ifndef SS_PLUGIN_JSON_H
#define SS_PLUGIN_JSON_H

#include "compat.h"

/* Deeper nesting is refused, also on behalf of who reads the text next. */
#define SS_JSON_DEPTH_MAX 32

/* A piece of the text. */
struct ss_json_span {
	size_t offset;
	size_t length;
};

enum ss_json_type { SS_JSON_STRING, SS_JSON_OBJECT, SS_JSON_ARRAY, SS_JSON_WORD };

struct ss_json_value {
	enum ss_json_type type;
	struct ss_json_span span; /* of a string: between its quotes, escapes included */
};

/* A member of an object, or an element of an array (then key is empty). Nothing is kept. */
typedef void ss_json_fn(const char *text, struct ss_json_span key, struct ss_json_value value,
			void *data);

/* Calls fn() for each member; false when the text is not one well-formed object. */
bool ss_json_members(const char *text, size_t length, ss_json_fn *fn, void *data);

/* The same for what fn() was given: members of an object, elements of an array; of others there
 * are none. */
void ss_json_walk(const char *text, struct ss_json_value value, ss_json_fn *fn, void *data);

/* Is this the key, written without escapes? */
bool ss_json_key_is(const char *text, struct ss_json_span key, const char *name);

/* Escapes resolved, fit to be shown (text.h), no NUL inside. */
const char *ss_json_decode(wmem_allocator_t *scope, const char *text, struct ss_json_span string);

/* A whole number of up to 64 bits; 0 when the value is none. */
uint64_t ss_json_number(const char *text, struct ss_json_value value);

#endif
