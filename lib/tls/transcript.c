/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps no message, only the states of the hashes. */
#include "tls/transcript.h"

#define MESSAGE_HASH 254 /* handshake type of the synthetic message */

static const GChecksumType types[] = {
	[SS_TLS_SHA256] = G_CHECKSUM_SHA256,
	[SS_TLS_SHA384] = G_CHECKSUM_SHA384,
};

void ss_tls_transcript_add(struct ss_tls_transcript *transcript, struct ss_cursor message)
{
	for (unsigned i = 0; i < SS_TLS_HASHES; i++) {
		if (!transcript->checksums[i])
			transcript->checksums[i] = g_checksum_new(types[i]);
		g_checksum_update(transcript->checksums[i], message.data, (gssize)message.length);
	}
}

void ss_tls_transcript_retry(struct ss_tls_transcript *transcript)
{
	for (unsigned i = 0; i < SS_TLS_HASHES; i++) {
		uint8_t message[4 + SS_TLS_HASH_MAX] = {MESSAGE_HASH, 0, 0, ss_tls_hash_length(i)};

		ss_tls_transcript_digest(transcript, i, message + 4);
		g_checksum_reset(transcript->checksums[i]);
		g_checksum_update(transcript->checksums[i], message, 4 + message[3]);
	}
}

void ss_tls_transcript_digest(const struct ss_tls_transcript *transcript, enum ss_tls_hash hash,
			      uint8_t *ret_digest)
{
	/* Reading a GChecksum ends it. */
	g_autoptr(GChecksum) checksum = g_checksum_copy(transcript->checksums[hash]);
	gsize size = SS_TLS_HASH_MAX;

	g_checksum_get_digest(checksum, ret_digest, &size);
}

void ss_tls_transcript_deinit(struct ss_tls_transcript *transcript)
{
	for (unsigned i = 0; i < SS_TLS_HASHES; i++)
		g_clear_pointer(&transcript->checksums[i], g_checksum_free);
}
