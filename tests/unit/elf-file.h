/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small ELF files for tests: one segment with everything in it, at ELF_BASE; the functions' code is
 * 16 bytes of NOP each, at the beginning of the text.
 */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#define ELF_BASE     0x10000u
#define ELF_FUNCTION 16u /* bytes of code for each */

struct elf_file {
	/* What it shall be; zeros are fine. */
	uint16_t machine;             /* 0: EM_X86_64 */
	const char *build_id;         /* NULL: none */
	const char *soname;           /* NULL: none */
	const char *const *functions; /* names, NULL-terminated; NULL: none */
	bool full;                    /* in .symtab, without a dynamic section */
	bool gnu_hash;                /* DT_GNU_HASH counts the symbols, not DT_HASH */
	bool undefined;               /* the functions are imported */
	const void *data;             /* any bytes behind the code, 16-aligned */
	size_t data_length;
	/* What it is. */
	GByteArray *bytes;
	uint64_t text, data_offset; /* offsets in the file */
};

static inline uint64_t elf_file_align(struct elf_file *file)
{
	static const uint8_t zeros[16];

	g_byte_array_append(file->bytes, zeros, -file->bytes->len % 16);
	return file->bytes->len;
}

static inline uint64_t elf_file_add(struct elf_file *file, const void *data, size_t length)
{
	uint64_t offset = elf_file_align(file);

	g_byte_array_append(file->bytes, data, (guint)length);
	return offset;
}

/* Every function's symbol; their names into strings. */
static inline GByteArray *elf_file_symbols(const struct elf_file *file, GString *strings)
{
	GByteArray *symbols = g_byte_array_new();
	Elf64_Sym symbol = {0};

	g_byte_array_append(symbols, (const uint8_t *)&symbol, sizeof(symbol));
	for (size_t i = 0; file->functions && file->functions[i]; i++) {
		symbol = (Elf64_Sym){
			.st_name = (uint32_t)strings->len,
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = file->undefined ? SHN_UNDEF : 1,
			.st_value = ELF_BASE + file->text + ELF_FUNCTION * i,
			.st_size = ELF_FUNCTION,
		};
		g_string_append_len(strings, file->functions[i],
				    (gssize)strlen(file->functions[i]) + 1);
		g_byte_array_append(symbols, (const uint8_t *)&symbol, sizeof(symbol));
	}
	return symbols;
}

static inline void elf_file_segment(struct elf_file *file, unsigned index, uint32_t type,
				    uint64_t offset, uint64_t size)
{
	Elf64_Phdr header = {
		.p_type = type,
		.p_flags = PF_R | PF_X,
		.p_offset = offset,
		.p_vaddr = ELF_BASE + offset,
		.p_filesz = size,
		.p_memsz = size,
	};

	memcpy(file->bytes->data + sizeof(Elf64_Ehdr) + index * sizeof(header), &header,
	       sizeof(header));
}

static inline void elf_file_dynamic(struct elf_file *file)
{
	g_autoptr(GString) strings = g_string_new_len("", 1);
	g_autoptr(GByteArray) symbols = elf_file_symbols(file, strings);
	uint32_t count = symbols->len / (uint32_t)sizeof(Elf64_Sym);
	uint32_t hash[] = {1, count, 0};
	/* one bucket, one empty bloom word; the chain ends at the last symbol */
	g_autofree uint32_t *gnu_hash = g_new0(uint32_t, 7 + count);
	uint64_t soname = strings->len, hash_offset;
	Elf64_Dyn dynamic[8] = {{0}};
	unsigned n = 0;

	if (file->soname)
		g_string_append_len(strings, file->soname, (gssize)strlen(file->soname) + 1);
	memcpy(gnu_hash, (uint32_t[]){1, 1, 1, 0, 0, 0, count > 1 ? 1 : 0}, 7 * 4);
	if (count > 1)
		gnu_hash[7 + count - 2] = 1;
	hash_offset = file->gnu_hash ? elf_file_add(file, gnu_hash, 4 * (7 + count))
				     : elf_file_add(file, hash, sizeof(hash));
	dynamic[n++] =
		(Elf64_Dyn){file->gnu_hash ? DT_GNU_HASH : DT_HASH, {ELF_BASE + hash_offset}};
	dynamic[n++] = (Elf64_Dyn){DT_SYMTAB,
				   {ELF_BASE + elf_file_add(file, symbols->data, symbols->len)}};
	dynamic[n++] =
		(Elf64_Dyn){DT_STRTAB, {ELF_BASE + elf_file_add(file, strings->str, strings->len)}};
	dynamic[n++] = (Elf64_Dyn){DT_STRSZ, {strings->len}};
	if (file->soname)
		dynamic[n++] = (Elf64_Dyn){DT_SONAME, {soname}};
	elf_file_segment(file, 1, PT_DYNAMIC, elf_file_add(file, dynamic, sizeof(dynamic)),
			 sizeof(dynamic));
}

/* Returns the offset of the section headers. */
static inline uint64_t elf_file_sections(struct elf_file *file)
{
	g_autoptr(GString) strings = g_string_new_len("", 1);
	g_autoptr(GByteArray) symbols = elf_file_symbols(file, strings);
	Elf64_Shdr sections[3] = {{0}};

	sections[1] = (Elf64_Shdr){
		.sh_type = SHT_SYMTAB,
		.sh_offset = elf_file_add(file, symbols->data, symbols->len),
		.sh_size = symbols->len,
		.sh_link = 2,
		.sh_entsize = sizeof(Elf64_Sym),
	};
	sections[2] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB,
		.sh_offset = elf_file_add(file, strings->str, strings->len),
		.sh_size = strings->len,
	};
	return elf_file_add(file, sections, sizeof(sections));
}

static inline void elf_file_note(struct elf_file *file)
{
	uint32_t length = (uint32_t)strlen(file->build_id);
	uint32_t header[] = {4, length, NT_GNU_BUILD_ID};
	g_autoptr(GByteArray) note = g_byte_array_new();

	g_byte_array_append(note, (const uint8_t *)header, sizeof(header));
	g_byte_array_append(note, (const uint8_t *)"GNU", 4);
	g_byte_array_append(note, (const uint8_t *)file->build_id, length);
	elf_file_segment(file, 2, PT_NOTE, elf_file_add(file, note->data, note->len), note->len);
}

static inline void elf_file_init(struct elf_file *file)
{
	Elf64_Ehdr header = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = file->machine ? file->machine : EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
	uint8_t programs[3 * sizeof(Elf64_Phdr)] = {0}, nops[ELF_FUNCTION];

	memset(nops, 0x90, sizeof(nops));
	file->bytes = g_byte_array_new();
	g_byte_array_append(file->bytes, (const uint8_t *)&header, sizeof(header));
	g_byte_array_append(file->bytes, programs, sizeof(programs));
	file->text = elf_file_align(file);
	for (size_t i = 0; file->functions && file->functions[i]; i++)
		g_byte_array_append(file->bytes, nops, sizeof(nops));
	file->data_offset = elf_file_add(file, file->data, file->data_length);
	if (file->build_id)
		elf_file_note(file);
	if (file->full) {
		header.e_shoff = elf_file_sections(file);
		header.e_shnum = 3;
		memcpy(file->bytes->data, &header, sizeof(header));
	} else {
		elf_file_dynamic(file);
	}
	elf_file_segment(file, 0, PT_LOAD, 0, file->bytes->len);
}

static inline void elf_file_deinit(struct elf_file *file)
{
	g_clear_pointer(&file->bytes, g_byte_array_unref);
}

/* An open file of these bytes that nobody else sees. */
static inline int elf_file_open_bytes(const void *bytes, size_t length)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(write(fd, bytes, length), ==, (ssize_t)length);
	return fd;
}

static inline int elf_file_open(const struct elf_file *file)
{
	return elf_file_open_bytes(file->bytes->data, file->bytes->len);
}

#endif
