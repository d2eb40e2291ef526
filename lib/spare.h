/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structs of one size that come and go by the hundred between two wake-ups: malloc keeps only a few
 * of each size at hand, and takes long for the others. Begins as zeros; a deinit frees what is
 * kept.
 */
#ifndef SS_SPARE_H
#define SS_SPARE_H

#include <stddef.h>
#include <string.h>

#include <glib.h>

#define SS_SPARE_MAX 4096u

/* With a sanitizer nothing is kept: it is to see a use of what was given back. */
#ifdef __SANITIZE_ADDRESS__ /* gcc */
#define SS_SPARE_NOTHING
#elif defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define SS_SPARE_NOTHING
#endif
#endif

struct ss_spare {
	void *first; /* the next one begins with a pointer like this */
	unsigned count;
};

/* Zeroed. size: always the same, at least that of a pointer. */
static inline void *ss_spare_take(struct ss_spare *spare, size_t size)
{
	void *taken = spare->first;

	if (!taken)
		return g_malloc0(size);
	memcpy(&spare->first, taken, sizeof(spare->first));
	spare->count--;
	return memset(taken, 0, size);
}

static inline void ss_spare_give(struct ss_spare *spare, void *given)
{
#ifdef SS_SPARE_NOTHING
	(void)spare;
	g_free(given);
#else
	if (spare->count >= SS_SPARE_MAX) {
		g_free(given);
		return;
	}
	memcpy(given, &spare->first, sizeof(spare->first));
	spare->first = given;
	spare->count++;
#endif
}

static inline void ss_spare_deinit(struct ss_spare *spare)
{
	while (spare->first) {
		void *next;

		memcpy(&next, spare->first, sizeof(next));
		g_free(spare->first);
		spare->first = next;
	}
}

#endif
