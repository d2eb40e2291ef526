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

#define OVERHEAD_MIN 21u           /* of a record: 5 bytes of header, 16 of tag */
#define MORE_MAX     (64u * 1024u) /* bytes of a handshake, or of records read ahead */
#define WRONG_MAX    8u            /* in a row; for plaintext, before it fits once */

struct proof {
	enum ss_tls_proof_state states[SS_TLS_PROOF_PARTS];
	unsigned wrong[SS_TLS_PROOF_PARTS];
};

struct ss_tls_proofs {
	GHashTable *proofs; /* struct proof *, by number of the file */
	void (*changed)(uint32_t library, enum ss_tls_proof_part part,
			enum ss_tls_proof_state state, void *user_data);
	void *user_data;
};

struct ss_tls_proofs *
ss_tls_proofs_new(void (*changed)(uint32_t library, enum ss_tls_proof_part part,
				  enum ss_tls_proof_state state, void *user_data),
		  void *user_data)
{
	struct ss_tls_proofs *proofs = g_new0(struct ss_tls_proofs, 1);

	proofs->proofs = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	proofs->changed = changed;
	proofs->user_data = user_data;
	return proofs;
}

void ss_tls_proofs_free(struct ss_tls_proofs *proofs)
{
	if (!proofs)
		return;
	g_hash_table_unref(proofs->proofs);
	g_free(proofs);
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
	proofs->changed(library, part, state, proofs->user_data);
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
bool ss_tls_proofs_data(struct ss_tls_proofs *proofs, const struct ss_tls_data *data)
{
	struct proof *proof = get(proofs, data->head.library);

	if (!data->pattern)
		return true;
	if (proof->states[SS_TLS_PROOF_PLAINTEXT] == SS_TLS_PROOF_OPEN && data->moved &&
	    data->length) {
		if (fits(data))
			set_state(proofs, data->head.library, SS_TLS_PROOF_PLAINTEXT,
				  SS_TLS_PROOF_GIVEN);
		else if (is_record(data) || data->moved == data->length)
			count_wrong(proofs, data->head.library, SS_TLS_PROOF_PLAINTEXT);
	}
	return proof->states[SS_TLS_PROOF_PLAINTEXT] == SS_TLS_PROOF_GIVEN;
}

enum ss_tls_proof_state ss_tls_proofs_state(const struct ss_tls_proofs *proofs, uint32_t library,
					    enum ss_tls_proof_part part)
{
	const struct proof *proof = g_hash_table_lookup(proofs->proofs, GUINT_TO_POINTER(library));

	return proof ? proof->states[part] : SS_TLS_PROOF_OPEN;
}
