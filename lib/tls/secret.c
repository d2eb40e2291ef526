/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HKDF (RFC 5869) and HMAC (RFC 2104) on GLib's checksums, whose insides we overwrite: those of a
 * GHmac can't be. Only whole hash lengths are ever expanded here, hence one round of HKDF.
 */
#include "tls/secret.h"

#include <string.h>

#include <glib.h>

#define BLOCK_MAX 128 /* bytes that a hash takes at once */
#define INFO_MAX  128 /* of an HkdfLabel: 2 + 1 + 6 + 32 + 1 + 48, the counter, and room */

static const struct {
	GChecksumType type;
	uint8_t length;
	uint8_t block;
} hashes[] = {
	[SS_TLS_SHA256] = {G_CHECKSUM_SHA256, 32, 64},
	[SS_TLS_SHA384] = {G_CHECKSUM_SHA384, 48, BLOCK_MAX},
};

/* RFC 8446 B.4. */
static const struct {
	uint16_t cipher;
	enum ss_tls_hash hash;
} ciphers[] = {
	{0x1301, SS_TLS_SHA256}, /* TLS_AES_128_GCM_SHA256 */
	{0x1302, SS_TLS_SHA384}, /* TLS_AES_256_GCM_SHA384 */
	{0x1303, SS_TLS_SHA256}, /* TLS_CHACHA20_POLY1305_SHA256 */
	{0x1304, SS_TLS_SHA256}, /* TLS_AES_128_CCM_SHA256 */
	{0x1305, SS_TLS_SHA256}, /* TLS_AES_128_CCM_8_SHA256 */
};

uint8_t ss_tls_hash_length(enum ss_tls_hash hash)
{
	return hashes[hash].length;
}

enum ss_tls_hash ss_tls_hash_of_cipher(uint16_t cipher)
{
	for (size_t i = 0; i < G_N_ELEMENTS(ciphers); i++) {
		if (ciphers[i].cipher == cipher)
			return ciphers[i].hash;
	}
	return SS_TLS_HASHES;
}

void ss_tls_hash_digest(enum ss_tls_hash hash, const void *data, size_t length, uint8_t *ret_digest)
{
	g_autoptr(GChecksum) checksum = g_checksum_new(hashes[hash].type);
	gsize size = hashes[hash].length;

	g_checksum_update(checksum, data, (gssize)length);
	g_checksum_get_digest(checksum, ret_digest, &size);
}

void ss_tls_secret_set(struct ss_tls_secret *secret, const void *bytes, size_t length)
{
	secret->length = (uint8_t)MIN(length, sizeof(secret->bytes));
	memcpy(secret->bytes, bytes, secret->length);
}

bool ss_tls_secret_equal(const struct ss_tls_secret *a, const struct ss_tls_secret *b)
{
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

void ss_tls_secret_wipe(struct ss_tls_secret *secret)
{
	explicit_bzero(secret, sizeof(*secret));
}

/* Other bytes take the place of the last block and the digest. */
static void checksum_free(GChecksum *checksum)
{
	static const uint8_t zeros[BLOCK_MAX + BLOCK_MAX - 1];
	uint8_t digest[SS_TLS_HASH_MAX];
	gsize size = sizeof(digest);

	g_checksum_reset(checksum);
	g_checksum_update(checksum, zeros, sizeof(zeros));
	g_checksum_get_digest(checksum, digest, &size);
	g_checksum_free(checksum);
}

/* Hash((key ^ pad) || data); a key is shorter than a block. */
static void pass(enum ss_tls_hash hash, const struct ss_tls_secret *key, uint8_t pad,
		 const void *data, size_t length, uint8_t *ret_digest)
{
	GChecksum *checksum = g_checksum_new(hashes[hash].type);
	gsize size = hashes[hash].length;
	uint8_t block[BLOCK_MAX] = {0};

	memcpy(block, key->bytes, key->length);
	for (size_t i = 0; i < hashes[hash].block; i++)
		block[i] ^= pad;
	g_checksum_update(checksum, block, hashes[hash].block);
	g_checksum_update(checksum, data, (gssize)length);
	g_checksum_get_digest(checksum, ret_digest, &size);
	checksum_free(checksum);
	explicit_bzero(block, sizeof(block));
}

static void authenticate(enum ss_tls_hash hash, const struct ss_tls_secret *key, const void *data,
			 size_t length, struct ss_tls_secret *ret_secret)
{
	uint8_t inner[SS_TLS_HASH_MAX], outer[SS_TLS_HASH_MAX];

	pass(hash, key, 0x36, data, length, inner);
	pass(hash, key, 0x5c, inner, hashes[hash].length, outer);
	ss_tls_secret_set(ret_secret, outer, hashes[hash].length);
	explicit_bzero(inner, sizeof(inner));
	explicit_bzero(outer, sizeof(outer));
}

void ss_tls_hkdf_extract(enum ss_tls_hash hash, const struct ss_tls_secret *salt,
			 const struct ss_tls_secret *key, struct ss_tls_secret *ret_secret)
{
	authenticate(hash, salt, key->bytes, key->length, ret_secret);
}

void ss_tls_hkdf_expand(enum ss_tls_hash hash, const struct ss_tls_secret *key, const char *label,
			const uint8_t *context, uint8_t context_length,
			struct ss_tls_secret *ret_secret)
{
	static const char prefix[] = "tls13 ";
	size_t label_length = strlen(label), length = 0;
	uint8_t info[INFO_MAX];

	g_assert(4 + strlen(prefix) + label_length + context_length + 1 <= sizeof(info));
	info[length++] = 0;
	info[length++] = hashes[hash].length;
	info[length++] = (uint8_t)(strlen(prefix) + label_length);
	memcpy(info + length, prefix, strlen(prefix));
	length += strlen(prefix);
	memcpy(info + length, label, label_length);
	length += label_length;
	info[length++] = context_length;
	if (context_length)
		memcpy(info + length, context, context_length);
	length += context_length;
	info[length++] = 1; /* the round */
	authenticate(hash, key, info, length, ret_secret);
}

void ss_tls_master_secret(enum ss_tls_hash hash, const struct ss_tls_secret *handshake,
			  struct ss_tls_secret *ret_master)
{
	const struct ss_tls_secret zeros = {.length = hashes[hash].length};
	struct ss_tls_secret derived;
	uint8_t empty[SS_TLS_HASH_MAX];

	ss_tls_hash_digest(hash, "", 0, empty);
	ss_tls_hkdf_expand(hash, handshake, "derived", empty, hashes[hash].length, &derived);
	ss_tls_hkdf_extract(hash, &derived, &zeros, ret_master);
	ss_tls_secret_wipe(&derived);
}
