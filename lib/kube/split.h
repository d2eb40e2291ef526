/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts JSON text that comes in pieces into the objects in it, so that a list of any length costs
 * the memory of one object. It knows strings and brackets only; whoever gets an object parses it.
 */
#ifndef SS_KUBE_SPLIT_H
#define SS_KUBE_SPLIT_H

#include <stddef.h>

#include <glib.h>

#define SS_SPLIT_ENVELOPE_MAX (64u << 10)

enum ss_kube_split_mode {
	SS_SPLIT_STREAM, /* one object after another: a watch */
	SS_SPLIT_LIST,   /* one object; the elements of its member "items" are cut out */
};

struct ss_kube_split_callbacks {
	/* Text of one object, without a terminating zero; borrowed for the call. */
	void (*object)(const char *text, size_t length, void *user_data);
	/* One that is larger than the limit was left out. */
	void (*skipped)(size_t length, void *user_data);
	void *user_data;
};

struct ss_kube_split;

/* limit: bytes of an object. */
struct ss_kube_split *ss_kube_split_new(enum ss_kube_split_mode mode, size_t limit,
					const struct ss_kube_split_callbacks *callbacks);
void ss_kube_split_free(struct ss_kube_split *split);

/* 0, or for good: -EBADMSG (no JSON object), -EFBIG (the envelope is larger than its limit). */
int ss_kube_split_feed(struct ss_kube_split *split, const char *data, size_t length);

/* Is there nothing half-read? Of a list: did it end? */
int ss_kube_split_end(const struct ss_kube_split *split);

/* SS_SPLIT_LIST: what is around the items, their places empty. Borrowed. */
const GString *ss_kube_split_envelope(const struct ss_kube_split *split);

#endif
