/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recorded handshakes of OpenSSL (tests/pcaps/tls) give the lines of the key log that it wrote
 * itself. */
#include "tls-recording.h"

static const char *const recordings[] = {
	"tls13-sha256", "tls13-sha384", "tls13-retry",   "tls13-resumed",
	"tls13-early",  "tls13-ipv6",   "tls12-resumed", "tls12",
};

/* All records after this many frames. */
static void check_recording(const char *name, const char *sides, unsigned after)
{
	struct recording recording;
	autofixture fixture = begin();

	load(&recording, name, sides);
	if (!recording.records->len) {
		unload(&recording);
		return;
	}
	after = MIN(after, recording.frames->len);
	put_frames(fixture, &recording, 0, after);
	admit(fixture);
	give_records(fixture, &recording, 0, recording.records->len);
	put_frames(fixture, &recording, after, recording.frames->len);
	g_assert_cmpuint(admit(fixture), ==, 0);
	assert_recorded_lines(fixture, &recording);
	g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 1);
	g_assert_cmpuint(fixture->flow.pid, ==, 4711);
	g_assert_cmpuint(fixture->flow.library, ==, 7);
	g_assert_cmpuint(fixture->flow.server.port, ==, 14430);
	g_assert_cmpstr(fixture->flow.server_name, ==, "api.production.svc");
	g_assert_cmpstr(fixture->flow.alpn, ==, "http/1.1");
	pass(fixture, 5000 * MS);
	admit(fixture);
	g_assert_cmpuint(fixture->reports, ==, 3);
	g_assert_cmpuint(fixture->flow.frames, ==, recording.frames->len);
	unload(&recording);
}

static void test_recorded(const void *name)
{
	static const char *const sides[] = {"c", "s", "cs"};

	for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
		for (unsigned after = 0; after < 16; after++)
			check_recording(name, sides[i], after);
	}
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
		autofixture fixture = begin();

		load(&recording, "tls13-sha384", "s");
		put_frames(fixture, &recording, 0, recording.frames->len);
		g_assert_cmpuint(admit(fixture), >, 0);
		for (unsigned step = 0; step < 2; step++) {
			const char *label = labels[step ^ swap];

			for (unsigned k = 0; k < recording.records->len; k++) {
				struct ss_tls_kdf *kdf =
					&g_array_index(recording.records, struct ss_tls_kdf, k);

				if (strncmp((const char *)kdf->label, label, sizeof(kdf->label)) ==
				    0)
					ss_tls_keys_record(fixture->keys, &kdf->head);
			}
			g_assert_true((admit(fixture) == 0) == (step == 1));
		}
		assert_recorded_lines(fixture, &recording);
		unload(&recording);
	}
}

/* A real handshake in segments of few bytes, shuffled and doubled. */
static void test_shredded(void)
{
	for (uint32_t seed = 0; seed < 40; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		struct recording recording;
		autofixture fixture = begin();

		load(&recording, recordings[seed % G_N_ELEMENTS(recordings)], "c");
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
				put_segment(fixture->blocks, &segment);
				if (g_rand_int_range(rand, 0, 4) == 0)
					put_segment(fixture->blocks, &segment);
			}
		}
		admit(fixture);
		give_records(fixture, &recording, 0, recording.records->len);
		g_assert_cmpuint(admit(fixture), ==, 0);
		assert_recorded_lines(fixture, &recording);
		g_assert_cmpuint(fixture->states[SS_TLS_FLOW_KEYED], ==, 1);
		unload(&recording);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < G_N_ELEMENTS(recordings); i++) {
		g_autofree char *name = g_strdup_printf("/tls-keys/recorded/%s", recordings[i]);

		g_test_add_data_func(name, recordings[i], test_recorded);
	}
	g_test_add_func("/tls-keys/one-of-each", test_one_of_each);
	g_test_add_func("/tls-keys/shredded", test_shredded);
	return g_test_run();
}
