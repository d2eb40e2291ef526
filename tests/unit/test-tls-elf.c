/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF files: small ones made here, cut and spoiled ones, and this program itself. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <glib.h>

#include "elf-file.h"
#include "error.h"
#include "tls/elf_search.h"
#include "tls/elf_symbols.h"

static const char *const functions[] = {"alpha", "beta", "alphabet", "_R1_gamma", NULL};

static const struct ss_elf_name names[] = {
	{"alpha", false, false},
	{"beta", false, false},
	{"alphab", true, false},
	{"_gamma", false, true},
};

struct seen {
	unsigned count[G_N_ELEMENTS(names)];
	uint64_t address[G_N_ELEMENTS(names)];
};

static void see(size_t index, uint64_t address, uint64_t size, void *user_data)
{
	struct seen *seen = user_data;

	g_assert_cmpuint(index, <, G_N_ELEMENTS(names));
	g_assert_cmpuint(size, ==, ELF_FUNCTION);
	seen->count[index]++;
	seen->address[index] = address;
}

static void check_functions(struct elf_file *file)
{
	struct seen seen = {0};
	struct ss_elf *elf;
	uint64_t offset;
	ss_autofd int fd = -1;

	elf_file_init(file);
	fd = elf_file_open(file);
	g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
	ss_elf_functions(elf, names, G_N_ELEMENTS(names), see, &seen);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_assert_cmpuint(seen.count[i], ==, !file->undefined);
		if (file->undefined)
			continue;
		g_assert_cmpint(ss_elf_code_offset(elf, seen.address[i], &offset), ==, 0);
		g_assert_cmpuint(offset, ==, file->text + i * ELF_FUNCTION);
	}
	ss_elf_free(elf);
	elf_file_deinit(file);
}

static void test_functions_hash(void)
{
	struct elf_file file = {.functions = functions};

	check_functions(&file);
}

static void test_functions_gnu_hash(void)
{
	struct elf_file file = {.functions = functions, .gnu_hash = true};

	check_functions(&file);
}

static void test_functions_full(void)
{
	struct elf_file file = {.functions = functions, .full = true, .machine = EM_AARCH64};

	check_functions(&file);
}

static void test_functions_undefined(void)
{
	struct elf_file file = {.functions = functions, .undefined = true};

	check_functions(&file);
}

static void test_names(void)
{
	struct elf_file file = {.build_id = "0123456789abcdefghij", .soname = "libx.so.3"};
	uint8_t id[SS_ELF_BUILD_ID_MAX];
	g_autofree char *soname = NULL;
	ss_autofd int fd = -1;
	struct ss_elf *elf;

	elf_file_init(&file);
	fd = elf_file_open(&file);
	g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
	g_assert_cmpuint(ss_elf_build_id(elf, id), ==, 20);
	g_assert_cmpint(memcmp(id, file.build_id, 20), ==, 0);
	soname = ss_elf_soname(elf);
	g_assert_cmpstr(soname, ==, "libx.so.3");
	ss_elf_free(elf);
	elf_file_deinit(&file);
}

static void test_no_elf(void)
{
	static const char *const texts[] = {"",
					    "\x7f"
					    "ELF",
					    "#!/bin/sh\n"};
	struct elf_file file = {.machine = EM_386};
	struct ss_elf *elf = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		ss_autofd int fd = elf_file_open_bytes(texts[i], strlen(texts[i]));

		g_assert_cmpint(ss_elf_new(fd, &elf), ==, -EBADMSG);
	}
	elf_file_init(&file);
	{
		ss_autofd int fd = elf_file_open(&file);

		g_assert_cmpint(ss_elf_new(fd, &elf), ==, -EBADMSG);
	}
	{
		ss_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		g_assert_cmpint(ss_elf_new(fd, &elf), ==, -EBADMSG);
	}
	g_assert_null(elf);
	elf_file_deinit(&file);
}

/* Whatever length a file was cut to, it is read or refused. */
static void test_cut(void)
{
	struct elf_file file = {.functions = functions, .build_id = "id", .gnu_hash = true};
	uint8_t id[SS_ELF_BUILD_ID_MAX];

	elf_file_init(&file);
	for (size_t length = 0; length < file.bytes->len; length++) {
		ss_autofd int fd = elf_file_open_bytes(file.bytes->data, length);
		struct seen seen = {0};
		struct ss_elf *elf;

		if (ss_elf_new(fd, &elf) < 0)
			continue;
		ss_elf_functions(elf, names, G_N_ELEMENTS(names), see, &seen);
		ss_elf_build_id(elf, id);
		ss_elf_free(elf);
	}
	elf_file_deinit(&file);
}

/* A file that shrinks while it is open ends reads, nothing else. */
static void test_shrinks(void)
{
	static const uint8_t data[300000];
	struct elf_file file = {.functions = functions, .data = data, .data_length = sizeof(data)};
	ss_autofd int fd = -1;
	struct ss_elf *elf;
	uint64_t value;

	elf_file_init(&file);
	fd = elf_file_open(&file);
	g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
	g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
	g_assert_cmpint(ss_elf_read_u64(elf, 150000, &value), ==, -EBADMSG);
	g_assert_cmpint(ss_elf_read_u64(elf, file.bytes->len, &value), ==, -EBADMSG);
	g_assert_cmpint(ss_elf_read_u64(elf, UINT64_MAX, &value), ==, -EBADMSG);
	ss_elf_free(elf);
	elf_file_deinit(&file);
}

struct matches {
	unsigned count[2];
	uint64_t last;
};

static bool match(size_t pattern, uint64_t offset, void *user_data)
{
	struct matches *matches = user_data;

	matches->count[pattern]++;
	matches->last = offset;
	return true;
}

/* Patterns are found where the passes' pieces meet, too, and each of those that begin alike. */
static void test_search(void)
{
	static const struct ss_elf_pattern patterns[] = {{"needle", 6}, {"need", 4}};
	const size_t length = 1024 * 1024;
	g_autofree uint8_t *data = g_malloc0(length);
	struct elf_file file = {.data = data, .data_length = length};
	struct matches matches = {0};
	ss_autofd int fd = -1;
	struct ss_elf *elf;

	for (size_t i = 256 * 1024 - 10; i < length - 6; i += 256 * 1024 - 7)
		memcpy(data + i, "needle", 6);
	memcpy(data + length - 4, "need", 4);
	elf_file_init(&file);
	fd = elf_file_open(&file);
	g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
	ss_elf_search(elf, file.data_offset, length, patterns, 2, match, &matches);
	g_assert_cmpuint(matches.count[0], ==, 4);
	g_assert_cmpuint(matches.count[1], ==, 5);
	g_assert_cmpuint(matches.last, ==, file.data_offset + length - 4);
	ss_elf_search(elf, UINT64_MAX, UINT64_MAX, patterns, 2, match, &matches);
	g_assert_cmpuint(matches.count[0], ==, 4);
	ss_elf_free(elf);
	elf_file_deinit(&file);
}

/* A file of a terabyte with nothing in it costs no time. */
static void test_sparse(void)
{
	struct elf_file file = {.functions = functions, .full = true};
	struct seen seen = {0};
	struct ss_elf *elf;
	ss_autofd int fd = -1;

	elf_file_init(&file);
	fd = elf_file_open(&file);
	if (ftruncate(fd, INT64_C(1) << 40) < 0) {
		g_test_skip("no such large files here");
	} else {
		g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
		ss_elf_functions(elf, names, G_N_ELEMENTS(names), see, &seen);
		g_assert_cmpuint(seen.count[1], ==, 1);
		ss_elf_free(elf);
	}
	elf_file_deinit(&file);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-elf/functions-hash", test_functions_hash);
	g_test_add_func("/tls-elf/functions-gnu-hash", test_functions_gnu_hash);
	g_test_add_func("/tls-elf/functions-full", test_functions_full);
	g_test_add_func("/tls-elf/functions-undefined", test_functions_undefined);
	g_test_add_func("/tls-elf/names", test_names);
	g_test_add_func("/tls-elf/no-elf", test_no_elf);
	g_test_add_func("/tls-elf/cut", test_cut);
	g_test_add_func("/tls-elf/shrinks", test_shrinks);
	g_test_add_func("/tls-elf/search", test_search);
	g_test_add_func("/tls-elf/sparse", test_sparse);
	return g_test_run();
}
