/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SSL_read() and SSL_write() by the errors that they raise: every place that raises one passes the
 * reason, the name of the source file and the line, so the calls of ssl_lib.cc can be told apart by
 * what they complain about and in which order. Of the source, as it has been since 2016:
 *
 *	SSL_read	calls SSL_peek and forgets what that has copied
 *	SSL_peek	"should not have been called" (with QUIC), then reads
 *	SSL_write	the same error, some lines below; then "uninitialized"
 *	SSL_key_update	these two in the other order
 *
 * Compilers put SSL_peek into SSL_read or don't. Where functions begin says the table for
 * unwinding; files without it are left alone.
 */
#include "tls/boringssl.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "cursor.h"
#include "tls/elf_search.h"
#include "tls/reference.h"
#include "tls/unwind.h"

#define SCAN_MAX         (UINT64_C(1) << 30) /* bytes */
#define SITES_MAX        1024
#define BEFORE           24    /* bytes from an argument to the name of the file */
#define AFTER            40    /* and from there to the call */
#define NAME_NEAR        30u   /* bytes of folders before the name of the file */
#define FUNCTION_MAX     4096u /* bytes of a function that is looked through */
#define SOURCE_LINES_MAX 20000u
#define REASONS_MAX      1024u

/* OpenSSL's codes. */
#define SHOULD_NOT_HAVE_BEEN_CALLED 66u
#define UNINITIALIZED               226u

/* Lines of source between errors. */
#define LINES_IN_WRITE      12u
#define LINES_FROM_PEEK_MAX 40u

/* Raises an error. */
struct site {
	uint64_t start, end; /* of the function */
	uint32_t reason, line;
};

struct search {
	struct ss_elf *elf;
	uint64_t names[SS_TLS_ADDRESSES_MAX];
	size_t name_count;
	GArray *sites; /* struct site */
};

/* The third argument of the call, the reason, and the fifth, the line. */
enum argument { REASON, LINE };

static bool read_argument(const struct search *search, const uint8_t *code, size_t length,
			  enum argument argument, uint32_t *ret_value)
{
	static const uint8_t x86[][2] = {[REASON] = {0xba}, [LINE] = {0x41, 0xb8}};
	static const uint32_t arm64[] = {[REASON] = 0x52800002, [LINE] = 0x52800004};
	struct ss_cursor cursor = ss_cursor(code, length);
	uint32_t value;

	if (ss_elf_machine(search->elf) == EM_AARCH64) {
		if (ss_cursor_u32(&cursor, &value) < 0 || (value & 0xffe0001f) != arm64[argument])
			return false;
		value = value >> 5 & 0xffff;
	} else {
		size_t opcode = argument == LINE ? 2 : 1;

		if (length < opcode || memcmp(code, x86[argument], opcode) != 0 ||
		    ss_cursor_skip(&cursor, opcode) < 0 || ss_cursor_u32(&cursor, &value) < 0)
			return false;
	}
	if (!value || value >= (argument == LINE ? SOURCE_LINES_MAX : REASONS_MAX))
		return false;
	*ret_value = value;
	return true;
}

/* Between the name of the file and the call, or else, the nearest, before that. */
static bool find_argument(const struct search *search, const uint8_t *code, size_t middle,
			  size_t end, enum argument argument, uint32_t *ret_value)
{
	size_t step = ss_tls_call_step(search->elf);

	for (size_t at = middle; at < end; at += step)
		if (read_argument(search, code + at, end - at, argument, ret_value))
			return true;
	for (size_t at = middle; at >= step; at -= step)
		if (read_argument(search, code + at - step, middle - (at - step), argument,
				  ret_value))
			return true;
	return false;
}

static void add_site(uint64_t behind, void *user_data)
{
	struct search *search = user_data;
	struct site site;
	uint8_t code[BEFORE + AFTER];
	uint64_t first, offset, target;
	size_t length, middle, end;

	if (search->sites->len >= SITES_MAX ||
	    ss_tls_unwind_function(search->elf, behind - 1, &site.start, &site.end) < 0)
		return;
	first = MAX(site.start, behind - MIN(behind, BEFORE));
	length = (size_t)(MIN(site.end, behind + AFTER) - first);
	middle = (size_t)(behind - first);
	if (length > sizeof(code) || middle > length ||
	    ss_elf_code_offset(search->elf, first, &offset) < 0 ||
	    ss_elf_read(search->elf, offset, code, length) < 0)
		return;
	for (end = middle; end < length; end += ss_tls_call_step(search->elf))
		if (ss_tls_call_target(search->elf, first + end, code + end, length - end,
				       &target) == 0)
			break;
	if (find_argument(search, code, middle, MIN(end, length), REASON, &site.reason) &&
	    find_argument(search, code, middle, MIN(end, length), LINE, &site.line))
		g_array_append_val(search->sites, site);
}

static void add_address(struct search *search, uint64_t offset)
{
	uint64_t address;

	if (search->name_count < SS_TLS_ADDRESSES_MAX &&
	    ss_elf_to_address(search->elf, offset, &address) == 0)
		search->names[search->name_count++] = address;
}

/* The text ends so. It begins behind a NUL, or (constants without one may be before it) later. */
static bool add_name(size_t pattern, uint64_t offset, void *user_data)
{
	struct search *search = user_data;
	char text[128];
	size_t length = (size_t)MIN(offset, sizeof(text)), back = 0;

	(void)pattern;
	if (ss_elf_read(search->elf, offset - length, text, length) < 0)
		return true;
	while (back < length && text[length - 1 - back])
		back++;
	for (size_t near = 0; near <= MIN(back, NAME_NEAR); near++)
		add_address(search, offset - near);
	if (back > NAME_NEAR)
		add_address(search, offset - back);
	return search->name_count < SS_TLS_ADDRESSES_MAX;
}

static const struct site *site_at(const struct search *search, guint index)
{
	return &g_array_index(search->sites, struct site, index);
}

/* SSL_write's first error. NULL: none, or several functions that look like it. */
static const struct site *find_write(const struct search *search)
{
	const struct site *found = NULL;

	for (guint i = 0; i < search->sites->len; i++) {
		const struct site *first = site_at(search, i);

		for (guint k = 0; k < search->sites->len; k++) {
			const struct site *then = site_at(search, k);

			if (first->reason != SHOULD_NOT_HAVE_BEEN_CALLED ||
			    then->reason != UNINITIALIZED || then->start != first->start ||
			    then->line <= first->line || then->line > first->line + LINES_IN_WRITE)
				continue;
			if (found && found->start != first->start)
				return NULL;
			found = first;
		}
	}
	return found;
}

/* Line of SSL_peek's error. 0: none. */
static uint32_t find_peek_line(const struct search *search, uint32_t write_line)
{
	uint32_t line = 0;

	for (guint i = 0; i < search->sites->len; i++) {
		const struct site *site = site_at(search, i);

		if (site->reason == SHOULD_NOT_HAVE_BEEN_CALLED && site->line < write_line &&
		    site->line + LINES_FROM_PEEK_MAX >= write_line)
			line = MAX(line, site->line);
	}
	return line;
}

/* Does the function call the other? */
static bool calls(struct ss_elf *elf, uint64_t start, uint64_t end, uint64_t other)
{
	uint8_t code[FUNCTION_MAX];
	size_t length = (size_t)(end - start), step = ss_tls_call_step(elf);
	uint64_t offset, target;

	if (end - start > sizeof(code) || ss_elf_code_offset(elf, start, &offset) < 0 ||
	    ss_elf_read(elf, offset, code, length) < 0)
		return false;
	for (size_t at = 0; at < length; at += step)
		if (ss_tls_call_target(elf, start + at, code + at, length - at, &target) == 0 &&
		    target == other)
			return true;
	return false;
}

/* SSL_read is beside SSL_peek, and calls it. 0: neither neighbour does. */
static uint64_t find_caller(struct ss_elf *elf, const struct site *peek)
{
	uint64_t start, end, at = peek->end;

	/* behind it, over the bytes that fill up */
	while (at < peek->end + 16 && ss_tls_unwind_function(elf, at, &start, &end) < 0)
		at++;
	if (at < peek->end + 16 && calls(elf, start, end, peek->start))
		return start;
	for (at = peek->start; at-- > peek->start - 17;)
		if (ss_tls_unwind_function(elf, at, &start, &end) == 0)
			return calls(elf, start, end, peek->start) ? start : 0;
	return 0;
}

/* The function, or the larger of two, which has SSL_peek in it and more. */
static uint64_t find_read(const struct search *search, uint32_t line)
{
	const struct site *first = NULL, *second = NULL;
	uint64_t size[2];

	for (guint i = 0; i < search->sites->len; i++) {
		const struct site *site = site_at(search, i);

		if (site->reason != SHOULD_NOT_HAVE_BEEN_CALLED || site->line != line ||
		    (first && site->start == first->start) ||
		    (second && site->start == second->start))
			continue;
		if (second)
			return 0;
		*(first ? &second : &first) = site;
	}
	if (!second)
		return find_caller(search->elf, first);
	size[0] = first->end - first->start;
	size[1] = second->end - second->start;
	if (size[0] == size[1])
		return 0;
	return size[0] > size[1] ? first->start : second->start;
}

static int choose(const struct search *search, struct ss_boringssl_calls *ret_calls)
{
	const struct site *write = find_write(search);
	uint32_t line = write ? find_peek_line(search, write->line) : 0;
	uint64_t read = line ? find_read(search, line) : 0;
	struct ss_boringssl_calls found;

	if (!read || read == write->start ||
	    ss_elf_code_offset(search->elf, read, &found.read) < 0 ||
	    ss_elf_code_offset(search->elf, write->start, &found.write) < 0)
		return -ENOENT;
	*ret_calls = found;
	return 0;
}

static bool has_functions(struct ss_elf *elf, uint64_t log)
{
	uint64_t address, start, end;

	return ss_elf_to_address(elf, log, &address) == 0 &&
	       ss_tls_unwind_function(elf, address, &start, &end) == 0 && start == address;
}

int ss_boringssl_find_calls(struct ss_elf *elf, uint64_t log, struct ss_boringssl_calls *ret_calls)
{
	static const struct ss_elf_pattern name = {"/ssl_lib.cc", sizeof("/ssl_lib.cc")};
	struct search search = {.elf = elf};
	const struct ss_elf_segment *segments;
	size_t count;
	int r;

	if (!has_functions(elf, log))
		return -ENOENT;
	segments = ss_elf_segments(elf, &count);
	for (size_t i = 0; i < count && search.name_count < SS_TLS_ADDRESSES_MAX; i++)
		ss_elf_search(elf, segments[i].offset, MIN(segments[i].size, SCAN_MAX), &name, 1,
			      add_name, &search);
	search.sites = g_array_new(FALSE, FALSE, sizeof(struct site));
	ss_tls_references_find(elf, search.names, search.name_count, add_site, &search);
	r = choose(&search, ret_calls);
	g_array_unref(search.sites);
	return r;
}
