/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records and frames meet in every order. Recorded handshakes of OpenSSL (tests/pcaps/tls) are
 * compared with the key log that it wrote itself; made ones show what hold, loss and hostility do.
 */
#include "tls/keys.h"

#include <pcap/pcap.h>

#include "tls-frames.h"
#include "tls/keylog.h"
#include "tls/secret.h"
#include "tls/table.h"
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

static void on_line(const char *line, void *user_data)
{
	struct fixture *fixture = user_data;

	g_assert_false(g_ptr_array_find_with_equal_func(fixture->lines, line, g_str_equal, NULL));
	g_ptr_array_add(fixture->lines, g_strdup(line));
}

static void on_flow(const struct ss_tls_flow *flow, void *user_data)
{
	struct fixture *fixture = user_data;

	fixture->flow = *flow;
	fixture->reports++;
	fixture->states[flow->state]++;
}

static bool on_expects(uint32_t interface_id, void *user_data)
{
	struct fixture *fixture = user_data;

	return !(fixture->dark_interfaces & 1u << interface_id);
}

static void begin(struct fixture *fixture)
{
	const struct ss_tls_keys_callbacks callbacks = {on_line, on_flow, on_expects, NULL, fixture};

	*fixture = (struct fixture){
		.keys = ss_tls_keys_new(0, &callbacks),
		.lines = g_ptr_array_new_with_free_func(g_free),
		.blocks = g_byte_array_new(),
		.now_ns = 1000 * MS,
	};
	for (uint32_t i = 0; i < 4; i++)
		ss_tls_keys_interface(fixture->keys, i, SS_LINKTYPE_ETHERNET);
}

static void finish(struct fixture *fixture)
{
	ss_tls_keys_free(fixture->keys);
	g_ptr_array_unref(fixture->lines);
	g_byte_array_unref(fixture->blocks);
}

/* Offers what there is. Returns how many bytes remain held. */
static size_t admit(struct fixture *fixture)
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

static void pass(struct fixture *fixture, uint64_t time_ns)
{
	fixture->now_ns += time_ns;
}

/* Recorded handshakes. */

struct recording {
	GPtrArray *frames; /* GByteArray */
	GPtrArray *lines;  /* of the key log */
	GArray *records;   /* struct ss_tls_kdf */
};

static char *path_of(const char *name, const char *suffix)
{
	return g_strdup_printf(TEST_SOURCE_DIR "/pcaps/tls/%s%s", name, suffix);
}

static void load_frames(struct recording *recording, const char *name)
{
	g_autofree char *path = path_of(name, ".pcap");
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, error);
	struct pcap_pkthdr *header;
	const u_char *data;

	g_assert_nonnull(pcap);
	while (pcap_next_ex(pcap, &header, &data) == 1) {
		GByteArray *frame = g_byte_array_new();

		g_byte_array_append(frame, data, header->caplen);
		g_ptr_array_add(recording->frames, frame);
	}
	pcap_close(pcap);
}

static char **load_lines(const char *name, const char *suffix)
{
	g_autofree char *path = path_of(name, suffix);
	g_autofree char *text = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return g_strsplit(g_strchomp(text), "\n", -1);
}

static bool is_recorded(const char *name, const char *suffix)
{
	g_autofree char *path = path_of(name, suffix);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void load_records(struct recording *recording, const char *name, const char *suffix)
{
	g_auto(GStrv) lines = load_lines(name, suffix);

	for (unsigned i = 0; lines[i]; i++) {
		g_auto(GStrv) words = g_strsplit(lines[i], " ", -1);
		g_autoptr(GByteArray) key = NULL;
		g_autoptr(GByteArray) label = NULL;
		g_autoptr(GByteArray) context = NULL;
		g_autoptr(GByteArray) out = NULL;
		g_autofree char *text = NULL;
		struct ss_tls_kdf record;

		g_assert_cmpuint(g_strv_length(words), ==, 6);
		key = from_hex(words[1]);
		label = from_hex(words[3]);
		context = from_hex(words[4]);
		out = from_hex(words[5]);
		text = g_strndup((const char *)label->data, label->len);
		record = kdf_record(g_str_equal(words[0], "prf")       ? SS_TLS_KDF_PRF
				    : g_str_equal(words[0], "extract") ? SS_TLS_KDF_EXTRACT
								       : SS_TLS_KDF_EXPAND,
				    all_of(key), text, all_of(context), all_of(out));
		record.key_is_identity = g_str_equal(words[0], "identity");
		g_array_append_val(recording->records, record);
	}
}

static void free_frame(void *frame)
{
	g_byte_array_unref(frame);
}

/* sides: "c", "s", "cs"; what was not recorded is not there. */
static void load(struct recording *recording, const char *name, const char *sides)
{
	g_auto(GStrv) lines = load_lines(name, ".keys");

	recording->frames = g_ptr_array_new_with_free_func(free_frame);
	recording->lines = g_ptr_array_new_with_free_func(g_free);
	recording->records = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_kdf));
	load_frames(recording, name);
	for (unsigned i = 0; lines[i]; i++) {
		if (lines[i][0] != '#')
			g_ptr_array_add(recording->lines, g_ascii_strdown(lines[i], -1));
	}
	if (strchr(sides, 'c') && is_recorded(name, ".client.kdf"))
		load_records(recording, name, ".client.kdf");
	if (strchr(sides, 's') && is_recorded(name, ".server.kdf"))
		load_records(recording, name, ".server.kdf");
}

static void unload(struct recording *recording)
{
	g_ptr_array_unref(recording->frames);
	g_ptr_array_unref(recording->lines);
	g_array_unref(recording->records);
}

static void assert_recorded_lines(struct fixture *fixture, const struct recording *recording)
{
	for (unsigned i = 0; i < fixture->lines->len; i++) {
		g_autofree char *line = g_ascii_strdown(fixture->lines->pdata[i], -1);

		g_assert_true(g_ptr_array_find_with_equal_func(recording->lines, line, g_str_equal,
							       NULL));
	}
	g_assert_cmpuint(fixture->lines->len, ==, recording->lines->len);
}

static void put_frames(struct fixture *fixture, const struct recording *recording, unsigned from,
		       unsigned to)
{
	for (unsigned i = from; i < to; i++)
		put_block(fixture->blocks, 0, 1000 + i, all_of(recording->frames->pdata[i]), 0);
}

static void give_records(struct fixture *fixture, const struct recording *recording, unsigned from,
			 unsigned to)
{
	for (unsigned i = from; i < to; i++)
		ss_tls_keys_record(fixture->keys,
				   &g_array_index(recording->records, struct ss_tls_kdf, i).head);
}

/* All records after this many frames. */
static void check_recording(const char *name, const char *sides, unsigned after)
{
	struct recording recording;
	struct fixture fixture;

	load(&recording, name, sides);
	if (!recording.records->len) {
		unload(&recording);
		return;
	}
	begin(&fixture);
	after = MIN(after, recording.frames->len);
	put_frames(&fixture, &recording, 0, after);
	admit(&fixture);
	give_records(&fixture, &recording, 0, recording.records->len);
	put_frames(&fixture, &recording, after, recording.frames->len);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	assert_recorded_lines(&fixture, &recording);
	g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 1);
	g_assert_cmpuint(fixture.flow.pid, ==, 4711);
	g_assert_cmpuint(fixture.flow.library, ==, 7);
	g_assert_cmpuint(fixture.flow.server.port, ==, 14430);
	g_assert_cmpstr(fixture.flow.server_name, ==, "api.production.svc");
	g_assert_cmpstr(fixture.flow.alpn, ==, "http/1.1");
	pass(&fixture, 5000 * MS);
	admit(&fixture);
	g_assert_cmpuint(fixture.reports, ==, 3);
	g_assert_cmpuint(fixture.flow.frames, ==, recording.frames->len);
	finish(&fixture);
	unload(&recording);
}

static const char *const recordings[] = {
	"tls13-sha256", "tls13-sha384", "tls13-retry",   "tls13-resumed",
	"tls13-early",  "tls13-ipv6",   "tls12-resumed", "tls12",
};

static const char *const judged[] = {
	"tls13-sha384", "tls13-retry", "tls13-early", "tls12-resumed", "tls12", "gnutls",
};

static void test_recorded(const void *name)
{
	static const char *const sides[] = {"c", "s", "cs"};

	for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
		for (unsigned after = 0; after < 16; after++)
			check_recording(name, sides[i], after);
	}
}

/* Stock tshark's opinion about where the lines are: a file whose secrets come as late as we allow
 * is decrypted like one whose secrets were known from the beginning. */

static void put_secrets(GByteArray *file, const GPtrArray *lines, unsigned from)
{
	g_autoptr(GString) text = g_string_new(NULL);
	uint32_t size;

	for (unsigned i = from; i < lines->len; i++)
		g_string_append_printf(text, "%s\n", (const char *)lines->pdata[i]);
	size = 20 + ((uint32_t)text->len + 3) / 4 * 4;
	put_word(file, 10); /* Decryption Secrets Block */
	put_word(file, size);
	put_word(file, 0x544c534b); /* "TLSK" */
	put_word(file, (uint32_t)text->len);
	while (text->len % 4)
		g_string_append_c(text, '\0');
	g_byte_array_append(file, (const guint8 *)text->str, (guint)text->len);
	put_word(file, size);
}

static void put_file_begin(GByteArray *file)
{
	static const uint32_t words[] = {
		SS_PCAPNG_SHB, 28, SS_PCAPNG_BYTE_ORDER_MAGIC, 1, UINT32_MAX, UINT32_MAX, 28,
		SS_PCAPNG_IDB, 20, SS_LINKTYPE_ETHERNET,       0, 20,
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
		put_word(file, words[i]);
}

static char *decrypted(const char *path, const char *keys)
{
	g_autofree char *option = g_strdup_printf("tls.keylog_file:%s", keys);

	return tool_output((const char *[]){"tshark",
					    "-r",
					    path,
					    "-o",
					    option,
					    "-T",
					    "fields",
					    "-e",
					    "frame.number",
					    "-e",
					    "_ws.col.Info",
					    "-e",
					    "tls.handshake.type",
					    "-e",
					    "tls.record.content_type",
					    "-e",
					    "tls.alert_message.desc",
					    "-e",
					    "data.data",
					    NULL});
}

static void test_judged(const void *data)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "late.pcapng", NULL);
	g_autofree char *pcap = path_of(data, ".pcap");
	g_autofree char *keys = path_of(data, ".keys");
	g_autofree char *expected = NULL, *late = NULL;
	g_autoptr(GByteArray) file = g_byte_array_new();
	struct recording recording;
	struct fixture fixture;
	unsigned given = 0, told = 0;

	load(&recording, data, is_recorded(data, ".server.kdf") ? "s" : "c");
	begin(&fixture);
	put_file_begin(file);
	for (unsigned i = 0; i < recording.frames->len; i++) {
		put_frames(&fixture, &recording, i, i + 1);
		while (fixture.blocks->len) {
			g_autofree uint8_t *copy =
				g_memdup2(fixture.blocks->data, fixture.blocks->len);
			guint length = fixture.blocks->len;

			admit(&fixture);
			if (told < fixture.lines->len)
				put_secrets(file, fixture.lines, told);
			told = fixture.lines->len;
			g_byte_array_append(file, copy, length - fixture.blocks->len);
			if (fixture.blocks->len) {
				g_assert_cmpuint(given, <, recording.records->len);
				give_records(&fixture, &recording, given, given + 1);
				given++;
			}
		}
	}
	g_assert_true(g_file_set_contents(path, (const char *)file->data, (gssize)file->len, NULL));
	expected = decrypted(pcap, keys);
	late = decrypted(path, "/dev/null");
	if (expected) {
		g_assert_nonnull(strstr(expected, "Finished")); /* it was encrypted */
		g_assert_cmpstr(late, ==, expected);
	}
	finish(&fixture);
	unload(&recording);
}

/* Of the chain, one secret of each stage is enough, whichever it is. */
static void test_one_of_each(void)
{
	static const char *const first[] = {"c hs traffic", "s hs traffic"};
	static const char *const second[] = {"c ap traffic", "s ap traffic", "exp master"};

	for (unsigned i = 0; i < 12; i++) {
		const char *labels[2] = {first[i % 2], second[i / 2 % 3]};
		bool swap = i / 6;
		struct recording recording;
		struct fixture fixture;

		load(&recording, "tls13-sha384", "s");
		begin(&fixture);
		put_frames(&fixture, &recording, 0, recording.frames->len);
		g_assert_cmpuint(admit(&fixture), >, 0);
		for (unsigned step = 0; step < 2; step++) {
			const char *label = labels[step ^ swap];

			for (unsigned k = 0; k < recording.records->len; k++) {
				struct ss_tls_kdf *kdf =
					&g_array_index(recording.records, struct ss_tls_kdf, k);

				if (strncmp((const char *)kdf->label, label, sizeof(kdf->label)) ==
				    0)
					ss_tls_keys_record(fixture.keys, &kdf->head);
			}
			g_assert_true((admit(&fixture) == 0) == (step == 1));
		}
		assert_recorded_lines(&fixture, &recording);
		finish(&fixture);
		unload(&recording);
	}
}

/* A real handshake in segments of few bytes, shuffled and doubled. */
static void test_shredded(void)
{
	for (uint32_t seed = 0; seed < 40; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		struct recording recording;
		struct fixture fixture;

		load(&recording, recordings[seed % G_N_ELEMENTS(recordings)], "c");
		begin(&fixture);
		for (unsigned i = 0; i < recording.frames->len; i++) {
			struct segment parts[64];
			unsigned count = 0;
			struct ss_tls_packet packet;
			struct ss_cursor frame = all_of(recording.frames->pdata[i]), part = {0};

			g_assert_true(ss_tls_packet_read(frame, (uint32_t)frame.length,
							 SS_LINKTYPE_ETHERNET, &packet));
			do {
				size_t length = (size_t)g_rand_int_range(rand, 1, 200);

				g_assert_cmpuint(count, <, G_N_ELEMENTS(parts));
				ss_cursor_part(&packet.payload, MIN(length, packet.payload.length),
					       &part);
				parts[count++] = (struct segment){
					.source = packet.source.port,
					.destination = packet.destination.port,
					.source_port = packet.source.port,
					.destination_port = packet.destination.port,
					.sequence = packet.sequence - !!(packet.flags & SS_TCP_SYN),
					.acknowledgement = packet.acknowledgement,
					.flags = packet.flags & (uint8_t)~SS_TCP_FIN,
					.payload = part,
				};
				packet.sequence += (uint32_t)part.length;
			} while (packet.payload.length);
			/* Some twice, in any order. */
			for (unsigned k = 0; k < count; k++) {
				unsigned other =
					(unsigned)g_rand_int_range(rand, (gint32)k, (gint32)count);
				struct segment segment = parts[other];

				parts[other] = parts[k];
				put_segment(fixture.blocks, &segment);
				if (g_rand_int_range(rand, 0, 4) == 0)
					put_segment(fixture.blocks, &segment);
			}
		}
		admit(&fixture);
		give_records(&fixture, &recording, 0, recording.records->len);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		assert_recorded_lines(&fixture, &recording);
		g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 1);
		finish(&fixture);
		unload(&recording);
	}
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

static void make_peer(struct peer *peer, unsigned number)
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

static void free_peer(struct peer *peer)
{
	g_byte_array_unref(peer->client_hello);
	g_byte_array_unref(peer->server_hello);
}

static void send_segment(struct fixture *fixture, struct peer *peer, bool from_client,
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

static void send_record(struct fixture *fixture, struct peer *peer, bool from_client, unsigned type,
			struct ss_cursor data)
{
	g_autoptr(GByteArray) record = g_byte_array_new();

	put_tls_record(record, type, data);
	send_segment(fixture, peer, from_client, SS_TCP_ACK, all_of(record));
}

static void send_syn(struct fixture *fixture, struct peer *peer)
{
	send_segment(fixture, peer, true, SS_TCP_SYN, ss_cursor(NULL, 0));
	send_segment(fixture, peer, false, SS_TCP_SYN | SS_TCP_ACK, ss_cursor(NULL, 0));
	send_segment(fixture, peer, true, SS_TCP_ACK, ss_cursor(NULL, 0));
}

static void send_data(struct fixture *fixture, struct peer *peer, bool from_client)
{
	send_record(fixture, peer, from_client, 23, ss_cursor("0123456789abcdef0123456789", 26));
}

static void send_hellos(struct fixture *fixture, struct peer *peer)
{
	send_syn(fixture, peer);
	send_record(fixture, peer, true, 22, all_of(peer->client_hello));
	send_record(fixture, peer, false, 22, all_of(peer->server_hello));
}

static void send_handshake(struct fixture *fixture, struct peer *peer)
{
	send_hellos(fixture, peer);
	if (peer->tls12)
		send_record(fixture, peer, true, 20, ss_cursor("\1", 1));
	send_data(fixture, peer, false);
	send_data(fixture, peer, true);
}

static void give_secret(struct fixture *fixture, const struct peer *peer, const char *label,
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

static void give_secrets(struct fixture *fixture, const struct peer *peer)
{
	give_secret(fixture, peer, "s hs traffic", true);
	give_secret(fixture, peer, "s ap traffic", true);
}

static void give_master(struct fixture *fixture, const struct peer *peer)
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

static void give_labelled(struct fixture *fixture, const char *label, const uint8_t *random,
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

static void test_hold(void)
{
	struct fixture fixture;
	struct peer peer = {0};
	size_t held;

	make_peer(&peer, 1);
	begin(&fixture);
	send_handshake(&fixture, &peer);
	held = admit(&fixture);
	g_assert_cmpuint(held, >, 0);
	g_assert_cmpuint(fixture.again_ns, ==, 1000 * MS);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_HANDSHAKE);
	g_assert_cmpstr(fixture.flow.server_name, ==, "api.test");
	pass(&fixture, 10 * MS);
	give_secret(&fixture, &peer, "s hs traffic", true);
	g_assert_cmpuint(fixture.lines->len, ==, 2);
	g_assert_cmpuint(admit(&fixture), ==, held);
	g_assert_cmpuint(fixture.again_ns, ==, 990 * MS);
	give_secret(&fixture, &peer, "c ap traffic", true);
	g_assert_cmpuint(fixture.lines->len, ==, 5);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_KEYED);
	g_assert_cmphex(fixture.flow.version, ==, 0x0304);
	g_assert_cmphex(fixture.flow.cipher, ==, 0x1301);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	finish(&fixture);
	free_peer(&peer);
}

/* The first held block is the one with the ServerHello. */
static void test_hold_begins_at_server_hello(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	make_peer(&peer, 1);
	begin(&fixture);
	send_syn(&fixture, &peer);
	send_record(&fixture, &peer, true, 22, all_of(peer.client_hello));
	g_assert_cmpuint(admit(&fixture), ==, 0);
	send_record(&fixture, &peer, false, 22, all_of(peer.server_hello));
	g_assert_cmpuint(admit(&fixture), ==, fixture.blocks->len);
	g_assert_cmpuint(fixture.blocks->len, >, 0);
	finish(&fixture);
	free_peer(&peer);
}

static void test_tls12(void)
{
	struct fixture fixture;
	struct peer peer = {.tls12 = true};

	for (unsigned first = 0; first < 2; first++) {
		make_peer(&peer, 1);
		begin(&fixture);
		if (first)
			give_master(&fixture, &peer);
		send_hellos(&fixture, &peer);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		send_record(&fixture, &peer, true, 20, ss_cursor("\1", 1));
		g_assert_true((admit(&fixture) == 0) == first);
		if (!first)
			give_master(&fixture, &peer);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		g_assert_cmpuint(fixture.lines->len, ==, 1);
		g_assert_true(g_str_has_prefix(fixture.lines->pdata[0], "CLIENT_RANDOM 0100c1"));
		g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_KEYED);
		g_assert_cmpstr(fixture.flow.alpn, ==, "http/1.1");
		g_assert_cmphex(fixture.flow.version, ==, 0x0303);
		finish(&fixture);
		free_peer(&peer);
	}
}

static void test_tls12_other_server_random(void)
{
	struct fixture fixture;
	struct peer peer = {.tls12 = true};

	make_peer(&peer, 1);
	begin(&fixture);
	send_handshake(&fixture, &peer);
	admit(&fixture);
	peer.server_random[9]++;
	give_master(&fixture, &peer);
	g_assert_cmpuint(fixture.lines->len, ==, 0);
	finish(&fixture);
	free_peer(&peer);
}

static void test_timeout(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	make_peer(&peer, 1);
	begin(&fixture);
	send_handshake(&fixture, &peer);
	admit(&fixture);
	pass(&fixture, 999 * MS);
	g_assert_cmpuint(admit(&fixture), >, 0);
	g_assert_cmpuint(fixture.again_ns, ==, MS);
	pass(&fixture, MS);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_DARK);
	/* Lines that come too late come all the same; the state remains. */
	give_secrets(&fixture, &peer);
	g_assert_cmpuint(fixture.lines->len, ==, 5);
	g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 0);
	finish(&fixture);
	free_peer(&peer);
}

/* Twice in vain, then no more, until a secret comes. */
static void test_learning(void)
{
	struct fixture fixture;
	struct peer peers[6] = {0};

	begin(&fixture);
	for (unsigned i = 0; i < 3; i++) {
		make_peer(&peers[i], i);
		send_handshake(&fixture, &peers[i]);
		g_assert_true((admit(&fixture) > 0) == (i < 2));
		pass(&fixture, 1001 * MS);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_DARK);
	}
	/* The fourth has its secrets in time, without a hold; the fifth is waited for again. */
	for (unsigned i = 3; i < 5; i++) {
		make_peer(&peers[i], i);
		if (i == 3)
			give_secrets(&fixture, &peers[i]);
		send_handshake(&fixture, &peers[i]);
		g_assert_true((admit(&fixture) > 0) == (i == 4));
	}
	/* Another server is another matter. */
	pass(&fixture, 1001 * MS);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	peers[5].ipv6 = true;
	make_peer(&peers[5], 5);
	send_handshake(&fixture, &peers[5]);
	g_assert_cmpuint(admit(&fixture), >, 0);
	finish(&fixture);
	for (unsigned i = 0; i < 6; i++)
		free_peer(&peers[i]);
}

/* One client has secrets, another one has not: waiting for one goes on, not for the other. */
static void test_learning_by_client(void)
{
	struct fixture fixture;

	begin(&fixture);
	for (unsigned i = 0; i < 20; i++) {
		struct peer with = {0}, without = {0};

		make_peer(&with, 2 * i);
		make_peer(&without, 2 * i + 1);
		with.client = 0x0a010001;
		without.client = 0x0a010002;
		send_handshake(&fixture, &without);
		g_assert_true((admit(&fixture) > 0) == (i < 2));
		pass(&fixture, 1001 * MS);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		send_handshake(&fixture, &with);
		g_assert_cmpuint(admit(&fixture), >, 0);
		give_secrets(&fixture, &with);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		free_peer(&with);
		free_peer(&without);
	}
	finish(&fixture);
}

/* One that connects to ever new servers. */
static void test_learning_about_client(void)
{
	struct fixture fixture;

	begin(&fixture);
	for (unsigned i = 0; i < 10; i++) {
		struct peer peer = {0};

		make_peer(&peer, i);
		peer.client = 0x0a010001;
		peer.server += i;
		send_handshake(&fixture, &peer);
		g_assert_true((admit(&fixture) > 0) == (i < 8));
		pass(&fixture, 1001 * MS);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		free_peer(&peer);
	}
	finish(&fixture);
}

static void test_not_expected(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	make_peer(&peer, 1);
	begin(&fixture);
	fixture.dark_interfaces = 1;
	send_handshake(&fixture, &peer);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_DARK);
	finish(&fixture);
	free_peer(&peer);
}

/* Without keys at the client, with keys at the server: seen first at the client, waited for. */
static void test_two_interfaces(void)
{
	struct fixture fixture;
	struct peer first = {.interface_id = 1}, second = {.interface_id = 2};

	make_peer(&first, 1);
	make_peer(&second, 1);
	begin(&fixture);
	fixture.dark_interfaces = 2;
	send_syn(&fixture, &first);
	send_syn(&fixture, &second);
	send_record(&fixture, &first, true, 22, all_of(first.client_hello));
	send_record(&fixture, &second, true, 22, all_of(second.client_hello));
	send_record(&fixture, &first, false, 22, all_of(first.server_hello));
	send_record(&fixture, &second, false, 22, all_of(second.server_hello));
	g_assert_cmpuint(admit(&fixture), >, 0);
	give_secrets(&fixture, &first);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.lines->len, ==, 5);
	g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 1);
	finish(&fixture);
	free_peer(&first);
	free_peer(&second);
}

/* A service's address at the client, the pod's at the server: two flows, one set of lines. */
static void test_translated(void)
{
	struct fixture fixture;
	struct peer first = {.interface_id = 1}, second = {.interface_id = 2};

	make_peer(&first, 1);
	make_peer(&second, 1);
	second.server = 0x0a020099;
	begin(&fixture);
	send_handshake(&fixture, &first);
	send_handshake(&fixture, &second);
	g_assert_cmpuint(admit(&fixture), >, 0);
	give_secrets(&fixture, &first);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.lines->len, ==, 5);
	g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 2);
	finish(&fixture);
	free_peer(&first);
	free_peer(&second);
}

/* CPUs may store frames of both directions in another order than they were sent. */
static void test_server_first(void)
{
	struct fixture fixture;
	struct peer peer = {.padding = 600};
	g_autoptr(GByteArray) hello = g_byte_array_new();
	struct ss_cursor left, part = {0};

	for (unsigned way = 0; way < 2; way++) {
		make_peer(&peer, 1);
		begin(&fixture);
		send_syn(&fixture, &peer);
		g_byte_array_set_size(hello, 0);
		put_tls_record(hello, 22, all_of(peer.client_hello));
		left = all_of(hello);
		ss_cursor_part(&left, way ? 300 : 0, &part);
		if (way)
			send_segment(&fixture, &peer, true, SS_TCP_ACK, part);
		send_record(&fixture, &peer, false, 22, all_of(peer.server_hello));
		send_segment(&fixture, &peer, true, SS_TCP_ACK, left);
		g_assert_cmpuint(admit(&fixture), >, 0);
		give_secrets(&fixture, &peer);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_KEYED);
		g_assert_cmpuint(fixture.flow.server.port, ==, 443);
		finish(&fixture);
		free_peer(&peer);
	}
}

/* Somebody who is waited for is gone: its ports are used again. */
static void test_hold_of_the_gone(void)
{
	struct fixture fixture;
	struct peer first = {0}, second = {0};

	make_peer(&first, 1);
	make_peer(&second, 2);
	second.client = first.client;
	second.port = first.port;
	begin(&fixture);
	send_hellos(&fixture, &first);
	g_assert_cmpuint(admit(&fixture), >, 0);
	send_syn(&fixture, &second);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_DARK);
	finish(&fixture);
	free_peer(&first);
	free_peer(&second);
}

static void test_same_random(void)
{
	struct fixture fixture;
	struct peer first = {0}, second = {0};

	make_peer(&first, 1);
	make_peer(&second, 2);
	begin(&fixture);
	memcpy(second.client_random, first.client_random, 32);
	g_byte_array_unref(second.client_hello);
	second.client_hello = client_hello(second.client_random, true, false, 0);
	send_handshake(&fixture, &first);
	send_handshake(&fixture, &second);
	g_assert_cmpuint(admit(&fixture), >, 0);
	give_secrets(&fixture, &first);
	g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 1);
	g_assert_cmpuint(admit(&fixture), >, 0); /* not the other's secrets */
	finish(&fixture);
	free_peer(&first);
	free_peer(&second);
}

static void test_reset(void)
{
	for (unsigned way = 0; way < 2; way++) {
		struct fixture fixture;
		struct peer peer = {0};

		make_peer(&peer, 1);
		begin(&fixture);
		send_hellos(&fixture, &peer);
		g_assert_cmpuint(admit(&fixture), >, 0);
		pass(&fixture, 5 * MS);
		send_segment(&fixture, &peer, true, way ? SS_TCP_FIN | SS_TCP_ACK : SS_TCP_RST,
			     ss_cursor(NULL, 0));
		admit(&fixture);
		g_assert_cmpuint(fixture.again_ns, <=, 40 * MS);
		pass(&fixture, 40 * MS);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		finish(&fixture);
		free_peer(&peer);
	}
}

static void test_release(void)
{
	struct fixture fixture;
	struct peer peers[3] = {0};

	begin(&fixture);
	for (unsigned i = 0; i < 3; i++) {
		make_peer(&peers[i], i);
		send_handshake(&fixture, &peers[i]);
	}
	g_assert_cmpuint(admit(&fixture), >, 0);
	ss_tls_keys_release(fixture.keys);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.states[SS_TLS_FLOW_DARK], ==, 3);
	finish(&fixture);
	for (unsigned i = 0; i < 3; i++)
		free_peer(&peers[i]);
}

static void test_early(void)
{
	struct fixture fixture;
	struct peer peer = {.early = true};
	uint8_t hash[SS_TLS_HASH_MAX];
	struct ss_tls_kdf kdf;

	for (unsigned refused = 0; refused < 2; refused++) {
		make_peer(&peer, 1);
		begin(&fixture);
		send_syn(&fixture, &peer);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		send_record(&fixture, &peer, true, 22, all_of(peer.client_hello));
		send_data(&fixture, &peer, true);
		g_assert_cmpuint(admit(&fixture), >, 0);
		if (!refused) {
			ss_tls_hash_digest(SS_TLS_SHA256, peer.client_hello->data,
					   peer.client_hello->len, hash);
			kdf = kdf_record(SS_TLS_KDF_EXPAND, ss_cursor(peer.master.bytes, 32),
					 "c e traffic", ss_cursor(hash, 32),
					 ss_cursor(peer.master.bytes, 32));
			ss_tls_keys_record(fixture.keys, &kdf.head);
			g_assert_cmpuint(admit(&fixture), ==, 0);
		}
		send_record(&fixture, &peer, false, 22, all_of(peer.server_hello));
		g_assert_cmpuint(admit(&fixture), >, 0);
		give_secrets(&fixture, &peer);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		g_assert_cmpuint(fixture.lines->len, ==, 6 - refused);
		finish(&fixture);
		free_peer(&peer);
	}
}

static void test_early_timeout(void)
{
	struct fixture fixture;
	struct peer peer = {.early = true};

	make_peer(&peer, 1);
	begin(&fixture);
	send_syn(&fixture, &peer);
	send_record(&fixture, &peer, true, 22, all_of(peer.client_hello));
	g_assert_cmpuint(admit(&fixture), >, 0);
	pass(&fixture, 1000 * MS);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_HANDSHAKE);
	send_record(&fixture, &peer, false, 22, all_of(peer.server_hello));
	g_assert_cmpuint(admit(&fixture), >, 0);
	give_secrets(&fixture, &peer);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_KEYED);
	finish(&fixture);
	free_peer(&peer);
}

/* The result of a derivation, and a label that is apart from its seed. */
static void test_tls12_other_shapes(void)
{
	for (unsigned way = 0; way < 2; way++) {
		struct fixture fixture;
		struct peer peer = {.tls12 = true};
		g_autoptr(GByteArray) seed = g_byte_array_new();
		uint8_t master[48] = {9};
		struct ss_tls_kdf kdf;

		make_peer(&peer, 1);
		begin(&fixture);
		g_byte_array_append(seed, way ? peer.server_random : peer.client_random, 32);
		g_byte_array_append(seed, way ? peer.client_random : peer.server_random, 32);
		if (way)
			kdf = kdf_record(SS_TLS_KDF_PRF, ss_cursor(master, 48), "key expansion",
					 all_of(seed), ss_cursor(master, 40));
		else
			kdf = kdf_record(SS_TLS_KDF_PRF, ss_cursor(master, 32), "master secret",
					 all_of(seed), ss_cursor(master, 48));
		ss_tls_keys_record(fixture.keys, &kdf.head);
		send_handshake(&fixture, &peer);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		g_assert_cmpuint(fixture.lines->len, ==, 1);
		finish(&fixture);
		free_peer(&peer);
	}
}

static void test_labelled(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	make_peer(&peer, 1);
	begin(&fixture);
	give_labelled(&fixture, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", peer.client_random, 32);
	give_labelled(&fixture, "SERVER_HANDSHAKE_TRAFFIC_SECRET", NULL, 32);
	give_labelled(&fixture, "SERVER_HANDSHAKE_TRAFFIC_SECRET", peer.client_random, 33);
	give_labelled(&fixture, "UNKNOWN", peer.client_random, 32);
	send_handshake(&fixture, &peer);
	g_assert_cmpuint(admit(&fixture), >, 0);
	g_assert_cmpuint(fixture.lines->len, ==, 1);
	give_labelled(&fixture, "SERVER_HANDSHAKE_TRAFFIC_SECRET", peer.client_random, 32);
	give_labelled(&fixture, "CLIENT_TRAFFIC_SECRET_0", peer.client_random, 32);
	give_labelled(&fixture, "SERVER_TRAFFIC_SECRET_0", peer.server_random, 32);
	g_assert_cmpuint(admit(&fixture), >, 0);
	give_labelled(&fixture, "SERVER_TRAFFIC_SECRET_0", peer.client_random, 32);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.lines->len, ==, 4);
	g_assert_cmpuint(fixture.flow.pid, ==, 12);
	finish(&fixture);
	free_peer(&peer);
}

/* GnuTLS: the salt of the second stage, as the handshake secret gives it. */
static void give_salt(struct fixture *fixture, const struct peer *peer)
{
	uint8_t empty[SS_TLS_HASH_MAX];
	struct ss_tls_secret salt;
	struct ss_tls_kdf kdf;

	ss_tls_hash_digest(SS_TLS_SHA256, "", 0, empty);
	ss_tls_hkdf_expand(SS_TLS_SHA256, &peer->handshake, "derived", empty, 32, &salt);
	kdf = kdf_record(SS_TLS_KDF_EXPAND, ss_cursor(empty, 32), "derived", ss_cursor(empty, 32),
			 ss_cursor(salt.bytes, 32));
	ss_tls_hash_digest(SS_TLS_SHA256, peer->handshake.bytes, 32, kdf.key);
	kdf.key_is_identity = 1;
	kdf.head.tid = peer->tid;
	ss_tls_keys_record(fixture->keys, &kdf.head);
}

/* Two threads, one of them with two connections whose stages come in any order. */
static void test_without_keys(void)
{
	for (unsigned way = 0; way < 4; way++) {
		struct fixture fixture;
		struct peer peers[3] = {{.tid = 1}, {.tid = 2}, {.tid = 1}};
		static const unsigned orders[2][3] = {{0, 1, 2}, {2, 0, 1}};

		begin(&fixture);
		for (unsigned i = 0; i < 3; i++) {
			make_peer(&peers[i], i);
			if (way & 1)
				send_handshake(&fixture, &peers[i]);
		}
		admit(&fixture);
		for (unsigned i = 0; i < 3; i++) {
			give_secret(&fixture, &peers[i], "c hs traffic", false);
			give_secret(&fixture, &peers[i], "s hs traffic", false);
		}
		for (unsigned i = 0; i < 3; i++) {
			struct peer *peer = &peers[orders[way / 2][i]];

			give_salt(&fixture, peer);
			if (i == 1) /* others on their threads do not matter */
				give_salt(&fixture, &peers[(orders[way / 2][i] + 1) % 3]);
			if (peer->tid == 2 || i != 1)
				give_secret(&fixture, peer, "exp master", false);
			else
				give_salt(&fixture, peer);
			give_secret(&fixture, peer, "s ap traffic", false);
		}
		for (unsigned i = 0; !(way & 1) && i < 3; i++)
			send_handshake(&fixture, &peers[i]);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		g_assert_cmpuint(fixture.lines->len, ==, 15);
		g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 3);
		finish(&fixture);
		for (unsigned i = 0; i < 3; i++)
			free_peer(&peers[i]);
	}
}

/* A salt of another connection proves nothing. */
static void test_wrong_salt(void)
{
	struct fixture fixture;
	struct peer peers[2] = {{.tid = 1}, {.tid = 1}};

	begin(&fixture);
	for (unsigned i = 0; i < 2; i++) {
		make_peer(&peers[i], i);
		give_secret(&fixture, &peers[i], "c hs traffic", false);
		give_secret(&fixture, &peers[i], "s hs traffic", false);
		send_handshake(&fixture, &peers[i]);
	}
	give_salt(&fixture, &peers[0]);
	give_secret(&fixture, &peers[1], "exp master", false);
	give_secret(&fixture, &peers[1], "s ap traffic", false);
	g_assert_cmpuint(admit(&fixture), >, 0);
	g_assert_cmpuint(fixture.lines->len, ==, 4);
	finish(&fixture);
	for (unsigned i = 0; i < 2; i++)
		free_peer(&peers[i]);
}

/* A hundred handshakes, their segments and records in any order that can happen. */
static void test_parallel(void)
{
	enum { COUNT = 100 };

	for (uint32_t seed = 0; seed < 10; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		struct fixture fixture;
		struct peer peers[COUNT] = {0};
		unsigned steps[COUNT] = {0}, records[COUNT] = {0}, left = COUNT;

		begin(&fixture);
		for (unsigned i = 0; i < COUNT; i++) {
			peers[i].tls12 = i % 3 == 0;
			peers[i].ipv6 = i % 5 == 0;
			make_peer(&peers[i], i);
		}
		while (left) {
			unsigned i = (unsigned)g_rand_int_range(rand, 0, COUNT);
			struct peer *peer = &peers[i];

			if (g_rand_boolean(rand) && records[i] < 2 && steps[i] >= records[i]) {
				if (peer->tls12)
					give_master(&fixture, peer);
				else
					give_secret(&fixture, peer,
						    records[i] ? "s ap traffic" : "c hs traffic",
						    true);
				records[i] += peer->tls12 ? 2 : 1;
			} else if (steps[i] == 0) {
				send_syn(&fixture, peer);
				steps[i]++;
			} else if (steps[i] == 1) {
				send_record(&fixture, peer, true, 22, all_of(peer->client_hello));
				steps[i]++;
			} else if (steps[i] == 2) {
				send_record(&fixture, peer, false, 22, all_of(peer->server_hello));
				steps[i]++;
			} else if (steps[i] == 3 && records[i] == 2) {
				send_record(&fixture, peer, true, 20, ss_cursor("\1", 1));
				send_data(&fixture, peer, true);
				steps[i]++;
				left--;
			}
			if (g_rand_int_range(rand, 0, 8) == 0)
				admit(&fixture);
		}
		g_assert_cmpuint(admit(&fixture), ==, 0);
		g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, COUNT);
		g_assert_cmpuint(fixture.lines->len, ==, 34 + 66 * 5);
		finish(&fixture);
		for (unsigned i = 0; i < COUNT; i++)
			free_peer(&peers[i]);
	}
}

static void test_port_reuse(void)
{
	struct fixture fixture;
	struct peer first = {0}, second = {0};

	make_peer(&first, 1);
	make_peer(&second, 2);
	second.client = first.client;
	second.port = first.port;
	begin(&fixture);
	give_secrets(&fixture, &first);
	send_handshake(&fixture, &first);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	give_secrets(&fixture, &second);
	send_handshake(&fixture, &second);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.lines->len, ==, 10);
	g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 3); /* and the first one's end */
	finish(&fixture);
	free_peer(&first);
	free_peer(&second);
}

/* PostgreSQL's way: a few bytes in the clear, then TLS on the same connection. */
static void test_begins_later(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	make_peer(&peer, 1);
	begin(&fixture);
	give_secrets(&fixture, &peer);
	send_syn(&fixture, &peer);
	send_segment(&fixture, &peer, true, SS_TCP_ACK, ss_cursor("\0\0\0\x08\x04\xd2\x16\x2f", 8));
	send_segment(&fixture, &peer, false, SS_TCP_ACK, ss_cursor("S", 1));
	send_record(&fixture, &peer, true, 22, all_of(peer.client_hello));
	send_record(&fixture, &peer, false, 22, all_of(peer.server_hello));
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_KEYED);
	finish(&fixture);
	free_peer(&peer);
}

/* The capture began between SYN and ClientHello. */
static void test_without_syn(void)
{
	struct fixture fixture;
	struct peer peer = {.padding = 1500};

	make_peer(&peer, 1);
	begin(&fixture);
	give_secrets(&fixture, &peer);
	send_record(&fixture, &peer, true, 22, all_of(peer.client_hello));
	send_record(&fixture, &peer, false, 22, all_of(peer.server_hello));
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_KEYED);
	finish(&fixture);
	free_peer(&peer);
}

static void test_missed(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	make_peer(&peer, 1);
	begin(&fixture);
	send_data(&fixture, &peer, true);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.reports, ==, 0); /* this may be chance */
	for (unsigned i = 0; i < 3; i++)
		send_data(&fixture, &peer, i & 1);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.reports, ==, 1);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_MISSED);
	g_assert_cmpuint(fixture.flow.server.port, ==, 443);
	finish(&fixture);
	g_assert_cmpuint(fixture.flow.frames, ==, 3);
	free_peer(&peer);
}

/* Frames cut by the snapshot length, a lost ServerHello: missed, no hold. */
static void test_gaps(void)
{
	for (unsigned way = 0; way < 5; way++) {
		struct fixture fixture;
		struct peer peer = {.padding = 200, .tls12 = way == 4};
		struct segment segment = {
			.source_port = 40001,
			.destination_port = 443,
			.source = 0x0a010001,
			.destination = 0x0a020001,
			.flags = SS_TCP_ACK,
			.cut = 100,
		};
		g_autoptr(GByteArray) record = g_byte_array_new();

		make_peer(&peer, 1);
		begin(&fixture);
		segment.sequence = peer.client_sequence + 1;
		put_tls_record(record, 22, all_of(peer.client_hello));
		segment.payload = all_of(record);
		if (way != 2)
			send_syn(&fixture, &peer);
		if (way == 0) { /* the ServerHello is lost */
			send_record(&fixture, &peer, true, 22, all_of(peer.client_hello));
			peer.server_sequence += 200;
		} else if (way > 2) { /* cut behind the ServerHello */
			g_autoptr(GByteArray) flight = g_byte_array_new();

			send_record(&fixture, &peer, true, 22, all_of(peer.client_hello));
			put_tls_record(flight, 22, all_of(peer.server_hello));
			put_tls_record(flight, 22, all_of(record));
			segment.source = peer.server;
			segment.source_port = 443;
			segment.destination = peer.client;
			segment.destination_port = peer.port;
			segment.sequence = peer.server_sequence;
			segment.payload = all_of(flight);
			put_segment(fixture.blocks, &segment);
			peer.server_sequence += flight->len;
		} else {
			put_segment(fixture.blocks, &segment);
			peer.client_sequence += (uint32_t)record->len;
			send_record(&fixture, &peer, false, 22, all_of(peer.server_hello));
		}
		for (unsigned i = 0; i < 40; i++)
			send_data(&fixture, &peer, false);
		g_assert_cmpuint(admit(&fixture), ==, 0);
		g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_MISSED);
		finish(&fixture);
		free_peer(&peer);
	}
}

/* It ended, and what was missing never came. */
static void test_gap_at_end(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	make_peer(&peer, 1);
	begin(&fixture);
	send_syn(&fixture, &peer);
	send_record(&fixture, &peer, true, 22, all_of(peer.client_hello));
	peer.server_sequence += 200;
	send_data(&fixture, &peer, false);
	send_segment(&fixture, &peer, false, SS_TCP_RST, ss_cursor(NULL, 0));
	g_assert_cmpuint(admit(&fixture), ==, 0);
	pass(&fixture, 3000 * MS);
	admit(&fixture);
	g_assert_cmpuint(fixture.flow.state, ==, SS_TLS_FLOW_MISSED);
	finish(&fixture);
	free_peer(&peer);
}

static void test_not_tls(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	make_peer(&peer, 1);
	begin(&fixture);
	send_syn(&fixture, &peer);
	send_segment(&fixture, &peer, true, SS_TCP_ACK, ss_cursor("GET / HTTP/1.1\r\n\r\n", 18));
	send_segment(&fixture, &peer, false, SS_TCP_ACK, ss_cursor("HTTP/1.1 200 OK\r\n\r\n", 19));
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.reports, ==, 0);
	finish(&fixture);
	g_assert_cmpuint(fixture.reports, ==, 0);
	free_peer(&peer);
}

/* More connections than there is room for. */
static void test_flood(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	begin(&fixture);
	make_peer(&peer, 1);
	give_secrets(&fixture, &peer);
	send_handshake(&fixture, &peer);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	for (unsigned i = 0; i < 2 * SS_TLS_HANDSHAKING_MAX; i++) {
		struct peer other = {.client = 0x0b000000 + i, .server = 1, .port = 5};

		send_segment(&fixture, &other, true, SS_TCP_SYN, ss_cursor(NULL, 0));
	}
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.reports, ==, 2); /* established ones are not pushed out */
	for (unsigned i = 0; i < 2 * SS_TLS_SETTLED_MAX; i++) {
		struct peer other = {.client = 0x0c000000 + i, .server = 1, .port = 5000};

		send_data(&fixture, &other, true);
		send_data(&fixture, &other, true);
	}
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.states[SS_TLS_FLOW_KEYED], ==, 2); /* its last report */
	finish(&fixture);
	free_peer(&peer);
}

/* ClientHellos that never end: the oldest go when they take too much memory. */
static void test_memory_flood(void)
{
	enum { COUNT = 3000, LENGTH = 16000 };
	g_autoptr(GByteArray) part = g_byte_array_new();
	g_autofree uint8_t *zeros = g_malloc0(LENGTH);
	struct fixture fixture;
	struct peer peers[COUNT] = {0};

	begin(&fixture);
	put8(part, 22);
	put16(part, 0x0301);
	put16(part, 16384);
	put32(part, 1u << 24 | 30000);
	put16(part, 0x0303);
	put_all(part, ss_cursor(zeros, LENGTH));
	for (unsigned i = 0; i < COUNT; i++) {
		peers[i] = (struct peer){.client = i + 1, .server = 1, .port = 9};
		send_syn(&fixture, &peers[i]);
		send_segment(&fixture, &peers[i], true, SS_TCP_ACK, all_of(part));
		g_assert_cmpuint(admit(&fixture), ==, 0);
	}
	/* The rest comes for the first and the last: only one of them is still known. */
	g_byte_array_set_size(part, 0);
	put_all(part, ss_cursor(zeros, 16384 - 4 - 2 - LENGTH));
	put_tls_record(part, 22, ss_cursor(zeros, 4 + 30000 - 16384));
	for (unsigned i = 0; i < COUNT; i += COUNT - 1)
		send_segment(&fixture, &peers[i], true, SS_TCP_ACK, all_of(part));
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.reports, ==, 1);
	g_assert_cmpint(fixture.flow.client.bytes[14] << 8 | fixture.flow.client.bytes[15], ==,
			COUNT);
	finish(&fixture);
}

static void test_records_flood(void)
{
	struct fixture fixture;
	struct peer peer = {0};
	uint8_t random[32] = {0};

	begin(&fixture);
	make_peer(&peer, 1);
	give_secret(&fixture, &peer, "s hs traffic", true);
	for (unsigned i = 0; i < 4096; i++) {
		memcpy(random, &i, sizeof(i));
		give_labelled(&fixture, "CLIENT_RANDOM", random, 48);
	}
	give_secret(&fixture, &peer, "s ap traffic", true);
	send_handshake(&fixture, &peer);
	admit(&fixture);
	g_assert_cmpuint(fixture.lines->len, ==, 0); /* the oldest was pushed out */
	give_secret(&fixture, &peer, "c hs traffic", true);
	g_assert_cmpuint(fixture.lines->len, ==, 5);
	finish(&fixture);
	free_peer(&peer);
}

static void test_records_age(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	begin(&fixture);
	make_peer(&peer, 1);
	admit(&fixture);
	give_secrets(&fixture, &peer);
	admit(&fixture);
	pass(&fixture, 31000 * MS);
	admit(&fixture);
	send_handshake(&fixture, &peer);
	g_assert_cmpuint(admit(&fixture), >, 0);
	g_assert_cmpuint(fixture.lines->len, ==, 0);
	finish(&fixture);
	free_peer(&peer);
}

/* Time stood still for us while there were no frames. */
static void test_records_after_silence(void)
{
	struct fixture fixture;
	struct peer peer = {0};

	begin(&fixture);
	make_peer(&peer, 1);
	admit(&fixture);
	pass(&fixture, 3600000 * MS);
	give_secrets(&fixture, &peer);
	send_handshake(&fixture, &peer);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	g_assert_cmpuint(fixture.lines->len, ==, 5);
	finish(&fixture);
	free_peer(&peer);
}

static void test_live_lines(void)
{
	struct fixture fixture, again = {.lines = g_ptr_array_new_with_free_func(g_free)};
	struct peer peers[3] = {0};

	begin(&fixture);
	for (unsigned i = 0; i < 3; i++) {
		make_peer(&peers[i], i);
		give_secrets(&fixture, &peers[i]);
		send_handshake(&fixture, &peers[i]);
	}
	send_segment(&fixture, &peers[1], true, SS_TCP_FIN | SS_TCP_ACK, ss_cursor(NULL, 0));
	g_assert_cmpuint(admit(&fixture), ==, 0);
	ss_tls_keys_live_lines(fixture.keys, on_line, &again);
	g_assert_cmpuint(again.lines->len, ==, 15);
	g_ptr_array_set_size(again.lines, 0);
	send_segment(&fixture, &peers[1], false, SS_TCP_FIN | SS_TCP_ACK, ss_cursor(NULL, 0));
	g_assert_cmpuint(admit(&fixture), ==, 0);
	pass(&fixture, 3000 * MS);
	g_assert_cmpuint(admit(&fixture), ==, 0);
	ss_tls_keys_live_lines(fixture.keys, on_line, &again);
	g_assert_cmpuint(again.lines->len, ==, 10);
	g_assert_cmpstr(again.lines->pdata[0], ==, fixture.lines->pdata[0]);
	g_assert_cmpstr(again.lines->pdata[9], ==, fixture.lines->pdata[14]);
	finish(&fixture);
	g_ptr_array_unref(again.lines);
	for (unsigned i = 0; i < 3; i++)
		free_peer(&peers[i]);
}

static void test_flows(void)
{
	struct fixture fixture, each = {0};
	struct peer peers[2] = {0};

	begin(&fixture);
	make_peer(&peers[0], 0);
	make_peer(&peers[1], 1);
	give_secrets(&fixture, &peers[0]);
	send_handshake(&fixture, &peers[0]);
	send_syn(&fixture, &peers[1]);
	admit(&fixture);
	ss_tls_keys_flows(fixture.keys, on_flow, &each);
	g_assert_cmpuint(each.reports, ==, 1); /* one is not known to be TLS */
	g_assert_cmpuint(each.states[SS_TLS_FLOW_KEYED], ==, 1);
	g_assert_cmpuint(each.flow.frames, ==, 7);
	finish(&fixture);
	free_peer(&peers[0]);
	free_peer(&peers[1]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < G_N_ELEMENTS(recordings); i++) {
		g_autofree char *name = g_strdup_printf("/tls-keys/recorded/%s", recordings[i]);

		g_test_add_data_func(name, recordings[i], test_recorded);
	}
	for (unsigned i = 0; i < G_N_ELEMENTS(judged); i++) {
		g_autofree char *name = g_strdup_printf("/tls-keys/judged/%s", judged[i]);

		g_test_add_data_func(name, judged[i], test_judged);
	}
	g_test_add_func("/tls-keys/one-of-each", test_one_of_each);
	g_test_add_func("/tls-keys/shredded", test_shredded);
	g_test_add_func("/tls-keys/hold", test_hold);
	g_test_add_func("/tls-keys/hold-begins-at-server-hello", test_hold_begins_at_server_hello);
	g_test_add_func("/tls-keys/tls12", test_tls12);
	g_test_add_func("/tls-keys/tls12-other-server-random", test_tls12_other_server_random);
	g_test_add_func("/tls-keys/timeout", test_timeout);
	g_test_add_func("/tls-keys/learning", test_learning);
	g_test_add_func("/tls-keys/learning-by-client", test_learning_by_client);
	g_test_add_func("/tls-keys/learning-about-client", test_learning_about_client);
	g_test_add_func("/tls-keys/not-expected", test_not_expected);
	g_test_add_func("/tls-keys/two-interfaces", test_two_interfaces);
	g_test_add_func("/tls-keys/translated", test_translated);
	g_test_add_func("/tls-keys/server-first", test_server_first);
	g_test_add_func("/tls-keys/hold-of-the-gone", test_hold_of_the_gone);
	g_test_add_func("/tls-keys/same-random", test_same_random);
	g_test_add_func("/tls-keys/reset", test_reset);
	g_test_add_func("/tls-keys/release", test_release);
	g_test_add_func("/tls-keys/early", test_early);
	g_test_add_func("/tls-keys/early-timeout", test_early_timeout);
	g_test_add_func("/tls-keys/tls12-other-shapes", test_tls12_other_shapes);
	g_test_add_func("/tls-keys/labelled", test_labelled);
	g_test_add_func("/tls-keys/without-keys", test_without_keys);
	g_test_add_func("/tls-keys/wrong-salt", test_wrong_salt);
	g_test_add_func("/tls-keys/parallel", test_parallel);
	g_test_add_func("/tls-keys/port-reuse", test_port_reuse);
	g_test_add_func("/tls-keys/begins-later", test_begins_later);
	g_test_add_func("/tls-keys/without-syn", test_without_syn);
	g_test_add_func("/tls-keys/missed", test_missed);
	g_test_add_func("/tls-keys/gaps", test_gaps);
	g_test_add_func("/tls-keys/gap-at-end", test_gap_at_end);
	g_test_add_func("/tls-keys/not-tls", test_not_tls);
	g_test_add_func("/tls-keys/flood", test_flood);
	g_test_add_func("/tls-keys/memory-flood", test_memory_flood);
	g_test_add_func("/tls-keys/records-flood", test_records_flood);
	g_test_add_func("/tls-keys/records-age", test_records_age);
	g_test_add_func("/tls-keys/records-after-silence", test_records_after_silence);
	g_test_add_func("/tls-keys/live-lines", test_live_lines);
	g_test_add_func("/tls-keys/flows", test_flows);
	return g_test_run();
}
