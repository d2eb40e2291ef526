/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stock tshark's opinion about where the lines are: a file whose secrets come as late as we allow
 * is decrypted like one whose secrets were known from the beginning.
 */
#include "tls-recording.h"

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
	autofixture fixture = begin();
	unsigned given = 0, told = 0;

	load(&recording, data, is_recorded(data, ".server.kdf") ? "s" : "c");
	put_file_begin(file);
	for (unsigned i = 0; i < recording.frames->len; i++) {
		put_frames(fixture, &recording, i, i + 1);
		while (fixture->blocks->len) {
			g_autofree uint8_t *copy =
				g_memdup2(fixture->blocks->data, fixture->blocks->len);
			guint length = fixture->blocks->len;

			admit(fixture);
			if (told < fixture->lines->len)
				put_secrets(file, fixture->lines, told);
			told = fixture->lines->len;
			g_byte_array_append(file, copy, length - fixture->blocks->len);
			if (fixture->blocks->len) {
				g_assert_cmpuint(given, <, recording.records->len);
				give_records(fixture, &recording, given, given + 1);
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
	unload(&recording);
}

int main(int argc, char **argv)
{
	static const char *const recordings[] = {
		"tls13-sha384", "tls13-retry", "tls13-early", "tls12-resumed", "tls12", "gnutls",
	};

	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < G_N_ELEMENTS(recordings); i++) {
		g_autofree char *name = g_strdup_printf("/tls-keys/judged/%s", recordings[i]);

		g_test_add_data_func(name, recordings[i], test_judged);
	}
	return g_test_run();
}
