/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/tls/unwind.c on the table that this very program has; and on tables with something wrong. */
#include "tls/unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "error.h"

static __attribute__((noinline)) int one_function(int value)
{
	return value * 3 + (value & 1);
}

static int save_base(struct dl_phdr_info *info, size_t size, void *user_data)
{
	(void)size;
	*(uint64_t *)user_data = info->dlpi_addr;
	return 1; /* the program is the first */
}

static uint64_t linked_address(void)
{
	uint64_t base = 0;

	dl_iterate_phdr(save_base, &base);
	return (uint64_t)(uintptr_t)one_function - base;
}

static int function_at(int fd, uint64_t address, uint64_t *ret_start, uint64_t *ret_end)
{
	struct ss_elf *elf;
	int r;

	g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
	r = ss_tls_unwind_function(elf, address, ret_start, ret_end);
	ss_elf_free(elf);
	return r;
}

static void test_own(void)
{
	ss_autofd int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint64_t address = linked_address(), start = 0, end = 0;

	g_assert_cmpint(one_function(2), ==, 6);
	for (uint64_t at = address; at < address + 3; at++) {
		g_assert_cmpint(function_at(fd, at, &start, &end), ==, 0);
		g_assert_cmpuint(start, ==, address);
	}
	g_assert_cmpint(function_at(fd, end - 1, &start, &end), ==, 0);
	g_assert_cmpuint(start, ==, address);
	g_assert_cmpint(function_at(fd, 1, &start, &end), ==, -ENOENT);
	g_assert_cmpint(function_at(fd, UINT64_MAX, &start, &end), ==, -ENOENT);
}

/* A copy of this program with one byte of the table changed. */
static int copy_with(uint64_t at, uint8_t byte)
{
	g_autofree char *bytes = NULL;
	struct ss_elf_table table;
	struct ss_elf *elf;
	gsize length;
	int fd = memfd_create("copy", MFD_CLOEXEC);

	g_assert_true(g_file_get_contents("/proc/self/exe", &bytes, &length, NULL));
	g_assert_true(write(fd, bytes, length) == (ssize_t)length);
	g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
	g_assert_cmpint(ss_elf_unwind_table(elf, &table), ==, 0);
	ss_elf_free(elf);
	g_assert_true(pwrite(fd, &byte, 1, (off_t)(table.offset + at)) == 1);
	return fd;
}

static void test_unknown_encodings(void)
{
	uint64_t start, end;

	for (uint64_t at = 0; at < 4; at++) {
		ss_autofd int fd = copy_with(at, 0xff);

		g_assert_cmpint(function_at(fd, linked_address(), &start, &end), ==, -ENOENT);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-unwind/own-program", test_own);
	g_test_add_func("/tls-unwind/unknown-encodings", test_unknown_encodings);
	return g_test_run();
}
