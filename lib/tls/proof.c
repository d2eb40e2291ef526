/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets: that the client's random is one of a captured ClientHello is no chance; who logs what is
 * no secret under a name that is none, some times in a row, is another function.
 *
 * Plaintext: a call that moves n bytes of it sends or receives them inside of records, so its
 * socket moves more, by a header and a tag at least, and (reads may fetch further records, writes a
 * handshake) by some records at most. Functions below TLS move the same number of bytes, and what
 * they move begins like a record.
 */
#include "tls/proof.h"

#include <string.h>

#include <glib.h>

#include "tls/keylog.h"

#define OVERHEAD_MIN        21u           /* of a record: 5 bytes of header, 16 of tag */
#define MORE_MAX            (64u * 1024u) /* bytes of a handshake, or of records read ahead */
#define WAITING_MAX         (1u << 20)    /* bytes of plaintext without proof, in so many records */
#define WAITING_RECORDS_MAX 4096u
#define WRONG_MAX           8u /* in a row; for plaintext, before it fits once */

struct proof {
	enum ss_tls_proof_state states[SS_TLS_PROOF_PARTS];
	unsigned wrong[SS_TLS_PROOF_PARTS];
};

struct ss_tls_proofs {
	GHashTable *proofs; /* struct proof *, by number of the file */
	struct ss_tls_proofs_callbacks callbacks;
	GQueue waiting; /* struct ss_tls_data * */
	size_t waiting_bytes;
};

struct ss_tls_proofs *ss_tls_proofs_new(const struct ss_tls_proofs_callbacks *callbacks)
{
	struct ss_tls_proofs *proofs = g_new0(struct ss_tls_proofs, 1);

	proofs->proofs = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	proofs->callbacks = *callbacks;
	g_queue_init(&proofs->waiting);
	return proofs;
}

static void free_data(struct ss_tls_proofs *proofs, GList *link)
{
	struct ss_tls_data *data = link->data;

	proofs->waiting_bytes -= data->length;
	explicit_bzero(data, sizeof(*data) + data->length);
	g_free(data);
	g_queue_delete_link(&proofs->waiting, link);
}

void ss_tls_proofs_free(struct ss_tls_proofs *proofs)
{
	if (!proofs)
		return;
	while (proofs->waiting.head)
		free_data(proofs, proofs->waiting.head);
	g_hash_table_unref(proofs->proofs);
	g_free(proofs);
}

static void keep(struct ss_tls_proofs *proofs, const struct ss_tls_data *data)
{
	if (proofs->waiting_bytes + data->length > WAITING_MAX ||
	    proofs->waiting.length >= WAITING_RECORDS_MAX)
		return;
	g_queue_push_tail(&proofs->waiting, g_memdup2(data, sizeof(*data) + data->length));
	proofs->waiting_bytes += data->length;
}

/* What waited for the file's proof goes on, or (refuted) nowhere. */
static void release(struct ss_tls_proofs *proofs, uint32_t library, bool given)
{
	GList *next;

	for (GList *at = proofs->waiting.head; at; at = next) {
		const struct ss_tls_data *data = at->data;

		next = at->next;
		if (data->head.library != library)
			continue;
		if (given)
			proofs->callbacks.data(data, proofs->callbacks.user_data);
		free_data(proofs, at);
	}
}

static struct proof *get(struct ss_tls_proofs *proofs, uint32_t library)
{
	struct proof *proof = g_hash_table_lookup(proofs->proofs, GUINT_TO_POINTER(library));

	if (!proof) {
		proof = g_new0(struct proof, 1);
		g_hash_table_insert(proofs->proofs, GUINT_TO_POINTER(library), proof);
	}
	return proof;
}

static void set_state(struct ss_tls_proofs *proofs, uint32_t library, enum ss_tls_proof_part part,
		      enum ss_tls_proof_state state)
{
	struct proof *proof = get(proofs, library);

	if (proof->states[part] != SS_TLS_PROOF_OPEN)
		return;
	proof->states[part] = state;
	proofs->callbacks.changed(library, part, state, proofs->callbacks.user_data);
	if (part == SS_TLS_PROOF_PLAINTEXT)
		release(proofs, library, state == SS_TLS_PROOF_GIVEN);
}

static void count_wrong(struct ss_tls_proofs *proofs, uint32_t library, enum ss_tls_proof_part part)
{
	if (++get(proofs, library)->wrong[part] >= WRONG_MAX)
		set_state(proofs, library, part, SS_TLS_PROOF_REFUTED);
}

void ss_tls_proofs_labelled(struct ss_tls_proofs *proofs, const struct ss_tls_labelled *labelled)
{
	size_t length = MIN(labelled->label_length, sizeof(labelled->label));
	bool secret = labelled->secret_length == 32 || labelled->secret_length == 48;

	if (secret && ss_tls_label_parse(labelled->label, length) != SS_TLS_LABELS)
		get(proofs, labelled->head.library)->wrong[SS_TLS_PROOF_KEYS] = 0;
	else
		count_wrong(proofs, labelled->head.library, SS_TLS_PROOF_KEYS);
}

void ss_tls_proofs_fits(struct ss_tls_proofs *proofs, uint32_t library)
{
	set_state(proofs, library, SS_TLS_PROOF_KEYS, SS_TLS_PROOF_GIVEN);
}

/* The header of a TLS record: what is below, not above. */
static bool is_record(const struct ss_tls_data *data)
{
	return data->length >= 3 && data->data[0] >= 0x14 && data->data[0] <= 0x17 &&
	       data->data[1] == 3 && data->data[2] <= 4;
}

static bool fits(const struct ss_tls_data *data)
{
	return !is_record(data) && data->moved >= data->length + OVERHEAD_MIN &&
	       data->moved <= data->length + MORE_MAX;
}

/* A read whose record came in pieces moves less in its last call: that tells nothing. */
static void judge(struct ss_tls_proofs *proofs, const struct ss_tls_data *data)
{
	uint32_t library = data->head.library;

	if (!data->moved || !data->length)
		return;
	if (fits(data))
		set_state(proofs, library, SS_TLS_PROOF_PLAINTEXT, SS_TLS_PROOF_GIVEN);
	else if (is_record(data) || data->moved == data->length)
		count_wrong(proofs, library, SS_TLS_PROOF_PLAINTEXT);
}

bool ss_tls_proofs_data(struct ss_tls_proofs *proofs, const struct ss_tls_data *data)
{
	struct proof *proof;

	if (!data->pattern)
		return true;
	proof = get(proofs, data->head.library);
	if (proof->states[SS_TLS_PROOF_PLAINTEXT] == SS_TLS_PROOF_OPEN)
		judge(proofs, data);
	if (proof->states[SS_TLS_PROOF_PLAINTEXT] == SS_TLS_PROOF_OPEN)
		keep(proofs, data);
	return proof->states[SS_TLS_PROOF_PLAINTEXT] == SS_TLS_PROOF_GIVEN;
}
