/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Go program in small: code, its table (layout of Go 1.20), build information, module data. The
 * real ones are in tests/tls/returns.py.
 */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "elf-file.h"
#include "error.h"
#include "tls/golang.h"
#include "tls/library.h"

#define FUNCTIONS 32u
#define SIZE      32u /* of each function's code */
#define RETURN_AT 24u

/* Where things are in the data. */
#define TABLE      (FUNCTIONS * SIZE)
#define NAMES      (TABLE + 72)
#define NAMES_SIZE 1024
#define PCSP       (NAMES + NAMES_SIZE)
#define ENTRIES    (PCSP + 16)
#define STRUCTS    (ENTRIES + 8 * FUNCTIONS + 8)
#define INFO       ((STRUCTS + 32 * FUNCTIONS + 15) / 16 * 16)
#define MODULE     (INFO + 64)
#define DATA_SIZE  (MODULE + 0xb8)

struct program {
	struct elf_file file;
	uint8_t data[DATA_SIZE];
};

static const char *const names[] = {
	"crypto/tls.(*Config).writeKeyLog", "crypto/tls.(*Conn).Read",
	"crypto/tls.(*Conn).Write",         "crypto/tls.(*Conn).Close",
	"example.com/utls.(*Conn).Read",    "example.com/utls.(*Config).writeKeyLog",
	"example.com/smtp.(*Conn).Read",    "main.main",
};

static void put_u32(uint8_t *data, uint32_t value)
{
	value = GUINT32_TO_LE(value);
	memcpy(data, &value, sizeof(value));
}

static void put_u64(uint8_t *data, uint64_t value)
{
	value = GUINT64_TO_LE(value);
	memcpy(data, &value, sizeof(value));
}

/* Frame of 8 bytes, return, something that jumps back. */
static void put_code(struct program *program)
{
	static const uint8_t pcsp[] = {2, 4, 16, RETURN_AT - 4, 15, 1, 16, SIZE - RETURN_AT - 1, 0};

	for (unsigned i = 0; i < FUNCTIONS; i++) {
		memset(program->data + i * SIZE, 0x90, SIZE);
		program->data[i * SIZE + RETURN_AT] = 0xc3;
	}
	memcpy(program->data + PCSP + 1, pcsp, sizeof(pcsp));
}

static void put_functions(struct program *program)
{
	uint32_t name = 1;

	for (unsigned i = 0; i < FUNCTIONS; i++) {
		uint8_t *function = program->data + STRUCTS + 32 * i;

		put_u32(program->data + ENTRIES + 8 * i, i * SIZE);
		put_u32(program->data + ENTRIES + 8 * i + 4, STRUCTS - ENTRIES + 32 * i);
		put_u32(function, i * SIZE);
		put_u32(function + 16, 1); /* pcsp */
		if (i < G_N_ELEMENTS(names)) {
			put_u32(function + 4, name);
			memcpy(program->data + NAMES + name, names[i], strlen(names[i]));
			name += (uint32_t)strlen(names[i]) + 1;
		}
	}
	put_u32(program->data + ENTRIES + 8 * FUNCTIONS, FUNCTIONS * SIZE);
}

/* text: what the header says; addresses count from where the data will be. */
static void program_init(struct program *program, const char *version, bool text_in_header)
{
	static const uint64_t places[] = {FUNCTIONS,      1, 0, NAMES - TABLE, 0, 0, PCSP - TABLE,
					  ENTRIES - TABLE};
	uint64_t base;

	*program = (struct program){.file = {.data = program->data, .data_length = DATA_SIZE}};
	put_code(program);
	put_functions(program);
	memcpy(program->data + TABLE, "\xf1\xff\xff\xff\0\0\x01\x08", 8);
	for (unsigned i = 0; i < G_N_ELEMENTS(places); i++)
		put_u64(program->data + TABLE + 8 + 8 * i, places[i]);
	if (version) {
		memcpy(program->data + INFO, "\xff Go buildinf:\x08\x02", 16);
		program->data[INFO + 32] = (uint8_t)strlen(version);
		memcpy(program->data + INFO + 33, version, strlen(version));
	}
	elf_file_init(&program->file);
	base = ELF_BASE + program->file.data_offset;
	program->file.data = NULL;
	if (text_in_header)
		put_u64(program->file.bytes->data + program->file.data_offset + TABLE + 24, base);
	put_u64(program->file.bytes->data + program->file.data_offset + MODULE, base + TABLE);
	put_u64(program->file.bytes->data + program->file.data_offset + MODULE + 8, base + NAMES);
	put_u64(program->file.bytes->data + program->file.data_offset + MODULE + 0xb0, base);
}

static int read_program(struct program *program, struct ss_golang *ret_golang)
{
	ss_autofd int fd = elf_file_open(&program->file);
	struct ss_elf *elf;
	int r;

	g_assert_cmpint(ss_elf_new(fd, &elf), ==, 0);
	r = ss_golang_read(elf, ret_golang);
	ss_elf_free(elf);
	return r;
}

/* How many points of the function lie at this distance from the code's start. */
static unsigned count(const struct ss_golang *golang, const struct program *program,
		      enum ss_tls_function function, uint64_t at, uint32_t flags)
{
	unsigned found = 0;

	for (guint i = 0; i < golang->points->len; i++) {
		const struct ss_tls_point *point =
			&g_array_index(golang->points, struct ss_tls_point, i);

		found += point->function == function && point->flags == flags &&
			 point->offset == program->file.data_offset + at;
	}
	return found;
}

static void check(const char *version, bool text_in_header, uint32_t flags)
{
	struct program program;
	struct ss_golang golang;

	program_init(&program, version, text_in_header);
	g_assert_cmpint(read_program(&program, &golang), ==, 0);
	g_assert_cmpstr(golang.version, ==, version);
	g_assert_true(golang.tables);
	g_assert_cmpuint(golang.points->len, ==, 9);
	g_assert_cmpuint(count(&golang, &program, SS_TLS_GO_KEYLOG, 0, flags), ==, 1);
	g_assert_cmpuint(count(&golang, &program, SS_TLS_GO_READ, SIZE, flags), ==, 1);
	g_assert_cmpuint(count(&golang, &program, SS_TLS_GO_READ_RET, SIZE + RETURN_AT, flags), ==,
			 1);
	g_assert_cmpuint(count(&golang, &program, SS_TLS_GO_WRITE, 2 * SIZE, flags), ==, 1);
	g_assert_cmpuint(count(&golang, &program, SS_TLS_GO_WRITE_RET, 2 * SIZE + RETURN_AT, flags),
			 ==, 1);
	g_assert_cmpuint(count(&golang, &program, SS_TLS_GO_CLOSE, 3 * SIZE, flags), ==, 1);
	/* a copy of crypto/tls; what merely has a Conn is none */
	g_assert_cmpuint(count(&golang, &program, SS_TLS_GO_READ, 4 * SIZE, flags), ==, 1);
	g_assert_cmpuint(count(&golang, &program, SS_TLS_GO_KEYLOG, 5 * SIZE, flags), ==, 1);
	ss_golang_deinit(&golang);
	elf_file_deinit(&program.file);
}

static void test_text_in_header(void)
{
	check("go1.23.5", true, 0);
}

/* Go 1.26 has the beginning of the text in the module data only. */
static void test_text_in_module(void)
{
	check("go1.26.10", false, 0);
}

static void test_arguments(void)
{
	check("go1.16.15", true, SS_TLS_POINT_GO_STACK);
	check("go1.17", true, 0);
	check("devel go1.21-9c6f6d9", true, 0);
	check(NULL, true, 0); /* told by the table */
}

/* Code that does not do what the table says: another program's table. */
static void test_wrong_table(void)
{
	struct program program;
	struct ss_golang golang;

	program_init(&program, "go1.23.5", true);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		program.file.bytes->data[program.file.data_offset + i * SIZE + RETURN_AT] = 0x90;
	g_assert_cmpint(read_program(&program, &golang), ==, 0);
	g_assert_false(golang.tables);
	g_assert_cmpuint(golang.points->len, ==, 0);
	ss_golang_deinit(&golang);
	elf_file_deinit(&program.file);
}

static void test_no_go(void)
{
	struct program program;
	struct ss_golang golang = {};

	program_init(&program, NULL, true);
	program.file.bytes->data[program.file.data_offset + TABLE] = 0;
	g_assert_cmpint(read_program(&program, &golang), ==, -ENOENT);
	g_assert_null(golang.points);
	elf_file_deinit(&program.file);
}

static void check_kind(struct program *program, enum ss_tls_library_kind kind, const char *detail)
{
	ss_autofd int fd = elf_file_open(&program->file);
	struct ss_tls_library library;

	g_assert_cmpint(ss_tls_library_read(fd, "/app", &library, NULL), ==, 0);
	g_assert_cmpint(library.kind, ==, kind);
	g_assert_cmpstr(library.detail, ==, detail);
	g_assert_cmpint(library.keys, ==, kind == SS_TLS_LIBRARY_GO);
	g_assert_cmpint(library.plaintext, ==, kind == SS_TLS_LIBRARY_GO);
	ss_tls_library_deinit(&library);
	elf_file_deinit(&program->file);
}

static void test_library(void)
{
	struct program program;

	program_init(&program, "go1.23.5", true);
	check_kind(&program, SS_TLS_LIBRARY_GO, "Go go1.23.5");
	/* obfuscated: no table with that magic */
	program_init(&program, "go1.23.5", true);
	program.file.bytes->data[program.file.data_offset + TABLE] = 0x12;
	check_kind(&program, SS_TLS_LIBRARY_GO_OBFUSCATED, "Go go1.23.5");
	/* no TLS in it */
	program_init(&program, "go1.23.5", true);
	memset(program.file.bytes->data + program.file.data_offset + NAMES, 'x', NAMES_SIZE - 1);
	check_kind(&program, SS_TLS_LIBRARY_NONE, NULL);
	/* nothing but UPX's loader */
	program_init(&program, NULL, true);
	memcpy(program.file.bytes->data + 64 + 3 * 56, "UPX!", 4);
	check_kind(&program, SS_TLS_LIBRARY_GO_OBFUSCATED, "packed by UPX");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tls-golang/text-in-header", test_text_in_header);
	g_test_add_func("/tls-golang/text-in-module", test_text_in_module);
	g_test_add_func("/tls-golang/arguments", test_arguments);
	g_test_add_func("/tls-golang/wrong-table", test_wrong_table);
	g_test_add_func("/tls-golang/no-go", test_no_go);
	g_test_add_func("/tls-golang/library", test_library);
	return g_test_run();
}
