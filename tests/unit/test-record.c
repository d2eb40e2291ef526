/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recordings as bytes; that a replay gives back what was recorded is in test-replay.c. */
#include "source/record.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "blocks.h"
#include "format/recording.h"

/* Takes a record's head and returns its payload. */
static struct ss_cursor take_record(struct ss_cursor *stream, uint32_t type)
{
	struct ss_cursor payload = {0};
	uint32_t length;

	g_assert_cmpuint(block_u32(stream), ==, type);
	length = block_u32(stream);
	g_assert_cmpint(ss_cursor_part(stream, length, &payload), ==, 0);
	return payload;
}

static void take_header(struct ss_cursor *stream)
{
	uint8_t magic[8];

	g_assert_cmpint(ss_cursor_copy(stream, sizeof(magic), magic), ==, 0);
	assert_bytes(magic, sizeof(magic), "\x89SSR\r\n\x1a\n", 8);
	g_assert_cmpuint(block_u32(stream), ==, SS_RECORDING_VERSION);
	g_assert_cmpuint(block_u32(stream), ==, 0);
}

static struct ss_recorder *recorder_new(const char *path)
{
	struct ss_recorder *recorder;
	struct ss_error error = {0};

	g_assert_cmpint(ss_recorder_new(path, &recorder, &error), ==, 0);
	return recorder;
}

static void test_empty(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.ssrec", NULL);
	g_autoptr(GByteArray) bytes = NULL;
	struct ss_cursor stream;
	struct stat status;

	g_assert_cmpint(ss_recorder_close(recorder_new(path), NULL), ==, 0);
	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
	bytes = file_bytes(path);
	stream = ss_cursor(bytes->data, bytes->len);
	take_header(&stream);
	g_assert_cmpuint(take_record(&stream, SS_RECORDING_END).length, ==, 0);
	g_assert_cmpuint(stream.length, ==, 0);
}

/* The bytes of format/recording.md, so that old recordings stay readable. */
static void test_layout(void)
{
	static const uint8_t expected[] = {
		0, 0, 0, 0, /* id */
		0, 0, 4, 0, /* snap length */
		1, 0, 1, 0, /* link type, MAC address known, zero */
		2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 'a', 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.ssrec", NULL);
	struct ss_interface *interface = ss_interface_new("a", SS_LINKTYPE_ETHERNET);
	struct ss_interface_counters counters = {1, 2, 3, 0x1122334455667788, 0, 0, 0};
	struct ss_recorder *recorder = recorder_new(path);
	g_autoptr(GByteArray) bytes = NULL;
	struct ss_cursor stream, record;

	interface->snap_len = 262144;
	interface->has_mac = true;
	memcpy(interface->mac, "\2\0\0\0\0\7", 6);
	ss_recorder_interface(recorder, 0, interface);
	ss_recorder_name(recorder, "10.0.0.1", "b");
	ss_recorder_event(recorder, 0, 0x0102030405060708, "i", "{}");
	ss_recorder_secrets(recorder, "l\n");
	ss_recorder_counters(recorder, 0, &counters);
	g_assert_cmpint(ss_recorder_close(recorder, NULL), ==, 0);
	ss_interface_free(interface);

	bytes = file_bytes(path);
	stream = ss_cursor(bytes->data, bytes->len);
	take_header(&stream);
	record = take_record(&stream, SS_RECORDING_INTERFACE);
	assert_bytes(record.data, record.length, expected, sizeof(expected));
	record = take_record(&stream, SS_RECORDING_NAME);
	assert_bytes(record.data, record.length,
		     "\x9\0\0\0"
		     "10.0.0.1\0"
		     "\2\0\0\0b",
		     19);
	record = take_record(&stream, SS_RECORDING_EVENT);
	assert_bytes(record.data, record.length,
		     "\0\0\0\0\x8\7\6\5\4\3\2\1"
		     "\2\0\0\0i\0"
		     "\3\0\0\0{}",
		     25);
	record = take_record(&stream, SS_RECORDING_SECRETS);
	assert_bytes(record.data, record.length, "\3\0\0\0l\n\0", 7);
	record = take_record(&stream, SS_RECORDING_COUNTERS);
	g_assert_cmpuint(record.length, ==, 36);
	assert_bytes(record.data + 28, 8, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	take_record(&stream, SS_RECORDING_END);
}

/* What the output took, not what the ring offered, is what entered. */
static void test_frames_of_length(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.ssrec", NULL);
	struct ss_recorder *recorder = recorder_new(path);
	g_autoptr(GByteArray) first = g_byte_array_new(), second = g_byte_array_new();
	g_autoptr(GByteArray) bytes = NULL;
	struct ss_cursor stream, record;
	struct iovec slices[2];
	guint one;

	put_frame(first, 0, 1, 60, 'a');
	put_frame(second, 0, 2, 61, 'b');
	one = second->len;
	put_frame(second, 0, 3, 62, 'c');
	slices[0] = (struct iovec){first->data, first->len};
	slices[1] = (struct iovec){second->data, second->len};
	ss_recorder_frames(recorder, slices, 2, first->len + one);
	ss_recorder_frames(recorder, slices, 2, 0);
	g_assert_cmpint(ss_recorder_close(recorder, NULL), ==, 0);

	bytes = file_bytes(path);
	stream = ss_cursor(bytes->data, bytes->len);
	take_header(&stream);
	record = take_record(&stream, SS_RECORDING_FRAMES);
	assert_bytes(record.data, record.length, first->data, first->len);
	record = take_record(&stream, SS_RECORDING_FRAMES);
	assert_bytes(record.data, record.length, second->data, one);
	take_record(&stream, SS_RECORDING_END);
}

static void test_big_slice_is_split_between_blocks(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.ssrec", NULL);
	struct ss_recorder *recorder = recorder_new(path);
	g_autoptr(GByteArray) frames = g_byte_array_new(), bytes = NULL;
	struct ss_cursor stream;
	unsigned records = 0;
	size_t offset = 0;
	struct iovec slice;

	for (unsigned i = 0; frames->len <= 2 * SS_RECORDING_FRAMES_MAX; i++)
		put_frame(frames, 0, i, 60001, (uint8_t)i);
	slice = (struct iovec){frames->data, frames->len};
	ss_recorder_frames(recorder, &slice, 1, frames->len);
	g_assert_cmpint(ss_recorder_close(recorder, NULL), ==, 0);

	bytes = file_bytes(path);
	stream = ss_cursor(bytes->data, bytes->len);
	take_header(&stream);
	while (offset < frames->len) {
		struct ss_cursor record = take_record(&stream, SS_RECORDING_FRAMES);

		g_assert_cmpuint(record.length, <=, SS_RECORDING_FRAMES_MAX);
		assert_bytes(record.data, record.length, frames->data + offset, record.length);
		offset += record.length;
		for (records++; record.length;)
			block_take(&record);
	}
	g_assert_cmpuint(records, ==, 3);
}

static void test_null_records_nothing(void)
{
	struct ss_interface *interface = ss_interface_new("a", SS_LINKTYPE_ETHERNET);
	struct ss_interface_counters counters = {0};

	ss_recorder_interface(NULL, 0, interface);
	ss_recorder_name(NULL, "10.0.0.1", "b");
	ss_recorder_frames(NULL, NULL, 0, 0);
	ss_recorder_event(NULL, 0, 0, "i", "{}");
	ss_recorder_counters(NULL, 0, &counters);
	g_assert_cmpint(ss_recorder_close(NULL, NULL), ==, 0);
	ss_interface_free(interface);
}

static void test_missing_folder(void)
{
	struct ss_recorder *recorder = NULL;
	struct ss_error error = {0};

	g_assert_cmpint(ss_recorder_new("/nonexistent/a.ssrec", &recorder, &error), ==, -ENOENT);
	g_assert_nonnull(strstr(error.message, "'/nonexistent/a.ssrec'"));
	g_assert_null(recorder);
}

static void test_full_disk(void)
{
	struct ss_recorder *recorder = recorder_new("/dev/full");
	g_autoptr(GByteArray) frames = g_byte_array_new();
	struct ss_error error = {0};
	struct iovec slice;

	for (unsigned i = 0; i < 100; i++)
		put_frame(frames, 0, i, 60000, 'a');
	slice = (struct iovec){frames->data, frames->len};
	for (unsigned i = 0; i < 3; i++) /* goes on quietly */
		ss_recorder_frames(recorder, &slice, 1, frames->len);
	g_assert_cmpint(ss_recorder_close(recorder, &error), ==, -ENOSPC);
	g_assert_nonnull(strstr(error.message, "'/dev/full'"));
}

/* The error is seen at the very end, when stdio lets go of what it kept. */
static void test_full_disk_at_close(void)
{
	struct ss_error error = {0};

	g_assert_cmpint(ss_recorder_close(recorder_new("/dev/full"), &error), ==, -ENOSPC);
}

static void test_file_size_limit(void)
{
	autoscratch folder = scratch_new();
	g_autofree char *path = g_build_filename(folder, "a.ssrec", NULL);
	struct ss_recorder *recorder = recorder_new(path);
	g_autoptr(GByteArray) frames = g_byte_array_new(), bytes = NULL;
	struct rlimit old, limit;
	struct iovec slice;

	for (unsigned i = 0; i < 100; i++)
		put_frame(frames, 0, i, 10000, 'a');
	slice = (struct iovec){frames->data, frames->len};
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = (struct rlimit){500000, old.rlim_max};
	setrlimit(RLIMIT_FSIZE, &limit);
	ss_recorder_frames(recorder, &slice, 1, frames->len);
	setrlimit(RLIMIT_FSIZE, &old);
	g_assert_cmpint(ss_recorder_close(recorder, NULL), ==, -EFBIG);
	bytes = file_bytes(path);
	g_assert_cmpuint(bytes->len, ==, 500000); /* no hole, nothing after the error */
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/record/empty", test_empty);
	g_test_add_func("/record/layout", test_layout);
	g_test_add_func("/record/frames-of-length", test_frames_of_length);
	g_test_add_func("/record/big-slice-is-split-between-blocks",
			test_big_slice_is_split_between_blocks);
	g_test_add_func("/record/null-records-nothing", test_null_records_nothing);
	g_test_add_func("/record/missing-folder", test_missing_folder);
	g_test_add_func("/record/full-disk", test_full_disk);
	g_test_add_func("/record/full-disk-at-close", test_full_disk_at_close);
	g_test_add_func("/record/file-size-limit", test_file_size_limit);
	return g_test_run();
}
