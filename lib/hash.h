/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tables whose keys come from the network: plain structs of whole 32-bit words, padding 0. */
#ifndef SS_HASH_H
#define SS_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

static inline guint ss_hash_words(gconstpointer key, size_t size)
{
	const uint8_t *bytes = key;
	uint64_t hash = 0;

	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		memcpy(&word, bytes + i, MIN(sizeof(word), size - i));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return (guint)(hash >> 16);
}

#endif
