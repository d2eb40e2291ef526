/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Votes for ssl_log_secret in code made here; a real one: tests/unit/tls-points on a bun program.
 */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "elf-file.h"
#include "error.h"
#include "tls/boringssl.h"
#include "tls/library.h"

#define LABELS 4u
#define TARGET 0x200u /* of the calls, in the data; 16-aligned */
#define CODE   0x300u
#define STEP   64u
#define SIZE   0x800u

static const char *const labels[LABELS] = {
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	"SERVER_HANDSHAKE_TRAFFIC_SECRET",
	"CLIENT_TRAFFIC_SECRET_0",
	"EXPORTER_SECRET",
};

static void put_u32(uint8_t *data, uint32_t value)
{
	value = GUINT32_TO_LE(value);
	memcpy(data, &value, sizeof(value));
}

static void put_labels(uint8_t *data)
{
	for (unsigned i = 0; i < LABELS; i++)
		memcpy(data + 48 * i, labels[i], strlen(labels[i]));
	memcpy(data + 48 * LABELS, "x/ssl/ssl_lib.cc", 16);
}

/* lea label(%rip), %rsi; something; call target */
static void put_x86(uint8_t *data, unsigned label, uint32_t target)
{
	uint32_t at = CODE + label * STEP;

	memcpy(data + at, "\x48\x8d\x35", 3);
	put_u32(data + at + 3, 48 * label - (at + 7));
	memcpy(data + at + 7, "\xe8\x01\0\0\0", 5); /* to nothing that is 16-aligned */
	data[at + 12] = 0xe8;
	put_u32(data + at + 13, target - (at + 17));
}

/* adrp x1, page; nop; add x1, x1, rest; bl target. address: of the data. */
static void put_arm64(uint8_t *data, unsigned label, uint32_t target, uint32_t address)
{
	uint32_t at = CODE + label * STEP, to = address + 48 * label;
	uint32_t pages = (to >> 12) - ((address + at) >> 12);

	put_u32(data + at, 0x90000001 | (pages & 3) << 29 | (pages >> 2 & 0x7ffff) << 5);
	put_u32(data + at + 4, 0xd503201f);
	put_u32(data + at + 8, 0x91000021 | (to & 0xfff) << 10);
	put_u32(data + at + 12, 0x94000000 | ((target - (at + 12)) >> 2 & 0x3ffffff));
}

static int find(uint16_t machine, const uint32_t *targets, uint64_t *ret_offset)
{
	uint8_t data[SIZE] = {0};
	struct elf_file file = {.machine = machine, .data = data, .data_length = sizeof(data)};
	struct ss_elf *elf;
	ss_autofd int fd = -1;
	int r;

	put_labels(data);
	/* the data are at the same place in every such file: behind the headers */
	for (unsigned i = 0; i < LABELS; i++) {
		if (machine == EM_AARCH64)
			put_arm64(data, i, targets[i], ELF_BASE + 240);
		else
			put_x86(data, i, targets[i]);
	}
	elf_file_init(&file);
	g_assert_cmpuint(file.data_offset, ==, 240);
	fd = elf_file_open(&file);
	g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
	r = ss_boringssl_find(elf, ret_offset);
	ss_elf_free(elf);
	elf_file_deinit(&file);
	return r;
}

static void check(uint16_t machine)
{
	static const uint32_t agreed[] = {TARGET, TARGET, TARGET + 16, TARGET};
	static const uint32_t tied[] = {TARGET, TARGET, TARGET + 16, TARGET + 16};
	uint64_t offset = 0;

	g_assert_cmpint(find(machine, agreed, &offset), ==, 0);
	g_assert_cmpuint(offset, ==, 240 + TARGET);
	g_assert_cmpint(find(machine, tied, &offset), ==, -ENOENT);
}

static void test_x86(void)
{
	check(EM_X86_64);
}

static void test_arm64(void)
{
	check(EM_AARCH64);
}

static void read_library(const uint8_t *data, struct ss_tls_library *ret_library)
{
	struct elf_file file = {.data = data, .data_length = SIZE};
	ss_autofd int fd = -1;

	elf_file_init(&file);
	fd = elf_file_open(&file);
	g_assert_cmpint(ss_tls_library_read(fd, "/app", ret_library, NULL), ==, 0);
	elf_file_deinit(&file);
}

static void test_library(void)
{
	struct ss_tls_library library;
	uint8_t data[SIZE] = {0};

	put_labels(data);
	for (unsigned i = 0; i < LABELS; i++)
		put_x86(data, i, TARGET);
	read_library(data, &library);
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_BORINGSSL);
	g_assert_true(library.keys && !library.plaintext && library.unproven == SS_TLS_PART_KEYS);
	g_assert_cmpuint(library.points->len, ==, 1);
	ss_tls_library_deinit(&library);

	/* labels alone: somebody who reads key logs */
	memset(data + 48 * LABELS, 0, 16);
	read_library(data, &library);
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_NONE);
	ss_tls_library_deinit(&library);

	strcpy((char *)data + 48 * LABELS, "OpenSSL 3.0.17 1 Jul 2025");
	read_library(data, &library);
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_OTHER);
	g_assert_cmpstr(library.detail, ==, "OpenSSL 3.0.17, built in without symbols");
	ss_tls_library_deinit(&library);

	memset(data, 0, sizeof(data));
	strcpy((char *)data, "CLIENT_RANDOMCLIENT_HANDSHAKE_TRAFFIC_SECRETSERVER_"
			     "HANDSHAKE_TRAFFIC_SECRET/cargo/tokio-rustls-0.26.6/src/lib.rs/cargo/"
			     "rustls-0.23.40/src/lib.rs");
	read_library(data, &library);
	g_assert_cmpint(library.kind, ==, SS_TLS_LIBRARY_RUSTLS);
	g_assert_cmpstr(library.detail, ==, "rustls 0.23.40");
	g_assert_cmpuint(library.points->len, ==, 0);
	ss_tls_library_deinit(&library);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-boringssl/x86", test_x86);
	g_test_add_func("/tls-boringssl/arm64", test_arm64);
	g_test_add_func("/tls-boringssl/library", test_library);
	return g_test_run();
}
