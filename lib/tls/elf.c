/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything is read with pread() into buffers of our own, never mapped: whoever owns the file may
 * shorten it at any moment, and a mapping would answer that with SIGBUS. A few cached pages make
 * small reads cheap; long passes have a buffer for themselves. Memory does not grow with the file,
 * and every loop ends by a limit that no real file reaches.
 */
#include "tls/elf.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "cursor.h"

#define CACHE_PAGE   (64 * 1024)
#define CACHE_PAGES  8
#define SEGMENTS_MAX 64
#define HEADERS_MAX  256 /* program headers */
#define SECTIONS_MAX 65536
#define DYNAMICS_MAX 1024
#define NOTES_MAX    65536               /* bytes */
#define BUDGET       (UINT64_C(4) << 30) /* bytes read in all passes together: some seconds */

struct page {
	uint64_t number; /* offset / CACHE_PAGE */
	size_t length;   /* valid bytes; 0: nothing cached */
	uint8_t *data;
};

struct ss_elf {
	int fd;
	uint64_t size;
	uint64_t budget; /* bytes that may still be read */
	uint16_t machine;
	bool fixed;
	struct ss_elf_segment segments[SEGMENTS_MAX];
	size_t segment_count;
	struct ss_elf_range notes[8];
	size_t note_count;
	struct ss_elf_range dynamic;
	struct ss_elf_table unwind; /* offset 0: none */
	struct ss_elf_symbol_table dynamic_symbols, full_symbols;
	struct ss_elf_range relocations; /* Elf64_Rela */
	uint64_t soname;                 /* in the dynamic strings, 0: none */
	struct page pages[CACHE_PAGES];
};

ssize_t ss_elf_read_some(struct ss_elf *elf, void *data, size_t length, uint64_t offset)
{
	size_t done = 0;

	if (length > elf->budget)
		return -EFBIG;
	elf->budget -= length;
	while (done < length) {
		ssize_t n = pread(elf->fd, (uint8_t *)data + done, length - done,
				  (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static const struct page *get_page(struct ss_elf *elf, uint64_t number)
{
	struct page *page = &elf->pages[number % CACHE_PAGES];
	ssize_t length;

	if (page->length && page->number == number)
		return page;
	if (!page->data)
		page->data = g_malloc(MIN(CACHE_PAGE, elf->size));
	length = ss_elf_read_some(elf, page->data, MIN(CACHE_PAGE, elf->size), number * CACHE_PAGE);
	page->length = length > 0 ? (size_t)length : 0;
	page->number = number;
	return page;
}

/* Is [offset, offset + length) within the file? */
static bool inside(const struct ss_elf *elf, uint64_t offset, uint64_t length)
{
	return offset <= elf->size && length <= elf->size - offset;
}

int ss_elf_read(struct ss_elf *elf, uint64_t offset, void *ret_data, size_t length)
{
	uint8_t *data = ret_data;

	if (!inside(elf, offset, length))
		return -EBADMSG;
	while (length) {
		const struct page *page = get_page(elf, offset / CACHE_PAGE);
		size_t start = offset % CACHE_PAGE, n;

		if (page->length <= start) /* it was shortened */
			return -EBADMSG;
		n = MIN(length, page->length - start);
		memcpy(data, page->data + start, n);
		data += n;
		offset += n;
		length -= n;
	}
	return 0;
}

int ss_elf_read_u32(struct ss_elf *elf, uint64_t offset, uint32_t *ret_value)
{
	uint32_t value;
	int r = ss_elf_read(elf, offset, &value, sizeof(value));

	if (r < 0)
		return r;
	*ret_value = GUINT32_FROM_LE(value);
	return 0;
}

int ss_elf_read_u64(struct ss_elf *elf, uint64_t offset, uint64_t *ret_value)
{
	uint64_t value;
	int r = ss_elf_read(elf, offset, &value, sizeof(value));

	if (r < 0)
		return r;
	*ret_value = GUINT64_FROM_LE(value);
	return 0;
}

int ss_elf_read_text(struct ss_elf *elf, uint64_t offset, char *ret_text, size_t size)
{
	size_t length;
	int r;

	if (offset >= elf->size)
		return -EBADMSG;
	length = (size_t)MIN(elf->size - offset, size - 1);
	r = ss_elf_read(elf, offset, ret_text, length);
	if (r < 0)
		return r;
	ret_text[length] = '\0';
	return 0;
}

/* Segments. */

static void add_segment(struct ss_elf *elf, uint32_t flags, uint64_t offset, uint64_t address,
			uint64_t size)
{
	struct ss_elf_segment *segment = &elf->segments[elf->segment_count];

	if (elf->segment_count == SEGMENTS_MAX || offset >= elf->size)
		return;
	size = MIN(size, elf->size - offset);
	if (size == 0 || address > UINT64_MAX - size)
		return;
	*segment = (struct ss_elf_segment){offset, address, size, flags & PF_X, flags & PF_W};
	elf->segment_count++;
}

static int read_program_header(struct ss_elf *elf, struct ss_cursor header)
{
	uint64_t offset, address, physical, size;
	uint32_t type, flags;

	if (ss_cursor_u32(&header, &type) < 0 || ss_cursor_u32(&header, &flags) < 0 ||
	    ss_cursor_u64(&header, &offset) < 0 || ss_cursor_u64(&header, &address) < 0 ||
	    ss_cursor_u64(&header, &physical) < 0 || ss_cursor_u64(&header, &size) < 0)
		return -EBADMSG;
	switch (type) {
	case PT_LOAD:
		add_segment(elf, flags, offset, address, size);
		break;
	case PT_DYNAMIC:
		elf->dynamic = (struct ss_elf_range){offset, size};
		break;
	case PT_GNU_EH_FRAME:
		elf->unwind = (struct ss_elf_table){offset, address};
		break;
	case PT_NOTE:
		if (elf->note_count < G_N_ELEMENTS(elf->notes))
			elf->notes[elf->note_count++] = (struct ss_elf_range){offset, size};
		break;
	}
	return 0;
}

int ss_elf_unwind_table(const struct ss_elf *elf, struct ss_elf_table *ret_table)
{
	if (!elf->unwind.offset)
		return -ENOENT;
	*ret_table = elf->unwind;
	return 0;
}

static int to_offset(const struct ss_elf *elf, uint64_t address, bool code, uint64_t *ret_offset)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct ss_elf_segment *segment = &elf->segments[i];

		if (address < segment->address || address - segment->address >= segment->size ||
		    (code && !segment->executable))
			continue;
		*ret_offset = segment->offset + (address - segment->address);
		return 0;
	}
	return -EBADMSG;
}

int ss_elf_to_offset(const struct ss_elf *elf, uint64_t address, uint64_t *ret_offset)
{
	return to_offset(elf, address, false, ret_offset);
}

int ss_elf_code_offset(const struct ss_elf *elf, uint64_t address, uint64_t *ret_offset)
{
	return to_offset(elf, address, true, ret_offset);
}

int ss_elf_to_address(const struct ss_elf *elf, uint64_t offset, uint64_t *ret_address)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct ss_elf_segment *segment = &elf->segments[i];

		if (offset < segment->offset || offset - segment->offset >= segment->size)
			continue;
		*ret_address = segment->address + (offset - segment->offset);
		return 0;
	}
	return -EBADMSG;
}

/* The dynamic section, which needs no section headers. */

/* The chain that begins last holds the last symbol; bit 0 ends a chain. */
static uint64_t count_gnu_hash(struct ss_elf *elf, uint64_t offset)
{
	uint32_t buckets, first, bloom, last = 0, hash;
	uint64_t chain;

	if (ss_elf_read_u32(elf, offset, &buckets) < 0 ||
	    ss_elf_read_u32(elf, offset + 4, &first) < 0 ||
	    ss_elf_read_u32(elf, offset + 8, &bloom) < 0 || buckets > SS_ELF_SYMBOLS_MAX)
		return 0;
	offset += 16 + (uint64_t)bloom * 8;
	for (uint32_t i = 0; i < buckets; i++) {
		uint32_t bucket;

		if (ss_elf_read_u32(elf, offset + 4 * (uint64_t)i, &bucket) < 0)
			return 0;
		last = MAX(last, bucket);
	}
	if (last < first)
		return first;
	chain = offset + 4 * (uint64_t)buckets;
	for (; last < SS_ELF_SYMBOLS_MAX; last++) {
		if (ss_elf_read_u32(elf, chain + 4 * (uint64_t)(last - first), &hash) < 0)
			return 0;
		if (hash & 1)
			break;
	}
	return (uint64_t)last + 1;
}

static void read_dynamic(struct ss_elf *elf)
{
	uint64_t symbols = 0, strings = 0, strings_size = 0, hash = 0, gnu_hash = 0;
	uint64_t relocations = 0, relocations_size = 0, count = 0;
	uint32_t value;

	for (uint64_t i = 0; i < MIN(elf->dynamic.size / 16, DYNAMICS_MAX); i++) {
		uint64_t tag, word;

		if (ss_elf_read_u64(elf, elf->dynamic.offset + 16 * i, &tag) < 0 ||
		    ss_elf_read_u64(elf, elf->dynamic.offset + 16 * i + 8, &word) < 0 ||
		    tag == DT_NULL)
			break;
		switch (tag) {
		case DT_SYMTAB:
			symbols = word;
			break;
		case DT_STRTAB:
			strings = word;
			break;
		case DT_STRSZ:
			strings_size = word;
			break;
		case DT_HASH:
			hash = word;
			break;
		case DT_GNU_HASH:
			gnu_hash = word;
			break;
		case DT_RELA:
			relocations = word;
			break;
		case DT_RELASZ:
			relocations_size = word;
			break;
		case DT_SONAME:
			elf->soname = word;
			break;
		}
	}
	if (relocations && ss_elf_to_offset(elf, relocations, &relocations) == 0)
		elf->relocations = (struct ss_elf_range){relocations, relocations_size};
	if (!symbols || !strings || ss_elf_to_offset(elf, symbols, &symbols) < 0 ||
	    ss_elf_to_offset(elf, strings, &strings) < 0)
		return;
	if (hash && ss_elf_to_offset(elf, hash, &hash) == 0 &&
	    ss_elf_read_u32(elf, hash + 4, &value) == 0)
		count = value;
	else if (gnu_hash && ss_elf_to_offset(elf, gnu_hash, &gnu_hash) == 0)
		count = count_gnu_hash(elf, gnu_hash);
	elf->dynamic_symbols.symbols = (struct ss_elf_range){symbols, count * sizeof(Elf64_Sym)};
	elf->dynamic_symbols.strings = (struct ss_elf_range){strings, strings_size};
}

char *ss_elf_soname(struct ss_elf *elf)
{
	char name[256];

	if (!elf->soname || elf->soname >= elf->dynamic_symbols.strings.size ||
	    ss_elf_read_text(elf, elf->dynamic_symbols.strings.offset + elf->soname, name,
			     sizeof(name)) < 0 ||
	    !name[0])
		return NULL;
	return g_strdup(name);
}

/* Sections: only for the symbol table that is not loaded. */

static int read_section(struct ss_elf *elf, uint64_t offset, uint32_t *ret_type,
			struct ss_elf_range *ret_range, uint32_t *ret_link)
{
	uint8_t header[sizeof(Elf64_Shdr)] = {0};
	struct ss_cursor cursor = ss_cursor(header, sizeof(header));
	uint32_t name, type, link;
	uint64_t flags, address, start, size;
	int r = ss_elf_read(elf, offset, header, sizeof(header));

	if (r < 0)
		return r;
	if (ss_cursor_u32(&cursor, &name) < 0 || ss_cursor_u32(&cursor, &type) < 0 ||
	    ss_cursor_u64(&cursor, &flags) < 0 || ss_cursor_u64(&cursor, &address) < 0 ||
	    ss_cursor_u64(&cursor, &start) < 0 || ss_cursor_u64(&cursor, &size) < 0 ||
	    ss_cursor_u32(&cursor, &link) < 0)
		return -EBADMSG;
	*ret_type = type;
	*ret_range = (struct ss_elf_range){start, size};
	*ret_link = link;
	return 0;
}

static void read_sections(struct ss_elf *elf, uint64_t table, uint64_t count)
{
	if (table > elf->size)
		return;
	count = MIN(count, SECTIONS_MAX);
	for (uint64_t i = 0; i < count; i++) {
		struct ss_elf_range symbols, strings;
		uint32_t type, link;

		if (read_section(elf, table + i * sizeof(Elf64_Shdr), &type, &symbols, &link) < 0)
			return;
		if (type != SHT_SYMTAB || link >= count)
			continue;
		if (read_section(elf, table + link * sizeof(Elf64_Shdr), &type, &strings, &link) ==
			    0 &&
		    type == SHT_STRTAB)
			elf->full_symbols = (struct ss_elf_symbol_table){symbols, strings};
		return;
	}
}

static int read_headers(struct ss_elf *elf)
{
	uint8_t header[sizeof(Elf64_Ehdr)] = {0}, program[sizeof(Elf64_Phdr)] = {0};
	struct ss_cursor cursor = ss_cursor(header, sizeof(header));
	uint16_t type, header_size, program_size, programs, section_size, sections;
	uint64_t entry, program_table, section_table;
	uint32_t version, flags;
	int r = ss_elf_read(elf, 0, header, sizeof(header));

	if (r < 0)
		return r;
	if (memcmp(header, ELFMAG, SELFMAG) || header[EI_CLASS] != ELFCLASS64 ||
	    header[EI_DATA] != ELFDATA2LSB)
		return -EBADMSG;
	if (ss_cursor_skip(&cursor, EI_NIDENT) < 0 || ss_cursor_u16(&cursor, &type) < 0 ||
	    ss_cursor_u16(&cursor, &elf->machine) < 0 || ss_cursor_u32(&cursor, &version) < 0 ||
	    ss_cursor_u64(&cursor, &entry) < 0 || ss_cursor_u64(&cursor, &program_table) < 0 ||
	    ss_cursor_u64(&cursor, &section_table) < 0 || ss_cursor_u32(&cursor, &flags) < 0 ||
	    ss_cursor_u16(&cursor, &header_size) < 0 || ss_cursor_u16(&cursor, &program_size) < 0 ||
	    ss_cursor_u16(&cursor, &programs) < 0 || ss_cursor_u16(&cursor, &section_size) < 0 ||
	    ss_cursor_u16(&cursor, &sections) < 0)
		return -EBADMSG;
	if ((type != ET_EXEC && type != ET_DYN) ||
	    (elf->machine != EM_X86_64 && elf->machine != EM_AARCH64) ||
	    program_size != sizeof(Elf64_Phdr) || programs > HEADERS_MAX ||
	    !inside(elf, program_table, (uint64_t)programs * sizeof(Elf64_Phdr)))
		return -EBADMSG;
	elf->fixed = type == ET_EXEC;
	for (unsigned i = 0; i < programs; i++) {
		r = ss_elf_read(elf, program_table + i * sizeof(Elf64_Phdr), program,
				sizeof(program));
		if (r == 0)
			r = read_program_header(elf, ss_cursor(program, sizeof(program)));
		if (r < 0)
			return r;
	}
	read_dynamic(elf);
	if (section_table && section_size == sizeof(Elf64_Shdr))
		read_sections(elf, section_table, sections);
	return 0;
}

int ss_elf_new(int fd, struct ss_elf **ret_elf)
{
	struct ss_elf *elf;
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size < 0)
		return -EBADMSG;
	elf = g_new0(struct ss_elf, 1);
	elf->fd = fd;
	elf->size = (uint64_t)status.st_size;
	elf->budget = BUDGET;
	r = read_headers(elf);
	if (r < 0) {
		ss_elf_free(elf);
		return r;
	}
	*ret_elf = elf;
	return 0;
}

void ss_elf_free(struct ss_elf *elf)
{
	if (!elf)
		return;
	for (size_t i = 0; i < CACHE_PAGES; i++)
		g_free(elf->pages[i].data);
	g_free(elf);
}

uint64_t ss_elf_size(const struct ss_elf *elf)
{
	return elf->size;
}

bool ss_elf_is_fixed(const struct ss_elf *elf)
{
	return elf->fixed;
}

uint16_t ss_elf_machine(const struct ss_elf *elf)
{
	return elf->machine;
}

void ss_elf_symbol_tables(const struct ss_elf *elf,
			  struct ss_elf_symbol_table ret_tables[SS_ELF_SYMBOL_TABLES])
{
	ret_tables[0] = elf->dynamic_symbols;
	ret_tables[1] = elf->full_symbols;
}

struct ss_elf_range ss_elf_relocations(const struct ss_elf *elf)
{
	return elf->relocations;
}

const struct ss_elf_segment *ss_elf_segments(const struct ss_elf *elf, size_t *ret_count)
{
	*ret_count = elf->segment_count;
	return elf->segments;
}

/* Notes: name and description are padded to 4 bytes each. */
static size_t find_build_id(struct ss_cursor notes, uint8_t *ret_id)
{
	uint32_t name_length, length, type;
	const uint8_t *name, *id;

	while (ss_cursor_u32(&notes, &name_length) == 0 && ss_cursor_u32(&notes, &length) == 0 &&
	       ss_cursor_u32(&notes, &type) == 0 &&
	       ss_cursor_bytes(&notes, name_length, &name) == 0 &&
	       ss_cursor_skip(&notes, -name_length & 3) == 0 &&
	       ss_cursor_bytes(&notes, length, &id) == 0) {
		if (type == NT_GNU_BUILD_ID && name_length == 4 && !memcmp(name, "GNU", 4)) {
			length = MIN(length, SS_ELF_BUILD_ID_MAX);
			memcpy(ret_id, id, length);
			return length;
		}
		if (ss_cursor_skip(&notes, -length & 3) < 0)
			break;
	}
	return 0;
}

size_t ss_elf_build_id(struct ss_elf *elf, uint8_t ret_id[SS_ELF_BUILD_ID_MAX])
{
	for (size_t i = 0; i < elf->note_count; i++) {
		size_t size = (size_t)MIN(elf->notes[i].size, NOTES_MAX), length;
		g_autofree uint8_t *notes = g_malloc(size);

		if (ss_elf_read(elf, elf->notes[i].offset, notes, size) < 0)
			continue;
		length = find_build_id(ss_cursor(notes, size), ret_id);
		if (length)
			return length;
	}
	return 0;
}
