/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "source/replay.h"

#include "blocks.h"
#include "format/metadata.h"
#include "output/block.h"
#include "source/record.h"

/* Recordings made by hand: head, then records. */
static GByteArray *recording_new(void)
{
	GByteArray *bytes = g_byte_array_new();

	g_byte_array_append(bytes, (const guint8 *)SS_RECORDING_MAGIC, SS_RECORDING_MAGIC_SIZE);
	put_word(bytes, SS_RECORDING_VERSION);
	put_word(bytes, 0);
	return bytes;
}

static void put_record(GByteArray *bytes, uint32_t type, const void *payload, size_t length)
{
	put_word(bytes, type);
	put_word(bytes, (uint32_t)length);
	g_byte_array_append(bytes, payload, (guint)length);
}

#define INTERFACE(id, link_type)                                                                   \
	id "\0\0\0"                                                                                \
	   "\0\0\4\0" link_type "\0"                                                               \
	   "\0\0"                                                                                  \
	   "\0\0\0\0\0\0"                                                                          \
	   "\2\0\0\0a\0"                                                                           \
	   "\1\0\0\0\0"                                                                            \
	   "\0\0\0" /* and the NUL of the literal */

static void put_interface(GByteArray *bytes)
{
	static const char payload[] = INTERFACE("\0", "\1");

	put_record(bytes, SS_RECORDING_INTERFACE, payload, sizeof(payload));
}

/* Reads to the end. Returns what ended it, and how many items came before. */
static int replay_all(const GByteArray *bytes, unsigned *ret_items, struct ss_error *error)
{
	struct ss_replay_item item;
	struct ss_replay *replay;
	int r;

	*ret_items = 0;
	r = ss_replay_new_memory(bytes->data, bytes->len, &replay, error);
	if (r < 0)
		return r;
	while ((r = ss_replay_next(replay, &item, error)) == 1)
		++*ret_items;
	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, r); /* stays so */
	ss_replay_free(replay);
	return r;
}

static void assert_damaged(const GByteArray *bytes, unsigned items, const char *problem)
{
	struct ss_error error = {0};
	unsigned count;

	g_assert_cmpint(replay_all(bytes, &count, &error), ==, -EBADMSG);
	g_assert_cmpuint(count, ==, items);
	if (!strstr(error.message, problem))
		g_error("'%s' does not say '%s'", error.message, problem);
}

static void test_round_trip(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.ssrec", NULL);
	struct ss_interface *pod = ss_interface_new("stratoshark-pod:a/b", SS_LINKTYPE_ETHERNET);
	struct ss_interface *events = ss_interface_new("events", SS_LINKTYPE_UPPER_PDU);
	struct ss_interface_counters counters = {40, 30, 20, UINT64_MAX, 0, 0, 0};
	g_autoptr(GByteArray) frames = g_byte_array_new();
	struct ss_replay_item item;
	struct ss_recorder *recorder;
	struct ss_replay *replay;
	struct iovec slice;

	ss_interface_describe(pod, "pod", "b");
	pod->filter = g_strdup("tcp port 80");
	pod->snap_len = 96;
	pod->has_mac = true;
	memset(pod->mac, 7, sizeof(pod->mac));
	put_frame(frames, 0, 5, 60, 'x');
	put_frame(frames, 1, 6, 0, 'x');
	slice = (struct iovec){frames->data, frames->len};
	g_assert_cmpint(ss_recorder_new(path, &recorder, NULL), ==, 0);
	ss_recorder_interface(recorder, 0, pod);
	ss_recorder_interface(recorder, 1, events);
	ss_recorder_name(recorder, "fd00::1", "b.a");
	ss_recorder_frames(recorder, &slice, 1, frames->len);
	ss_recorder_event(recorder, 1, 77, "pod b started", "{\"schema\":1}");
	ss_recorder_counters(recorder, 1, &counters);
	g_assert_cmpint(ss_recorder_close(recorder, NULL), ==, 0);

	g_assert_cmpint(ss_replay_new(path, &replay, NULL), ==, 0);
	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, 1);
	g_assert_cmpint(item.type, ==, SS_RECORDING_INTERFACE);
	g_assert_cmpuint(item.id, ==, 0);
	g_assert_cmpstr(item.interface->name, ==, pod->name);
	g_assert_cmpstr(item.interface->description, ==, "pod=b");
	g_assert_cmpstr(item.interface->filter, ==, "tcp port 80");
	g_assert_cmpuint(item.interface->snap_len, ==, 96);
	g_assert_cmpuint(item.interface->link_type, ==, SS_LINKTYPE_ETHERNET);
	g_assert_true(item.interface->has_mac);
	assert_bytes(item.interface->mac, 6, pod->mac, 6);

	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, 1);
	g_assert_cmpint(item.type, ==, SS_RECORDING_INTERFACE);
	g_assert_cmpuint(item.id, ==, 1);
	g_assert_null(item.interface->filter);
	g_assert_false(item.interface->has_mac);

	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, 1);
	g_assert_cmpint(item.type, ==, SS_RECORDING_NAME);
	g_assert_cmpstr(item.address, ==, "fd00::1");
	g_assert_cmpstr(item.name, ==, "b.a");

	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, 1);
	g_assert_cmpint(item.type, ==, SS_RECORDING_FRAMES);
	assert_bytes(item.frames.iov_base, item.frames.iov_len, frames->data, frames->len);

	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, 1);
	g_assert_cmpint(item.type, ==, SS_RECORDING_EVENT);
	g_assert_cmpuint(item.id, ==, 1);
	g_assert_cmpuint(item.time_ns, ==, 77);
	g_assert_cmpstr(item.info, ==, "pod b started");
	g_assert_cmpstr(item.json, ==, "{\"schema\":1}");

	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, 1);
	g_assert_cmpint(item.type, ==, SS_RECORDING_COUNTERS);
	g_assert_cmpuint(item.id, ==, 1);
	assert_bytes(&item.counters, sizeof(counters), &counters, sizeof(counters));

	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, 0);
	g_assert_cmpint(ss_replay_next(replay, &item, NULL), ==, 0);
	ss_replay_free(replay);
	ss_interface_free(pod);
	ss_interface_free(events);
}

static void test_no_such_file(void)
{
	struct ss_replay *replay = NULL;
	struct ss_error error = {0};

	g_assert_cmpint(ss_replay_new("/nonexistent", &replay, &error), ==, -ENOENT);
	g_assert_nonnull(strstr(error.message, "'/nonexistent'"));
	g_assert_null(replay);
}

static void test_folder(void)
{
	struct ss_replay *replay = NULL;
	struct ss_error error = {0};

	g_assert_cmpint(ss_replay_new("/", &replay, &error), ==, -EISDIR);
	g_assert_null(replay);
}

static void test_no_recording(void)
{
	static const char *const contents[] = {"", "\x89SSR", "GIF89a, and something behind it"};

	for (size_t i = 0; i < G_N_ELEMENTS(contents); i++) {
		struct ss_replay *replay = NULL;
		struct ss_error error = {0};

		g_assert_cmpint(
			ss_replay_new_memory(contents[i], strlen(contents[i]), &replay, &error), ==,
			-EBADMSG);
		g_assert_nonnull(strstr(error.message, "is no recording"));
		g_assert_null(replay);
	}
}

static void test_other_version(void)
{
	g_autoptr(GByteArray) bytes = recording_new();

	bytes->data[SS_RECORDING_MAGIC_SIZE] = 9;
	assert_damaged(bytes, 0, "version 9");
}

/* Whatever the length, what is whole is replayed, and the rest is called cut. */
static void test_cut_anywhere(void)
{
	g_autoptr(GByteArray) bytes = recording_new(), frames = g_byte_array_new();
	guint whole[4];

	put_frame(frames, 0, 1, 60, 'a');
	whole[0] = bytes->len;
	put_interface(bytes);
	whole[1] = bytes->len;
	put_record(bytes, SS_RECORDING_FRAMES, frames->data, frames->len);
	whole[2] = bytes->len;
	put_record(bytes, SS_RECORDING_END, "", 0);
	whole[3] = bytes->len;
	for (guint length = whole[0]; length < whole[3]; length++) {
		g_autoptr(GByteArray) cut = g_byte_array_new();

		g_byte_array_append(cut, bytes->data, length);
		assert_damaged(cut, length < whole[1] ? 0 : length < whole[2] ? 1 : 2, "cut short");
	}
}

static void test_position(void)
{
	g_autoptr(GByteArray) bytes = recording_new();
	g_autofree char *position = NULL;

	put_interface(bytes);
	position = g_strdup_printf("damaged at byte %u:", bytes->len);
	put_record(bytes, 99, "", 0);
	assert_damaged(bytes, 1, position);
}

static void test_after_the_end(void)
{
	g_autoptr(GByteArray) bytes = recording_new();

	put_record(bytes, SS_RECORDING_END, "", 0);
	put_word(bytes, 0);
	assert_damaged(bytes, 0, "follows the end");
}

/* A length that nobody has memory for is refused before any is asked for. */
static void test_giant_record(void)
{
	g_autoptr(GByteArray) bytes = recording_new();

	put_word(bytes, SS_RECORDING_FRAMES);
	put_word(bytes, SS_RECORDING_LENGTH_MAX + 1);
	assert_damaged(bytes, 0, "longer than 64 MiB");
	bytes->data[bytes->len - 1] = 0xff;
	assert_damaged(bytes, 0, "longer than 64 MiB");
}

static void test_records(void)
{
#define PAYLOAD(text) text, sizeof(text) - 1
	static const struct {
		uint32_t type;
		const char *payload;
		size_t length;
		const char *problem;
	} cases[] = {
		{0, PAYLOAD(""), "unknown type"},
		{8, PAYLOAD(""), "unknown type"},
		{UINT32_MAX, PAYLOAD(""), "unknown type"},
		{SS_RECORDING_INTERFACE, PAYLOAD(""), "interface record is malformed"},
		{SS_RECORDING_INTERFACE, PAYLOAD(INTERFACE("\1", "\1")), "interface record is"},
		{SS_RECORDING_INTERFACE, PAYLOAD(INTERFACE("\0", "\1") "\0"), "out of order"},
		{SS_RECORDING_INTERFACE, PAYLOAD(INTERFACE("\2", "\1") "\0"), "out of order"},
		{SS_RECORDING_INTERFACE, PAYLOAD(INTERFACE("\1", "\x7b") "\0"), "link type"},
		{SS_RECORDING_NAME, PAYLOAD("\0\0\0\0\0\0\0\0"), "name record is malformed"},
		{SS_RECORDING_NAME, PAYLOAD("\2\0\0\0x\0\2\0\0\0b\0"), "no IP address"},
		{SS_RECORDING_NAME, PAYLOAD("\3\0\0\0::\0\2\0\0\0bb"), "name record is malformed"},
		{SS_RECORDING_NAME, PAYLOAD("\3\0\0\0::\0\3\0\0\0b\0\0"),
		 "name record is malformed"},
		{SS_RECORDING_NAME,
		 PAYLOAD("\3\0\0\0::\0\xff\xff\xff\xff"
			 "b"),
		 "name record is"},
		{SS_RECORDING_NAME, PAYLOAD("\3\0\0\0::\0\2\0\0\0b\0!"), "longer than what it"},
		{SS_RECORDING_FRAMES, PAYLOAD(""), "has none"},
		{SS_RECORDING_EVENT, PAYLOAD("\0\0\0\0"), "event record is malformed"},
		{SS_RECORDING_EVENT,
		 PAYLOAD("\1\0\0\0"
			 "12345678\1\0\0\0\0\1\0\0\0\0"),
		 "event record is malformed"},
		{SS_RECORDING_SECRETS, PAYLOAD("\2\0\0\0ab"), "secrets record is malformed"},
		{SS_RECORDING_COUNTERS,
		 PAYLOAD("\0\0\0\0"
			 "1234567"),
		 "counters record is malformed"},
		{SS_RECORDING_COUNTERS,
		 PAYLOAD("\1\0\0\0"
			 "12345678123456781234567812345678"),
		 "counters record is malformed"},
		{SS_RECORDING_END, PAYLOAD("x"), "longer than what it holds"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) bytes = recording_new();

		put_interface(bytes);
		put_record(bytes, cases[i].type, cases[i].payload, cases[i].length);
		assert_damaged(bytes, 1, cases[i].problem);
	}
}

static void set_word(GByteArray *bytes, guint offset, uint32_t word)
{
	word = GUINT32_TO_LE(word);
	memcpy(bytes->data + offset, &word, sizeof(word));
}

/* One good block of 104 bytes (60 captured, epb_flags at 88), and what a word of it may not be. */
static void test_frames(void)
{
	static const struct {
		guint offset;
		uint32_t word;
		const char *problem; /* NULL: that is fine */
	} cases[] = {
		{0, SS_PCAPNG_EPB, NULL},
		{0, SS_PCAPNG_IDB, "something else"},
		{0, SS_PCAPNG_SHB, "something else"},
		{4, 0, "something else"},
		{4, 28, "something else"},
		{4, 102, "something else"},
		{4, 100, "two different lengths"},
		{4, 108, "cut short"},
		{4, UINT32_MAX, "cut short"},
		{8, 1, "does not have"},
		{8, UINT32_MAX, "does not have"},
		{12, UINT32_MAX, NULL},
		{20, 56, "options"},
		{20, 73, "longer than its block"},
		{20, UINT32_MAX, "longer than its block"},
		{24, 59, "longer than its block"},
		{24, UINT32_MAX, NULL},
		{88, 3u << 16 | SS_EPB_FLAGS, "options"},
		{88, 8u << 16 | SS_EPB_FLAGS, "options"},
		{88, 4u << 16 | SS_EPB_DROPCOUNT, "options"},
		{88, 8u << 16 | SS_EPB_DROPCOUNT, NULL},
		{88, 4u << 16 | 7, "options"},
		{88, 4u << 16 | SS_OPT_COMMENT, NULL},
		{88, 8u << 16 | SS_OPT_COMMENT, NULL},
		{88, 9u << 16 | SS_OPT_COMMENT, "options"},
		{88, 4u << 16 | SS_OPT_CUSTOM_BIN, "options"},
		{88, SS_OPT_END, "options"},
		{96, 4u << 16 | SS_OPT_END, "options"},
		{100, 100, "two different lengths"},
		{100, 0, "two different lengths"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) bytes = recording_new(), frames = g_byte_array_new();

		put_frame(frames, 0, 1, 20, 'a');
		put_frame(frames, 0, 1, 60, 'a');
		set_word(frames, 64 + cases[i].offset, cases[i].word);
		put_interface(bytes);
		put_record(bytes, SS_RECORDING_FRAMES, frames->data, frames->len);
		if (cases[i].problem) {
			assert_damaged(bytes, 1, cases[i].problem);
		} else {
			struct ss_error error = {0};
			unsigned count;

			put_record(bytes, SS_RECORDING_END, "", 0);
			if (replay_all(bytes, &count, &error) != 0)
				g_error("case %zu: %s", i, error.message);
			g_assert_cmpuint(count, ==, 2);
		}
	}
}

static void test_custom_option(void)
{
	g_autoptr(GByteArray) bytes = recording_new(), frames = g_byte_array_new();
	struct ss_error error = {0};
	unsigned count;

	put_frame(frames, 0, 1, 60, 'a');
	set_word(frames, 88, 4u << 16 | SS_OPT_CUSTOM_BIN);
	set_word(frames, 92, SS_METADATA_PEN);
	put_interface(bytes);
	put_record(bytes, SS_RECORDING_FRAMES, frames->data, frames->len);
	put_record(bytes, SS_RECORDING_END, "", 0);
	g_assert_cmpint(replay_all(bytes, &count, &error), ==, 0);
	g_assert_cmpuint(count, ==, 2);
}

static void test_frames_before_interface(void)
{
	g_autoptr(GByteArray) bytes = recording_new(), frames = g_byte_array_new();

	put_frame(frames, 0, 1, 60, 'a');
	put_record(bytes, SS_RECORDING_FRAMES, frames->data, frames->len);
	assert_damaged(bytes, 0, "does not have");
}

static void test_block_too_big_for_readers(void)
{
	g_autoptr(GByteArray) bytes = recording_new(), frames = g_byte_array_new();

	put_frame(frames, 0, 1, SS_PCAPNG_BLOCK_MAX, 'a');
	put_interface(bytes);
	put_record(bytes, SS_RECORDING_FRAMES, frames->data, frames->len);
	assert_damaged(bytes, 1, "something else");
}

/* The capture that a session would make of it, as far as it goes. */
static GByteArray *capture_of(const GByteArray *recording)
{
	GByteArray *bytes = g_byte_array_new();
	struct ss_replay *replay = NULL;
	struct ss_replay_item item;

	ss_block_section(bytes);
	if (ss_replay_new_memory(recording->data, recording->len, &replay, NULL) < 0)
		return bytes;
	while (ss_replay_next(replay, &item, NULL) == 1) {
		if (item.type == SS_RECORDING_INTERFACE)
			ss_block_interface(bytes, item.interface);
		else if (item.type == SS_RECORDING_NAME)
			ss_block_name(bytes, item.address, item.name);
		else if (item.type == SS_RECORDING_FRAMES)
			g_byte_array_append(bytes, item.frames.iov_base,
					    (guint)item.frames.iov_len);
		else if (item.type == SS_RECORDING_EVENT)
			ss_block_event(bytes, item.id, item.time_ns, item.info, item.json);
		else if (item.type == SS_RECORDING_COUNTERS)
			ss_block_statistics(bytes, item.id, 1, 2, &item.counters);
	}
	ss_replay_free(replay);
	return bytes;
}

/* Every byte of a recording damaged in turn: stock readers open whatever comes out. */
static void test_damage_never_reaches_readers(void)
{
	g_autofree char *seed =
		g_build_filename(TEST_SOURCE_DIR, "fuzz", "corpus", "replay", "all-records", NULL);
	g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GRand) random = g_rand_new_with_seed(1);
	g_autoptr(GByteArray) recording = file_bytes(seed);
	autoscratch folder = scratch_new();
	g_autofree char *judgement = NULL;

	g_ptr_array_add(arguments, g_strdup("capinfos"));
	g_ptr_array_add(arguments, g_strdup("-cM"));
	for (guint i = SS_RECORDING_HEADER_SIZE; i < recording->len; i++) {
		g_autofree char *name = g_strdup_printf("%u.pcapng", i);
		g_autoptr(GByteArray) capture = NULL;
		uint8_t kept = recording->data[i];
		char *path = g_build_filename(folder, name, NULL);

		recording->data[i] ^= (uint8_t)g_rand_int_range(random, 1, 256);
		capture = capture_of(recording);
		recording->data[i] = kept;
		g_assert_true(
			g_file_set_contents(path, (const char *)capture->data, capture->len, NULL));
		g_ptr_array_add(arguments, path);
	}
	g_ptr_array_add(arguments, NULL);
	judgement = tool_output((const char *const *)arguments->pdata);
	if (judgement) /* it exits with 0 for some damage that it only reports */
		g_assert_null(strstr(judgement, "damaged or corrupt"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/replay/round-trip", test_round_trip);
	g_test_add_func("/replay/no-such-file", test_no_such_file);
	g_test_add_func("/replay/folder", test_folder);
	g_test_add_func("/replay/no-recording", test_no_recording);
	g_test_add_func("/replay/other-version", test_other_version);
	g_test_add_func("/replay/cut-anywhere", test_cut_anywhere);
	g_test_add_func("/replay/damage-has-a-position", test_position);
	g_test_add_func("/replay/something-after-the-end", test_after_the_end);
	g_test_add_func("/replay/giant-record", test_giant_record);
	g_test_add_func("/replay/malformed-records", test_records);
	g_test_add_func("/replay/malformed-frames", test_frames);
	g_test_add_func("/replay/custom-option", test_custom_option);
	g_test_add_func("/replay/frames-before-interface", test_frames_before_interface);
	g_test_add_func("/replay/block-too-big-for-readers", test_block_too_big_for_readers);
	g_test_add_func("/replay/damage-never-reaches-readers", test_damage_never_reaches_readers);
	return g_test_run();
}
