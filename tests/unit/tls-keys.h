/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of tls/keys: a capture to which frames and records come in any order, and what it told;
 * handshakes that are made for it.
 */
#ifndef SS_TESTS_TLS_KEYS_H
#define SS_TESTS_TLS_KEYS_H

#include "tls-frames.h"
#include "tls/keys.h"
#include "tls/secret.h"
#include "tls/transcript.h"

#define MS 1000000ull

/* A capture: what was called back. */
struct fixture {
	struct ss_tls_keys *keys;
	GPtrArray *lines;
	struct ss_tls_flow flow; /* of the last report */
	unsigned reports, states[4];
	uint32_t dark_interfaces; /* bits: not expected there */
	uint64_t now_ns;
	GByteArray *blocks; /* not admitted yet */
	uint64_t again_ns;
};

static inline void on_line(const char *line, void *user_data)
{
	struct fixture *fixture = user_data;

	g_assert_false(g_ptr_array_find_with_equal_func(fixture->lines, line, g_str_equal, NULL));
	g_ptr_array_add(fixture->lines, g_strdup(line));
}

static inline void on_flow(const struct ss_tls_flow *flow, void *user_data)
{
	struct fixture *fixture = user_data;

	fixture->flow = *flow;
	fixture->reports++;
	fixture->states[flow->state]++;
}

static inline bool on_expects(uint32_t interface_id, void *user_data)
{
	struct fixture *fixture = user_data;

	return !(fixture->dark_interfaces & 1u << interface_id);
}

static inline struct fixture *begin(void)
{
	struct fixture *fixture = g_new0(struct fixture, 1);
	const struct ss_tls_keys_callbacks callbacks = {on_line, on_flow, on_expects, NULL,
							fixture};

	*fixture = (struct fixture){
		.keys = ss_tls_keys_new(0, &callbacks),
		.lines = g_ptr_array_new_with_free_func(g_free),
		.blocks = g_byte_array_new(),
		.now_ns = 1000 * MS,
	};
	for (uint32_t i = 0; i < 4; i++)
		ss_tls_keys_interface(fixture->keys, i, SS_LINKTYPE_ETHERNET);
	return fixture;
}

/* What is said at the end is there. */
static inline void finish(struct fixture *fixture)
{
	g_clear_pointer(&fixture->keys, ss_tls_keys_free);
}

#define autofixture __attribute__((cleanup(fixture_free))) struct fixture *
static inline void fixture_free(struct fixture **fixture)
{
	finish(*fixture);
	g_ptr_array_unref((*fixture)->lines);
	g_byte_array_unref((*fixture)->blocks);
	g_free(*fixture);
}

/* Offers what there is. Returns how many bytes remain held. */
static inline size_t admit(struct fixture *fixture)
{
	/* Exactly the bytes, so that a read beyond them is seen. */
	g_autofree uint8_t *exact = g_memdup2(fixture->blocks->data, fixture->blocks->len);
	size_t admitted;

	fixture->again_ns = 0;
	admitted = ss_tls_keys_admit(fixture->keys, exact, fixture->blocks->len, fixture->now_ns,
				     &fixture->again_ns);

	g_assert_cmpuint(admitted, <=, fixture->blocks->len);
	if (admitted)
		g_byte_array_remove_range(fixture->blocks, 0, (guint)admitted);
	g_assert_true((fixture->blocks->len == 0) == (fixture->again_ns == 0));
	return fixture->blocks->len;
}

static inline void pass(struct fixture *fixture, uint64_t time_ns)
{
	fixture->now_ns += time_ns;
}

/* Made handshakes. */

struct peer {
	uint8_t client_random[32], server_random[32];
	bool tls12, early, ipv6;
	unsigned padding;
	GByteArray *client_hello, *server_hello;
	uint32_t client, server;
	uint16_t port;
	uint32_t client_sequence, server_sequence; /* of the next byte */
	uint32_t interface_id;
	struct ss_tls_secret handshake, master;
	uint8_t transcript[SS_TLS_HASH_MAX], finished[SS_TLS_HASH_MAX];
	uint32_t tid;
};

static inline void make_peer(struct peer *peer, unsigned number)
{
	struct ss_tls_transcript transcript = {0};

	peer->client_random[0] = (uint8_t)number;
	peer->client_random[1] = (uint8_t)(number >> 8);
	peer->client_random[2] = 0xc1;
	memcpy(peer->server_random, peer->client_random, 32);
	peer->server_random[2] = 0x5e;
	peer->client = 0x0a010000 + number;
	peer->server = 0x0a020001;
	peer->port = (uint16_t)(40000 + number);
	peer->client_sequence = 0xfffffff0 + number;
	peer->server_sequence = 7000 * number;
	peer->client_hello =
		client_hello(peer->client_random, !peer->tls12, peer->early, peer->padding);
	peer->server_hello =
		server_hello(peer->server_random, !peer->tls12, peer->tls12 ? 0xc02f : 0x1301);
	ss_tls_transcript_add(&transcript, all_of(peer->client_hello));
	ss_tls_transcript_add(&transcript, all_of(peer->server_hello));
	ss_tls_transcript_digest(&transcript, SS_TLS_SHA256, peer->transcript);
	ss_tls_transcript_deinit(&transcript);
	ss_tls_hash_digest(SS_TLS_SHA256, peer->transcript, 32, peer->finished);
	peer->handshake.length = 32;
	memcpy(peer->handshake.bytes, peer->client_random, 32);
	ss_tls_master_secret(SS_TLS_SHA256, &peer->handshake, &peer->master);
}

/* One by itself, with some members set. */
#define PEER(number, ...) made_peer((number), (struct peer){__VA_ARGS__})
static inline struct peer made_peer(unsigned number, struct peer peer)
{
	make_peer(&peer, number);
	return peer;
}

#define autopeer __attribute__((cleanup(free_peer))) struct peer
static inline void free_peer(struct peer *peer)
{
	g_byte_array_unref(peer->client_hello);
	g_byte_array_unref(peer->server_hello);
}

static inline void send_segment(struct fixture *fixture, struct peer *peer, bool from_client,
				uint8_t flags, struct ss_cursor payload)
{
	uint32_t *sequence = from_client ? &peer->client_sequence : &peer->server_sequence;
	struct segment segment = {
		.interface_id = peer->interface_id,
		.ipv6 = peer->ipv6,
		.source = from_client ? peer->client : peer->server,
		.destination = from_client ? peer->server : peer->client,
		.source_port = from_client ? peer->port : 443,
		.destination_port = from_client ? 443 : peer->port,
		.sequence = *sequence,
		.acknowledgement = from_client ? peer->server_sequence : peer->client_sequence,
		.flags = flags,
		.payload = payload,
	};

	put_segment(fixture->blocks, &segment);
	*sequence += (uint32_t)payload.length + ((flags & (SS_TCP_SYN | SS_TCP_FIN)) != 0);
}

static inline void send_record(struct fixture *fixture, struct peer *peer, bool from_client,
			       unsigned type, struct ss_cursor data)
{
	g_autoptr(GByteArray) record = g_byte_array_new();

	put_tls_record(record, type, data);
	send_segment(fixture, peer, from_client, SS_TCP_ACK, all_of(record));
}

static inline void send_syn(struct fixture *fixture, struct peer *peer)
{
	send_segment(fixture, peer, true, SS_TCP_SYN, ss_cursor(NULL, 0));
	send_segment(fixture, peer, false, SS_TCP_SYN | SS_TCP_ACK, ss_cursor(NULL, 0));
	send_segment(fixture, peer, true, SS_TCP_ACK, ss_cursor(NULL, 0));
}

static inline void send_data(struct fixture *fixture, struct peer *peer, bool from_client)
{
	send_record(fixture, peer, from_client, 23, ss_cursor("0123456789abcdef0123456789", 26));
}

static inline void send_hellos(struct fixture *fixture, struct peer *peer)
{
	send_syn(fixture, peer);
	send_record(fixture, peer, true, 22, all_of(peer->client_hello));
	send_record(fixture, peer, false, 22, all_of(peer->server_hello));
}

static inline void send_handshake(struct fixture *fixture, struct peer *peer)
{
	send_hellos(fixture, peer);
	if (peer->tls12)
		send_record(fixture, peer, true, 20, ss_cursor("\1", 1));
	send_data(fixture, peer, false);
	send_data(fixture, peer, true);
}

static inline void give_secret(struct fixture *fixture, const struct peer *peer, const char *label,
			       bool with_key)
{
	bool first = strstr(label, "hs") != NULL;
	const struct ss_tls_secret *key = first ? &peer->handshake : &peer->master;
	const uint8_t *context = first ? peer->transcript : peer->finished;
	struct ss_tls_secret out;
	struct ss_tls_kdf kdf;

	ss_tls_hkdf_expand(SS_TLS_SHA256, key, label, context, 32, &out);
	kdf = kdf_record(SS_TLS_KDF_EXPAND, ss_cursor(key->bytes, 32), label,
			 ss_cursor(context, 32), ss_cursor(out.bytes, 32));
	if (!with_key) { /* something that is equal for equal keys */
		ss_tls_hash_digest(SS_TLS_SHA256, key->bytes, 32, kdf.key);
		kdf.key_is_identity = 1;
	}
	if (peer->tid)
		kdf.head.tid = peer->tid;
	ss_tls_keys_record(fixture->keys, &kdf.head);
}

static inline void give_secrets(struct fixture *fixture, const struct peer *peer)
{
	give_secret(fixture, peer, "s hs traffic", true);
	give_secret(fixture, peer, "s ap traffic", true);
}

static inline void give_master(struct fixture *fixture, const struct peer *peer)
{
	g_autoptr(GByteArray) context = g_byte_array_new();
	uint8_t master[48] = {1, 2, 3};
	struct ss_tls_kdf kdf;

	g_byte_array_append(context, (const guint8 *)"key expansion", 13);
	g_byte_array_append(context, peer->server_random, 32);
	g_byte_array_append(context, peer->client_random, 32);
	kdf = kdf_record(SS_TLS_KDF_PRF, ss_cursor(master, 48), "", all_of(context),
			 ss_cursor(master, 40));
	ss_tls_keys_record(fixture->keys, &kdf.head);
}

static inline void give_labelled(struct fixture *fixture, const char *label, const uint8_t *random,
				 uint8_t secret_length)
{
	struct ss_tls_labelled labelled = {
		.head = {.type = SS_TLS_RECORD_LABELLED, .size = sizeof(labelled), .pid = 12},
		.label_length = (uint8_t)strlen(label),
		.random_length = random ? 32 : 0,
		.secret_length = secret_length,
	};

	memcpy(labelled.label, label, strlen(label));
	if (random)
		memcpy(labelled.random, random, 32);
	memset(labelled.secret, label[0] + label[7], secret_length);
	ss_tls_keys_record(fixture->keys, &labelled.head);
}

#endif
