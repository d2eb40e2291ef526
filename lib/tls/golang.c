/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Go runtime needs a table of all functions to walk stacks (pclntab), so it is in stripped
 * programs too. Its header begins with a magic number and is looked for in all of the file, because
 * sections have other names in every kind of link, or none. Layouts: debug/gosym and
 * runtime/symtab.go of Go 1.2, 1.16, 1.18 and 1.20, which differ in what is an address and what an
 * offset.
 *
 * Offsets of functions count from the beginning of the text, which is in the header (1.18 to 1.25)
 * or only in the runtime's moduledata (since 1.26). Linkers, relocations and copies of other
 * programs within the file make either wrong now and then; so a table is believed only if
 * functions return where it says that they do.
 *
 * Return instructions need no disassembler on x86-64: right before one, the distance between stack
 * pointer and frame (pcsp table) is zero again in the middle of a function.
 */
#include "tls/golang.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "format/tls.h"
#include "tls/elf_pointers.h"
#include "tls/elf_search.h"

#define SCAN_MAX      (UINT64_C(1) << 30) /* bytes */
#define TABLES_MAX    8                   /* places that look like one */
#define MODULES_MAX   8                   /* places that point to one */
#define FUNCTIONS_MAX (1024 * 1024)
#define NAMES_MAX     (256 * 1024 * 1024) /* bytes of names */
#define GO_NAME_MAX   256                 /* of a function that is looked for, with its package */
#define HITS_MAX      1024                /* names that end as one looked for */
#define CODE_MAX      (64 * 1024)         /* of such a function, bytes */
#define PCSP_MAX      4096                /* bytes of its table */
#define SAMPLES       256                 /* functions that must return as the table says */
#define SAMPLES_GOOD  8

#define RET_X86   0xc3
#define RET_ARM64 0xd65f03c0u

/* Ends of names. What comes before is the package: "crypto/tls", "github.com/…/utls". */
static const struct {
	const char *suffix;
	enum ss_tls_function entry, ret; /* SS_TLS_FUNCTIONS: none */
} wanted[] = {
	{".(*Config).writeKeyLog", SS_TLS_GO_KEYLOG, SS_TLS_FUNCTIONS},
	{".(*Conn).Read", SS_TLS_GO_READ, SS_TLS_GO_READ_RET},
	{".(*Conn).Write", SS_TLS_GO_WRITE, SS_TLS_GO_WRITE_RET},
	{".(*Conn).Close", SS_TLS_GO_CLOSE, SS_TLS_FUNCTIONS},
};
#define WANTED        G_N_ELEMENTS(wanted)
#define WANTED_KEYLOG 0

static const struct {
	uint8_t magic; /* its lowest byte; the others are 0xff */
	unsigned version;
} magics[] = {{0xfb, 2}, {0xfa, 16}, {0xf0, 18}, {0xf1, 20}};

#define BUILD_INFO "\xff Go buildinf:"
#define GO_1_17    "go1.17" /* has the table of 1.16, and other arguments */

struct function {
	uint64_t address;
	uint32_t offset; /* of its struct in the table */
};

struct table {
	struct ss_elf *elf;
	bool arm64;
	unsigned version; /* 2, 16, 18, 20 */
	uint64_t offset, address;
	uint64_t names, pc_values, functions; /* offsets in the file */
	struct function *items;               /* count + 1: the last is where the text ends */
	size_t count;
	uint64_t text; /* since 1.18: what addresses count from */
};

/* Header. */

static int read_places(struct table *table)
{
	const unsigned words = table->version >= 18 ? 8 : 7;
	uint64_t header[8];

	/* 1.18: functions, files, text, names, units, file names, pc values, functions */
	for (unsigned i = 0; i < words; i++)
		if (ss_elf_read_u64(table->elf, table->offset + 8 + 8 * i, &header[i]) < 0)
			return -EBADMSG;
	if (header[0] == 0 || header[0] > FUNCTIONS_MAX)
		return -EBADMSG;
	table->count = (size_t)header[0];
	if (table->version == 2) {
		table->names = table->pc_values = table->offset;
		table->functions = table->offset + 16;
		return 0;
	}
	for (unsigned i = 2; i < words; i++)
		if (header[i] > ss_elf_size(table->elf) && !(words == 8 && i == 2))
			return -EBADMSG;
	table->names = table->offset + header[words - 5];
	table->pc_values = table->offset + header[words - 2];
	table->functions = table->offset + header[words - 1];
	return 0;
}

/* Where the offsets of function structs count from. */
static uint64_t structs_of(const struct table *table)
{
	return table->version == 2 ? table->offset : table->functions;
}

/* Up to 1.17: pairs of an address, which may be a relocation, and an offset. */
static int read_address_pairs(struct table *table)
{
	size_t words = 2 * table->count + 1;
	g_autofree uint64_t *pairs = g_new(uint64_t, words);
	uint64_t address;

	if (ss_elf_to_address(table->elf, table->functions, &address) < 0 ||
	    ss_elf_read_pointers(table->elf, address, pairs, words) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < table->count; i++) {
		if (pairs[2 * i + 1] > UINT32_MAX)
			return -EBADMSG;
		table->items[i] = (struct function){pairs[2 * i], (uint32_t)pairs[2 * i + 1]};
	}
	table->items[table->count].address = pairs[words - 1];
	return 0;
}

/* Since 1.18: pairs of offsets. */
static int read_offset_pairs(struct table *table)
{
	size_t words = 2 * table->count + 1;
	g_autofree uint32_t *pairs = g_new(uint32_t, words);

	if (ss_elf_read(table->elf, table->functions, pairs, words * sizeof(*pairs)) < 0)
		return -EBADMSG;
	for (size_t i = 0; i <= table->count; i++) {
		table->items[i].address = GUINT32_FROM_LE(pairs[2 * i]);
		if (i < table->count)
			table->items[i].offset = GUINT32_FROM_LE(pairs[2 * i + 1]);
	}
	return 0;
}

static int read_functions(struct table *table)
{
	int r;

	/* the array is as large as the table claims: it must be there */
	if (table->functions > ss_elf_size(table->elf) ||
	    table->count * (table->version >= 18 ? 8 : 16) >
		    ss_elf_size(table->elf) - table->functions)
		return -EBADMSG;
	table->items = g_new0(struct function, table->count + 1);
	r = table->version >= 18 ? read_offset_pairs(table) : read_address_pairs(table);
	if (r < 0)
		return r;
	for (size_t i = 0; i < table->count; i++)
		if (table->items[i].address > table->items[i + 1].address)
			return -EBADMSG;
	return 0;
}

static uint64_t start_of(const struct table *table, size_t index)
{
	return table->text + table->items[index].address;
}

static uint64_t size_of(const struct table *table, size_t index)
{
	return table->items[index + 1].address - table->items[index].address;
}

/* One function: {entry, name, args, deferreturn, pcsp, …}; entry is 8 bytes up to 1.17. */
static int read_struct(const struct table *table, size_t index, unsigned field, uint32_t *ret)
{
	uint64_t offset = structs_of(table) + table->items[index].offset;

	return ss_elf_read_u32(table->elf,
			       offset + (table->version >= 18 ? 4 : 8) + 4 * (uint64_t)field, ret);
}

#define FIELD_NAME 0
#define FIELD_PCSP 3

/* The stack. */

/* A run of instructions during which the stack pointer stays. */
struct run {
	uint64_t begin, end; /* from the function's start */
	int32_t distance;
};

static int read_varint(struct ss_cursor *cursor, uint32_t *ret_value)
{
	uint32_t value = 0;
	uint8_t byte;

	for (unsigned shift = 0; shift < 32; shift += 7) {
		if (ss_cursor_u8(cursor, &byte) < 0)
			return -EBADMSG;
		value |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return 0;
		}
	}
	return -EBADMSG;
}

/* The table holds differences, values in zigzag form, beginning at -1; a zero ends it. */
static bool next_run(const struct table *table, struct ss_cursor *pcsp, struct run *run)
{
	uint32_t value, length;

	if (read_varint(pcsp, &value) < 0 || (value == 0 && run->end) ||
	    read_varint(pcsp, &length) < 0)
		return false;
	run->distance = (int32_t)((uint32_t)run->distance + ((value >> 1) ^ -(value & 1)));
	run->begin = run->end;
	run->end += (uint64_t)length * (table->arm64 ? 4 : 1);
	return true;
}

struct code {
	uint8_t *bytes;
	size_t length;
	uint8_t pcsp[PCSP_MAX];
	size_t pcsp_length;
};

static int read_code(const struct table *table, size_t index, struct code *ret_code)
{
	uint64_t offset, pcsp, size = size_of(table, index);
	uint32_t field;

	if (size == 0 || size > CODE_MAX || read_struct(table, index, FIELD_PCSP, &field) < 0 ||
	    ss_elf_code_offset(table->elf, start_of(table, index), &offset) < 0)
		return -EBADMSG;
	pcsp = table->pc_values + field;
	if (field == 0 || pcsp >= ss_elf_size(table->elf))
		return -EBADMSG;
	ret_code->pcsp_length = (size_t)MIN(PCSP_MAX, ss_elf_size(table->elf) - pcsp);
	if (ss_elf_read(table->elf, pcsp, ret_code->pcsp, ret_code->pcsp_length) < 0)
		return -EBADMSG;
	ret_code->bytes = g_realloc(ret_code->bytes, (size_t)size);
	ret_code->length = (size_t)size;
	return ss_elf_read(table->elf, offset, ret_code->bytes, ret_code->length);
}

static bool is_return(const struct table *table, const struct code *code, uint64_t at)
{
	struct ss_cursor cursor = ss_cursor(code->bytes, code->length);
	uint32_t instruction;

	if (at >= code->length)
		return false;
	if (!table->arm64)
		return code->bytes[at] == RET_X86;
	return ss_cursor_skip(&cursor, (size_t)at) == 0 &&
	       ss_cursor_u32(&cursor, &instruction) == 0 && instruction == RET_ARM64;
}

/* A return begins the run, or ends it behind a NOP. */
static bool find_return(const struct table *table, const struct code *code, const struct run *run,
			uint64_t *ret_at)
{
	uint64_t last = run->end - (table->arm64 ? 4 : 1);

	if (is_return(table, code, run->begin))
		*ret_at = run->begin;
	else if (run->end > run->begin && is_return(table, code, last))
		*ret_at = last;
	else
		return false;
	return true;
}

/* Does the code do what the table says? Wrong text begins show within a few functions. */
static bool is_true(const struct table *table)
{
	size_t step = MAX(table->count / SAMPLES, 1);
	unsigned good = 0, bad = 0;
	struct code code = {0};

	for (size_t i = 0; i < table->count; i += step) {
		struct run run = {0, 0, -1};
		bool missing = false; /* in the run before */
		struct ss_cursor pcsp;
		uint64_t at;

		if (read_code(table, i, &code) < 0)
			continue;
		pcsp = ss_cursor(code.pcsp, code.pcsp_length);
		while (next_run(table, &pcsp, &run)) {
			bad += missing; /* not the last one, which is for growing the stack */
			missing = false;
			if (run.distance != 0 || run.begin == 0)
				continue;
			if (find_return(table, &code, &run, &at))
				good++;
			else
				missing = true;
		}
	}
	g_free(code.bytes);
	return good >= SAMPLES_GOOD && good >= 4 * bad;
}

/* Since 1.18: the beginning of the text. */

#define MODULE_WORDS (0xb0 / 8 + 1)

struct module_search {
	struct table *table;
	unsigned tries;
	bool found;
};

/* moduledata begins with pointers to the header and to the names; text is its word at 0xb0. */
static bool try_module(uint64_t address, void *user_data)
{
	struct module_search *search = user_data;
	struct table *table = search->table;
	uint64_t words[MODULE_WORDS];

	if (++search->tries > MODULES_MAX)
		return false;
	if (ss_elf_read_pointers(table->elf, address, words, MODULE_WORDS) < 0 ||
	    words[1] != table->address + (table->names - table->offset))
		return true;
	table->text = words[MODULE_WORDS - 1];
	search->found = is_true(table);
	return !search->found;
}

static bool find_text(struct table *table)
{
	struct module_search search = {.table = table};
	uint64_t text;

	table->text = 0;
	if (table->version < 18)
		return is_true(table);
	if (ss_elf_read_pointers(table->elf, table->address + 24, &text, 1) == 0 && text) {
		table->text = text;
		if (is_true(table))
			return true;
	}
	ss_elf_find_pointer(table->elf, table->address, try_module, &search);
	return search.found;
}

static void table_deinit(struct table *table)
{
	g_clear_pointer(&table->items, g_free);
}

static int table_init(struct table *table, struct ss_elf *elf, uint64_t offset, unsigned version)
{
	int r;

	*table = (struct table){
		.elf = elf,
		.arm64 = ss_elf_machine(elf) == EM_AARCH64,
		.version = version,
		.offset = offset,
	};
	r = ss_elf_to_address(elf, offset, &table->address);
	if (r == 0)
		r = read_places(table);
	if (r == 0)
		r = read_functions(table);
	if (r == 0 && !find_text(table))
		r = -EBADMSG;
	if (r < 0)
		table_deinit(table);
	return r;
}

/* Names. */

struct name_hit {
	uint64_t end; /* offset of the NUL in the file */
	size_t wanted;
};

struct candidate {
	char *package;
	size_t wanted, function;
};

static void candidate_clear(gpointer data)
{
	g_free(((struct candidate *)data)->package);
}

static bool add_name(size_t pattern, uint64_t offset, void *user_data)
{
	struct name_hit hit = {offset + strlen(wanted[pattern].suffix), pattern};

	g_array_append_val((GArray *)user_data, hit);
	return ((GArray *)user_data)->len < HITS_MAX;
}

static GArray *find_names(const struct table *table)
{
	GArray *hits = g_array_new(FALSE, FALSE, sizeof(struct name_hit));
	struct ss_elf_pattern patterns[WANTED];

	for (size_t i = 0; i < WANTED; i++)
		patterns[i] =
			(struct ss_elf_pattern){wanted[i].suffix, strlen(wanted[i].suffix) + 1};
	ss_elf_search(table->elf, table->names, NAMES_MAX, patterns, WANTED, add_name, hits);
	return hits;
}

/* The first that ends behind the offset: they were found in order. */
static const struct name_hit *next_name(const GArray *hits, uint64_t offset)
{
	guint low = 0, high = hits->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;

		if (g_array_index(hits, struct name_hit, middle).end > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low < hits->len ? &g_array_index(hits, struct name_hit, low) : NULL;
}

static void add_candidate(const struct table *table, const GArray *hits, size_t function,
			  GArray *candidates)
{
	struct candidate candidate = {NULL, 0, function};
	const struct name_hit *hit;
	char name[GO_NAME_MAX];
	uint64_t offset;
	uint32_t field;
	size_t length;

	if (read_struct(table, function, FIELD_NAME, &field) < 0)
		return;
	offset = table->names + field;
	hit = next_name(hits, offset);
	if (!hit || hit->end - offset >= sizeof(name) ||
	    ss_elf_read_text(table->elf, offset, name, sizeof(name)) < 0)
		return;
	length = strlen(wanted[hit->wanted].suffix);
	if (strlen(name) != hit->end - offset || strlen(name) <= length)
		return;
	candidate.wanted = hit->wanted;
	candidate.package = g_strndup(name, strlen(name) - length);
	g_array_append_val(candidates, candidate);
}

/* crypto/tls, and packages that are copies of it: they have a method that nothing else has. */
static bool is_tls(const GArray *candidates, const char *package)
{
	if (!strcmp(package, "crypto/tls"))
		return true;
	for (guint i = 0; i < candidates->len; i++) {
		const struct candidate *other = &g_array_index(candidates, struct candidate, i);

		if (other->wanted == WANTED_KEYLOG && !strcmp(other->package, package))
			return true;
	}
	return false;
}

/* Points. */

static void add_point(GArray *points, enum ss_tls_function function, uint32_t flags,
		      uint64_t offset)
{
	struct ss_tls_point point = {function, flags, offset};

	g_array_append_val(points, point);
}

static void add_returns(const struct table *table, const struct code *code,
			enum ss_tls_function function, uint32_t flags, uint64_t offset,
			GArray *points)
{
	struct ss_cursor pcsp = ss_cursor(code->pcsp, code->pcsp_length);
	struct run run = {0, 0, -1};
	uint64_t at;

	if (table->arm64) {
		for (at = 0; at < code->length; at += 4)
			if (is_return(table, code, at))
				add_point(points, function, flags, offset + at);
		return;
	}
	while (next_run(table, &pcsp, &run))
		if (run.distance == 0 && run.begin > 0 && find_return(table, code, &run, &at))
			add_point(points, function, flags, offset + at);
}

static void add_function(const struct table *table, const struct candidate *candidate,
			 uint32_t flags, GArray *points)
{
	enum ss_tls_function ret = wanted[candidate->wanted].ret;
	uint64_t address = start_of(table, candidate->function), offset;
	struct code code = {0};
	guint before;

	if (ss_elf_code_offset(table->elf, address, &offset) < 0)
		return;
	if (ret == SS_TLS_FUNCTIONS) {
		add_point(points, wanted[candidate->wanted].entry, flags, offset);
		return;
	}
	before = points->len;
	if (read_code(table, candidate->function, &code) == 0)
		add_returns(table, &code, ret, flags, offset, points);
	/* an entry without a return would only cost time */
	if (points->len > before)
		add_point(points, wanted[candidate->wanted].entry, flags, offset);
	g_free(code.bytes);
}

static void add_points(const struct table *table, uint32_t flags, GArray *points)
{
	g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	g_autoptr(GArray) hits = find_names(table);

	g_array_set_clear_func(candidates, candidate_clear);
	for (size_t i = 0; i < table->count && hits->len && candidates->len < HITS_MAX; i++)
		add_candidate(table, hits, i, candidates);
	for (guint i = 0; i < candidates->len; i++) {
		const struct candidate *candidate = &g_array_index(candidates, struct candidate, i);

		if (is_tls(candidates, candidate->package))
			add_function(table, candidate, flags, points);
	}
}

/* Version. */

/* The string follows (since 1.18: flag 2), or pointers to string headers do. */
static char *read_version(struct ss_elf *elf, uint64_t offset)
{
	uint8_t head[33];
	uint64_t address, string[2];
	char text[64];

	if (ss_elf_read(elf, offset, head, sizeof(head)) < 0 ||
	    ss_elf_to_address(elf, offset, &address) < 0 || address % 16)
		return NULL;
	if (head[15] & 2) {
		string[1] = head[32];
		offset += 33;
	} else if (head[14] != 8 || head[15] ||
		   ss_elf_read_pointers(elf, address + 16, &string[0], 1) < 0 ||
		   ss_elf_read_pointers(elf, string[0], string, 2) < 0 ||
		   ss_elf_to_offset(elf, string[0], &offset) < 0) {
		return NULL;
	}
	if (string[1] < 3 || string[1] >= sizeof(text) ||
	    ss_elf_read(elf, offset, text, (size_t)string[1]) < 0)
		return NULL;
	text[string[1]] = '\0';
	for (const char *p = text; *p; p++)
		if (!g_ascii_isprint(*p))
			return NULL;
	return g_strdup(text);
}

/* "go1.19.8", "devel go1.21-…": 19, 21; 0: it does not say. */
static unsigned minor_version(const char *version)
{
	const char *found = version ? strstr(version, "go1.") : NULL;

	return found ? (unsigned)CLAMP(strtol(found + 4, NULL, 10), 0, 1000) : 0;
}

/* Arguments in registers: since 1.17 on x86-64, 1.18 on arm64. says_17: for want of build
 * information, the program has that string. */
static bool uses_stack(const struct table *table, unsigned minor, bool says_17)
{
	if (!minor)
		minor = table->version == 16 && says_17 ? 17 : table->version;
	return minor < (table->arm64 ? 18 : 17);
}

/* Reading. */

struct places {
	struct ss_elf *elf;
	char *version;
	bool says_17;
	unsigned tables;
	struct {
		uint64_t offset;
		unsigned version;
	} table[TABLES_MAX];
};

static bool add_place(size_t pattern, uint64_t offset, void *user_data)
{
	struct places *places = user_data;

	if (pattern > G_N_ELEMENTS(magics)) {
		places->says_17 = true;
	} else if (pattern == G_N_ELEMENTS(magics)) {
		if (!places->version)
			places->version = read_version(places->elf, offset);
	} else if (places->tables < TABLES_MAX && offset % 4 == 0) {
		places->table[places->tables].offset = offset;
		places->table[places->tables++].version = magics[pattern].version;
	}
	return true;
}

static void find_places(struct ss_elf *elf, struct places *places)
{
	uint8_t bytes[G_N_ELEMENTS(magics)][8];
	struct ss_elf_pattern patterns[G_N_ELEMENTS(magics) + 2];
	const struct ss_elf_segment *segments;
	uint64_t left = SCAN_MAX;
	size_t count;

	/* magic, two zeros, the size of the smallest instruction, the size of a pointer */
	for (size_t i = 0; i < G_N_ELEMENTS(magics); i++) {
		memcpy(bytes[i], "\0\xff\xff\xff\0\0\x01\x08", 8);
		bytes[i][0] = magics[i].magic;
		if (ss_elf_machine(elf) == EM_AARCH64)
			bytes[i][6] = 4;
		patterns[i] = (struct ss_elf_pattern){bytes[i], 8};
	}
	patterns[G_N_ELEMENTS(magics)] = (struct ss_elf_pattern){BUILD_INFO, strlen(BUILD_INFO)};
	patterns[G_N_ELEMENTS(magics) + 1] = (struct ss_elf_pattern){GO_1_17, strlen(GO_1_17)};
	segments = ss_elf_segments(elf, &count);
	for (size_t i = 0; i < count; i++) {
		uint64_t length = MIN(segments[i].size, left);

		ss_elf_search(elf, segments[i].offset, length, patterns, G_N_ELEMENTS(patterns),
			      add_place, places);
		left -= length;
	}
}

int ss_golang_read(struct ss_elf *elf, struct ss_golang *ret_golang)
{
	struct ss_golang golang = {};
	struct places places = {.elf = elf};
	struct table table;

	find_places(elf, &places);
	golang.points = g_array_new(FALSE, FALSE, sizeof(struct ss_tls_point));
	golang.version = places.version;
	for (unsigned i = 0; i < places.tables && !golang.tables; i++) {
		if (table_init(&table, elf, places.table[i].offset, places.table[i].version) < 0)
			continue;
		golang.tables = true;
		add_points(&table,
			   uses_stack(&table, minor_version(golang.version), places.says_17)
				   ? SS_TLS_POINT_GO_STACK
				   : 0,
			   golang.points);
		table_deinit(&table);
	}
	if (!golang.tables && !golang.version) {
		ss_golang_deinit(&golang);
		return -ENOENT;
	}
	*ret_golang = golang;
	return 0;
}

void ss_golang_deinit(struct ss_golang *golang)
{
	g_clear_pointer(&golang->version, g_free);
	g_clear_pointer(&golang->points, g_array_unref);
	*golang = (struct ss_golang){};
}
