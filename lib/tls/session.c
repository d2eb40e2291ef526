/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chain of TLS 1.3: any secret of the first stage gives, with its key (the handshake secret)
 * and the transcript hash, the other one, and the master secret; any secret of the second stage
 * gives, with its key (the master secret) and its hash, the other ones. So two derivations of a
 * handshake are enough, and half of the probes' records may be lost. What is computed is checked
 * against what was seen.
 */
#include "tls/session.h"

#include <string.h>

void ss_tls_session_add_id(struct ss_tls_session *session, enum ss_tls_id_kind kind,
			   const void *bytes, size_t length)
{
	g_assert(session->ids_count < SS_TLS_SESSION_IDS);
	ss_tls_id_set(&session->ids[session->ids_count++], kind, bytes, length);
}

static void set(struct ss_tls_session *session, enum ss_tls_label label,
		const struct ss_tls_secret *secret)
{
	if (!session->secrets[label].length)
		session->secrets[label] = *secret;
}

/* The secrets that the key and the hash of the clue give, if they give the clue's. */
static bool derive(struct ss_tls_session *session, const struct ss_tls_clue *clue,
		   enum ss_tls_label from, enum ss_tls_label to)
{
	struct ss_tls_secret secrets[SS_TLS_LABELS] = {0};
	bool fits;

	for (unsigned label = from; label <= to; label++)
		ss_tls_hkdf_expand(session->hash, &clue->key, ss_tls_label_schedule(label),
				   clue->context, clue->context_length, &secrets[label]);
	fits = ss_tls_secret_equal(&secrets[clue->label], &clue->secret);
	for (unsigned label = from; fits && label <= to; label++)
		set(session, label, &secrets[label]);
	explicit_bzero(secrets, sizeof(secrets));
	return fits;
}

static bool learn_handshake(struct ss_tls_session *session, const struct ss_tls_clue *clue)
{
	if (session->hash == SS_TLS_HASHES ||
	    clue->secret.length != ss_tls_hash_length(session->hash))
		return false;
	if (!clue->key.length) {
		set(session, clue->label, &clue->secret);
		if (clue->identity.length && !session->has_identity)
			ss_tls_session_add_id(session, SS_TLS_ID_IDENTITY, clue->identity.bytes,
					      clue->identity.length);
		session->has_identity |= clue->identity.length > 0;
		return true;
	}
	if (!derive(session, clue, SS_TLS_CLIENT_HANDSHAKE, SS_TLS_SERVER_HANDSHAKE))
		return false;
	if (!session->master.length && !ss_tls_session_complete(session)) {
		session->handshake = clue->key;
		ss_tls_master_secret(session->hash, &session->handshake, &session->master);
		ss_tls_session_add_id(session, SS_TLS_ID_MASTER, session->master.bytes,
				      session->master.length);
	}
	return true;
}

static bool learn_traffic(struct ss_tls_session *session, const struct ss_tls_clue *clue)
{
	if (session->hash == SS_TLS_HASHES ||
	    clue->secret.length != ss_tls_hash_length(session->hash))
		return false;
	if (clue->key.length)
		return derive(session, clue, SS_TLS_CLIENT_TRAFFIC, SS_TLS_EXPORTER);
	set(session, clue->label, &clue->secret);
	return true;
}

static bool learn(struct ss_tls_session *session, const struct ss_tls_clue *clue)
{
	switch (clue->id.kind) {
	case SS_TLS_ID_TRANSCRIPT:
		return learn_handshake(session, clue);
	case SS_TLS_ID_MASTER:
	case SS_TLS_ID_IDENTITY:
		return learn_traffic(session, clue);
	default:
		if (clue->has_server_random && session->version &&
		    memcmp(clue->server_random, session->server_random, SS_TLS_RANDOM_SIZE) != 0)
			return false;
		if (clue->label != SS_TLS_CLIENT_RANDOM && session->hash != SS_TLS_HASHES &&
		    clue->secret.length != ss_tls_hash_length(session->hash))
			return false;
		set(session, clue->label, &clue->secret);
		return true;
	}
}

bool ss_tls_session_learn(struct ss_tls_session *session, const struct ss_tls_clue *clue)
{
	if (!learn(session, clue))
		return false;
	if (!session->pid) {
		session->pid = clue->pid;
		session->library = clue->library;
	}
	return true;
}

bool ss_tls_session_complete(const struct ss_tls_session *session)
{
	if (!session->version)
		return false;
	if (session->version < 0x0304)
		return session->secrets[SS_TLS_CLIENT_RANDOM].length > 0;
	return session->secrets[SS_TLS_CLIENT_HANDSHAKE].length &&
	       session->secrets[SS_TLS_SERVER_HANDSHAKE].length &&
	       session->secrets[SS_TLS_CLIENT_TRAFFIC].length &&
	       session->secrets[SS_TLS_SERVER_TRAFFIC].length;
}

void ss_tls_session_wipe(struct ss_tls_session *session)
{
	ss_tls_secret_wipe(&session->handshake);
	ss_tls_secret_wipe(&session->master);
	explicit_bzero(session->secrets, sizeof(session->secrets));
	explicit_bzero(session->ids, sizeof(session->ids));
}
