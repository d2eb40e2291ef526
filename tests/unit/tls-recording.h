/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of tls/keys: handshakes of real libraries, recorded with the key log that they wrote.
 */
#ifndef SS_TESTS_TLS_RECORDING_H
#define SS_TESTS_TLS_RECORDING_H

#include <pcap/pcap.h>

#include "tls-keys.h"

struct recording {
	GPtrArray *frames; /* GByteArray */
	GPtrArray *lines;  /* of the key log */
	GArray *records;   /* struct ss_tls_kdf */
};

static inline char *path_of(const char *name, const char *suffix)
{
	return g_strdup_printf(TEST_SOURCE_DIR "/pcaps/tls/%s%s", name, suffix);
}

static inline void load_frames(struct recording *recording, const char *name)
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

static inline char **load_lines(const char *name, const char *suffix)
{
	g_autofree char *path = path_of(name, suffix);
	g_autofree char *text = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return g_strsplit(g_strchomp(text), "\n", -1);
}

static inline bool is_recorded(const char *name, const char *suffix)
{
	g_autofree char *path = path_of(name, suffix);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static inline void load_records(struct recording *recording, const char *name, const char *suffix)
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

static inline void free_frame(void *frame)
{
	g_byte_array_unref(frame);
}

/* sides: "c", "s", "cs"; what was not recorded is not there. */
static inline void load(struct recording *recording, const char *name, const char *sides)
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

static inline void unload(struct recording *recording)
{
	g_ptr_array_unref(recording->frames);
	g_ptr_array_unref(recording->lines);
	g_array_unref(recording->records);
}

static inline void assert_recorded_lines(struct fixture *fixture, const struct recording *recording)
{
	for (unsigned i = 0; i < fixture->lines->len; i++) {
		g_autofree char *line = g_ascii_strdown(fixture->lines->pdata[i], -1);

		g_assert_true(g_ptr_array_find_with_equal_func(recording->lines, line, g_str_equal,
							       NULL));
	}
	g_assert_cmpuint(fixture->lines->len, ==, recording->lines->len);
}

static inline void put_frames(struct fixture *fixture, const struct recording *recording,
			      unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		put_block(fixture->blocks, 0, 1000 + i, all_of(recording->frames->pdata[i]), 0);
}

static inline void give_records(struct fixture *fixture, const struct recording *recording,
				unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		ss_tls_keys_record(fixture->keys,
				   &g_array_index(recording->records, struct ss_tls_kdf, i).head);
}

#endif
