/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scanner with a depth and a place to put bytes: nowhere, the envelope, or the object being read.
 * Bytes are moved in runs. Kinds of brackets are not compared: the parser of the object does that.
 */
#include "kube/split.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ITEMS     "items"
#define KEEP_SIZE (256u << 10) /* a buffer that grew larger is given back */

struct ss_kube_split {
	enum ss_kube_split_mode mode;
	size_t limit;
	struct ss_kube_split_callbacks callbacks;
	int error;
	unsigned depth;
	unsigned object_depth; /* 0: in no object that is cut out; else the depth inside it */
	bool in_string, escaped;
	bool is_items; /* of a list, at depth 1: the value that follows is that of "items" */
	bool in_items;
	bool ended;              /* the list */
	char key[sizeof(ITEMS)]; /* the string read last at depth 1, cut */
	size_t key_length;
	GString *object;
	GString *envelope;
	size_t length; /* of the object, kept or not */
};

struct ss_kube_split *ss_kube_split_new(enum ss_kube_split_mode mode, size_t limit,
					const struct ss_kube_split_callbacks *callbacks)
{
	struct ss_kube_split *split = g_new0(struct ss_kube_split, 1);

	split->mode = mode;
	split->limit = limit;
	split->callbacks = *callbacks;
	split->object = g_string_new(NULL);
	split->envelope = g_string_new(NULL);
	return split;
}

void ss_kube_split_free(struct ss_kube_split *split)
{
	if (!split)
		return;
	g_string_free(split->object, TRUE);
	g_string_free(split->envelope, TRUE);
	g_free(split);
}

static void clear_object(struct ss_kube_split *split)
{
	if (split->object->allocated_len > KEEP_SIZE) {
		g_string_free(split->object, TRUE);
		split->object = g_string_new(NULL);
	}
	g_string_truncate(split->object, 0);
}

static void put_object(struct ss_kube_split *split, const char *data, size_t length)
{
	split->length += length;
	if (split->length <= split->limit)
		g_string_append_len(split->object, data, (gssize)length);
	else
		clear_object(split);
}

static int put_envelope(struct ss_kube_split *split, const char *data, size_t length)
{
	if (split->envelope->len + length > SS_SPLIT_ENVELOPE_MAX)
		return -EFBIG;
	g_string_append_len(split->envelope, data, (gssize)length);
	return 0;
}

static void finish_object(struct ss_kube_split *split)
{
	split->object_depth = 0;
	if (split->length <= split->limit)
		split->callbacks.object(split->object->str, split->object->len,
					split->callbacks.user_data);
	else
		split->callbacks.skipped(split->length, split->callbacks.user_data);
	clear_object(split);
}

static void read_string(struct ss_kube_split *split, char c)
{
	if (split->escaped)
		split->escaped = false;
	else if (c == '\\')
		split->escaped = true;
	else if (c == '"')
		split->in_string = false;
	if (split->in_string && split->depth == 1 && split->key_length < sizeof(split->key))
		split->key[split->key_length++] = c;
}

/* Does c begin an object that is to be cut out? */
static bool begins_object(const struct ss_kube_split *split, char c)
{
	if (c != '{' || split->object_depth)
		return false;
	return split->mode == SS_SPLIT_STREAM ? split->depth == 0
					      : split->in_items && split->depth == 2;
}

/* At depth 1 of a list. */
static void note_items(struct ss_kube_split *split, char c)
{
	if (c == ':')
		split->is_items = split->key_length == strlen(ITEMS) &&
				  !memcmp(split->key, ITEMS, strlen(ITEMS));
	else if (c == ',')
		split->is_items = false;
	else if (c == '[')
		split->in_items = split->is_items;
}

static int check_outside(const struct ss_kube_split *split, char c)
{
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return 0;
	return c == '{' && !split->ended ? 0 : -EBADMSG;
}

/* A byte outside of strings. *ret_ended: it was the last of an object that is cut out. */
static int read_byte(struct ss_kube_split *split, char c, bool *ret_ended)
{
	*ret_ended = false;
	if (split->depth == 0 && check_outside(split, c) < 0)
		return -EBADMSG;
	if (split->depth == 1 && split->mode == SS_SPLIT_LIST)
		note_items(split, c);
	switch (c) {
	case '"':
		split->in_string = true;
		if (split->depth == 1)
			split->key_length = 0;
		break;
	case '{':
	case '[':
		if (++split->depth > G_MAXUINT / 2)
			return -EBADMSG;
		break;
	case '}':
	case ']':
		*ret_ended = split->object_depth && split->depth == split->object_depth;
		split->depth--;
		if (split->depth == 1)
			split->in_items = false;
		split->ended = split->depth == 0 && split->mode == SS_SPLIT_LIST;
		break;
	}
	return 0;
}

/* What is between items is dropped: without them their commas are no JSON. */
static int feed(struct ss_kube_split *split, const char *data, size_t length)
{
	size_t from = 0; /* the first byte that was not put yet */
	int r;

	for (size_t i = 0; i < length; i++) {
		bool in_items = split->in_items, ended;

		if (split->in_string) {
			read_string(split, data[i]);
			continue;
		}
		if (begins_object(split, data[i])) {
			from = i;
			split->object_depth = split->depth + 1;
			split->length = 0;
		}
		r = read_byte(split, data[i], &ended);
		if (r < 0)
			return r;
		if (ended) {
			put_object(split, data + from, i + 1 - from);
			from = i + 1;
			finish_object(split);
		} else if (!in_items && split->in_items) {
			r = put_envelope(split, data + from, i + 1 - from);
			if (r < 0)
				return r;
		} else if (in_items && !split->in_items) {
			from = i;
		}
	}
	if (split->object_depth)
		put_object(split, data + from, length - from);
	else if (split->mode == SS_SPLIT_LIST && !split->in_items)
		return put_envelope(split, data + from, length - from);
	return 0;
}

int ss_kube_split_feed(struct ss_kube_split *split, const char *data, size_t length)
{
	if (split->error == 0)
		split->error = feed(split, data, length);
	return split->error;
}

int ss_kube_split_end(const struct ss_kube_split *split)
{
	if (split->error < 0)
		return split->error;
	if (split->mode == SS_SPLIT_LIST)
		return split->ended ? 0 : -EBADMSG;
	return split->depth == 0 ? 0 : -EBADMSG;
}

const GString *ss_kube_split_envelope(const struct ss_kube_split *split)
{
	return split->envelope;
}
