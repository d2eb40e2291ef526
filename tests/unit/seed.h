/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests do at random is the same each time, unless the number STRATOCAP_SEED is given. */
#ifndef SS_TESTS_SEED_H
#define SS_TESTS_SEED_H

#include <glib.h>

/* g_rand_free(). */
static inline GRand *seeded_rand(guint32 seed)
{
	const char *other = g_getenv("STRATOCAP_SEED");

	return g_rand_new_with_seed(seed +
				    (other ? (guint32)g_ascii_strtoull(other, NULL, 10) : 0));
}

#endif
