/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests: make packet blocks, take a pcapng stream apart again, ask stock tools about it. */
#ifndef SS_TESTS_BLOCKS_H
#define SS_TESTS_BLOCKS_H

#include <stdbool.h>
#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "cursor.h"
#include "format/pcapng.h"

/* A whole block: body is what lies between its two lengths. */
struct block {
	uint32_t type, length;
	struct ss_cursor body;
};

/* g_assert_cmpmem() counts in int. */
static inline void assert_bytes(const void *data, size_t length, const void *expected,
				size_t expected_length)
{
	g_assert_cmpuint(length, ==, expected_length);
	g_assert_true(length == 0 || memcmp(data, expected, length) == 0);
}

static inline uint16_t block_u16(struct ss_cursor *cursor)
{
	uint16_t value = 0;

	g_assert_cmpint(ss_cursor_u16(cursor, &value), ==, 0);
	return value;
}

static inline uint32_t block_u32(struct ss_cursor *cursor)
{
	uint32_t value = 0;

	g_assert_cmpint(ss_cursor_u32(cursor, &value), ==, 0);
	return value;
}

/* Times of pcapng: the high word first. */
static inline uint64_t block_time(struct ss_cursor *cursor)
{
	uint64_t high = block_u32(cursor);

	return high << 32 | block_u32(cursor);
}

/* The next block; fails the test if it is not one. */
static inline struct block block_take(struct ss_cursor *stream)
{
	struct ss_cursor start = *stream;
	struct block block = {0};

	block.type = block_u32(stream);
	block.length = block_u32(stream);
	g_assert_cmpuint(block.length, >=, 12);
	g_assert_cmpuint(block.length % 4, ==, 0);
	g_assert_cmpint(ss_cursor_part(stream, block.length - 12, &block.body), ==, 0);
	g_assert_cmpuint(block_u32(stream), ==, block.length);
	g_assert_true(stream->data == start.data + block.length);
	return block;
}

/* The next option; false at the end. Fails the test if what is there is not one. */
static inline bool block_option(struct ss_cursor *options, uint16_t *ret_code,
				struct ss_cursor *ret_value)
{
	uint16_t length = 0;

	if (!options->length)
		return false;
	*ret_code = block_u16(options);
	length = block_u16(options);
	g_assert_cmpint(ss_cursor_part(options, length, ret_value), ==, 0);
	g_assert_cmpint(ss_cursor_skip(options, -(size_t)length & 3), ==, 0);
	if (*ret_code == SS_OPT_END)
		g_assert_cmpuint(options->length, ==, 0);
	return *ret_code != SS_OPT_END;
}

/* The value of an option as text; NULL without such an option. */
static inline char *block_option_text(struct ss_cursor options, uint16_t wanted)
{
	struct ss_cursor value = {0};
	uint16_t code;

	while (block_option(&options, &code, &value)) {
		if (code == wanted)
			return g_strndup((const char *)value.data, value.length);
	}
	return NULL;
}

static inline void put_word(GByteArray *bytes, uint32_t word)
{
	word = GUINT32_TO_LE(word);
	g_byte_array_append(bytes, (const guint8 *)&word, sizeof(word));
}

/* A frame as the kernel writes it: length bytes of fill, epb_flags. */
static inline void put_frame(GByteArray *bytes, uint32_t interface_id, uint64_t time_ns,
			     uint32_t length, uint8_t fill)
{
	uint32_t padded = (length + 3) & ~3u, size = 28 + padded + 12 + 4;
	guint start;

	put_word(bytes, SS_PCAPNG_EPB);
	put_word(bytes, size);
	put_word(bytes, interface_id);
	put_word(bytes, (uint32_t)(time_ns >> 32));
	put_word(bytes, (uint32_t)time_ns);
	put_word(bytes, length);
	put_word(bytes, length);
	start = bytes->len;
	g_byte_array_set_size(bytes, start + padded);
	if (padded) {
		memset(bytes->data + start, 0, padded);
		memset(bytes->data + start, fill, length);
	}
	put_word(bytes, 4u << 16 | SS_EPB_FLAGS);
	put_word(bytes, SS_EPB_FLAG_IN);
	put_word(bytes, SS_OPT_END);
	put_word(bytes, size);
}

/* Splits a stream: how many blocks of type it has. Fails the test if it is not whole blocks, or a
 * block speaks of an interface that the stream did not describe before. */
static inline unsigned count_blocks(const void *data, size_t length, uint32_t type)
{
	struct ss_cursor stream = ss_cursor(data, length);
	unsigned count = 0, interfaces = 0;

	while (stream.length) {
		struct block block = block_take(&stream);

		if (block.type == SS_PCAPNG_IDB)
			interfaces++;
		if (block.type == SS_PCAPNG_EPB || block.type == SS_PCAPNG_ISB)
			g_assert_cmpuint(block_u32(&block.body), <, interfaces);
		count += block.type == type;
	}
	return count;
}

/* What a program prints, both streams; it must exit with 0. NULL, with the test marked incomplete,
 * where it is not installed; in CI it must be. */
static inline char *tool_output(const char *const *arguments)
{
	g_autofree char *program = g_find_program_in_path(arguments[0]);
	g_autofree char *output = NULL, *errors = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	if (!program) {
		if (g_getenv("CI"))
			g_error("CI needs '%s'", arguments[0]);
		g_test_incomplete("the program that judges is not installed");
		return NULL;
	}
	g_spawn_sync(NULL, (char **)(uintptr_t)arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
		     &output, &errors, &status, &error);
	g_assert_no_error(error);
	if (!g_spawn_check_wait_status(status, NULL))
		g_error("%s failed: %s%s", arguments[0], output, errors);
	return g_strconcat(output, errors, NULL);
}

/* A folder that is gone, with its files, at the end of its scope. */
static inline char *scratch_new(void)
{
	g_autoptr(GError) error = NULL;
	char *path = g_dir_make_tmp("stratoshark-test-XXXXXX", &error);

	g_assert_no_error(error);
	return path;
}

static inline void scratch_free(char **path)
{
	g_autoptr(GDir) dir = g_dir_open(*path, 0, NULL);
	const char *name = NULL;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *file = g_build_filename(*path, name, NULL);

		g_unlink(file);
	}
	g_rmdir(*path);
	g_free(*path);
}
#define autoscratch __attribute__((cleanup(scratch_free))) char *

static inline GByteArray *file_bytes(const char *path)
{
	g_autoptr(GError) error = NULL;
	gsize length;
	char *contents;

	g_file_get_contents(path, &contents, &length, &error);
	g_assert_no_error(error);
	return g_byte_array_new_take((guint8 *)contents, length);
}

#endif
