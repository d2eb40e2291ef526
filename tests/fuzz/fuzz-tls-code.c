/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as code and data of a program: Go's tables, BoringSSL's calls. The first byte chooses
 * the machine and whether there is a table of functions, the second a relocation table; the ELF
 * headers are made here.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "error.h"
#include "format/tls.h"
#include "tls/boringssl.h"
#include "tls/golang.h"

#define BASE    0x10000u
#define HEADERS 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The dynamic section are the last 48 bytes of the headers. */
static void make_headers(uint8_t *headers, const uint8_t *choice, size_t size)
{
	Elf64_Ehdr file = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
		.e_type = ET_DYN,
		.e_machine = choice[0] & 1 ? EM_AARCH64 : EM_X86_64,
		.e_phoff = sizeof(file),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	Elf64_Phdr programs[2] = {
		{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = BASE},
		{.p_type = PT_DYNAMIC, .p_offset = HEADERS - 48, .p_filesz = 48},
	};
	Elf64_Dyn dynamic[2] = {
		{DT_RELA, {BASE + HEADERS + choice[1] * 8u}},
		{DT_RELASZ, {choice[1] ? 24 * 8 : 0}},
	};

	if (choice[0] & 4)
		file.e_type = ET_EXEC;
	if (choice[0] & 2) /* a table of functions, at the beginning of the data */
		programs[1] = (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME,
					   .p_offset = HEADERS,
					   .p_vaddr = BASE + HEADERS,
					   .p_filesz = size};
	programs[0].p_filesz = programs[0].p_memsz = HEADERS + size;
	memcpy(headers, &file, sizeof(file));
	memcpy(headers + sizeof(file), programs, sizeof(programs));
	memcpy(headers + HEADERS - 48, dynamic, sizeof(dynamic));
}

static void read_program(struct ss_elf *elf, size_t size)
{
	struct ss_boringssl_calls calls;
	struct ss_golang golang;
	uint64_t offset;

	if (ss_golang_read(elf, &golang) == 0) {
		for (guint i = 0; i < golang.points->len; i++)
			g_assert_cmpuint(
				g_array_index(golang.points, struct ss_tls_point, i).offset, <,
				HEADERS + size);
		ss_golang_deinit(&golang);
	}
	if (ss_boringssl_find_calls(elf, HEADERS + 0x40, &calls) == 0)
		g_assert_true(calls.read < HEADERS + size && calls.write < HEADERS + size);
	if (ss_boringssl_find(elf, &offset) == 0)
		g_assert_cmpuint(offset, <, HEADERS + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ss_autofd int fd = memfd_create("code", MFD_CLOEXEC);
	uint8_t headers[HEADERS] = {0};
	struct ss_elf *elf;

	if (fd < 0 || size < 2)
		return 0;
	make_headers(headers, data, size - 2);
	if (write(fd, headers, sizeof(headers)) != sizeof(headers) ||
	    write(fd, data + 2, size - 2) != (ssize_t)(size - 2) || ss_elf_new(fd, &elf) < 0)
		return 0;
	read_program(elf, size - 2);
	ss_elf_free(elf);
	return 0;
}
