/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scanner for JSON (RFC 8259) that never looks past the end, allocates nothing while scanning
 * and does not recurse. It is lax about numbers; Wireshark's own JSON dissector builds the tree.
 */
#include "json.h"

#include <string.h>

#include "text.h"

struct scanner {
	const char *text;
	size_t length;
	size_t offset;
};

static char peek(const struct scanner *scanner)
{
	return scanner->offset < scanner->length ? scanner->text[scanner->offset] : '\0';
}

static void skip_space(struct scanner *scanner)
{
	while (scanner->offset < scanner->length &&
	       memchr(" \t\r\n", scanner->text[scanner->offset], 4))
		scanner->offset++;
}

static bool take(struct scanner *scanner, char c)
{
	skip_space(scanner);
	if (scanner->offset == scanner->length || scanner->text[scanner->offset] != c)
		return false;
	scanner->offset++;
	return true;
}

static bool take_string(struct scanner *scanner, struct ss_json_span *ret_string)
{
	size_t start;

	if (!take(scanner, '"'))
		return false;
	start = scanner->offset;
	while (scanner->offset < scanner->length && scanner->text[scanner->offset] != '"')
		scanner->offset += scanner->text[scanner->offset] == '\\' ? 2 : 1;
	if (scanner->offset >= scanner->length)
		return false;
	*ret_string = (struct ss_json_span){start, scanner->offset - start};
	scanner->offset++;
	return true;
}

/* true, null, -1.5e3: a run of the characters these are made of. */
static bool take_word(struct scanner *scanner)
{
	size_t start;

	skip_space(scanner);
	start = scanner->offset;
	while (g_ascii_isalnum(peek(scanner)) || peek(scanner) == '-' || peek(scanner) == '+' ||
	       peek(scanner) == '.')
		scanner->offset++;
	return scanner->offset > start;
}

/* An object or array: passed over by counting brackets, which must match. */
static bool take_nested(struct scanner *scanner)
{
	char open[SS_JSON_DEPTH_MAX];
	struct ss_json_span string;
	size_t depth = 0;

	do {
		char c;

		skip_space(scanner);
		c = peek(scanner);
		if (c == '"') {
			if (!take_string(scanner, &string))
				return false;
			continue;
		}
		if (c == '{' || c == '[') {
			/* The object around us is one level as well. */
			if (depth + 1 == SS_JSON_DEPTH_MAX)
				return false;
			open[depth++] = c;
		} else if (c == '}' || c == ']') {
			if (open[--depth] != (c == '}' ? '{' : '['))
				return false;
		} else if (c != ',' && c != ':') {
			if (!take_word(scanner))
				return false;
			continue;
		}
		scanner->offset++;
	} while (depth > 0);
	return true;
}

static bool take_value(struct scanner *scanner, struct ss_json_value *ret_value)
{
	size_t start;
	bool taken;

	skip_space(scanner);
	start = scanner->offset;
	switch (peek(scanner)) {
	case '"':
		ret_value->type = SS_JSON_STRING;
		return take_string(scanner, &ret_value->span);
	case '{':
	case '[':
		ret_value->type = peek(scanner) == '{' ? SS_JSON_OBJECT : SS_JSON_ARRAY;
		taken = take_nested(scanner);
		break;
	default:
		ret_value->type = SS_JSON_WORD;
		taken = take_word(scanner);
	}
	ret_value->span = (struct ss_json_span){start, scanner->offset - start};
	return taken;
}

/* From the opening bracket to the closing one. */
static bool take_members(struct scanner *scanner, bool keys, ss_json_fn *fn, void *data)
{
	char close = keys ? '}' : ']';

	if (!take(scanner, keys ? '{' : '['))
		return false;
	if (take(scanner, close))
		return true;
	do {
		struct ss_json_span key = {0, 0};
		struct ss_json_value value;

		if (keys && (!take_string(scanner, &key) || !take(scanner, ':')))
			return false;
		if (!take_value(scanner, &value))
			return false;
		fn(scanner->text, key, value, data);
	} while (take(scanner, ','));
	return take(scanner, close);
}

bool ss_json_members(const char *text, size_t length, ss_json_fn *fn, void *data)
{
	struct scanner scanner = {.text = text, .length = length};

	if (!take_members(&scanner, true, fn, data))
		return false;
	skip_space(&scanner);
	return scanner.offset == scanner.length;
}

void ss_json_walk(const char *text, struct ss_json_value value, ss_json_fn *fn, void *data)
{
	struct scanner scanner = {
		.text = text,
		.length = value.span.offset + value.span.length,
		.offset = value.span.offset,
	};

	if (value.type == SS_JSON_OBJECT || value.type == SS_JSON_ARRAY)
		take_members(&scanner, value.type == SS_JSON_OBJECT, fn, data);
}

bool ss_json_key_is(const char *text, struct ss_json_span key, const char *name)
{
	return key.length == strlen(name) && memcmp(text + key.offset, name, key.length) == 0;
}

uint64_t ss_json_number(const char *text, struct ss_json_value value)
{
	uint64_t number = 0;

	if (value.type != SS_JSON_WORD)
		return 0;
	for (size_t i = 0; i < value.span.length; i++) {
		char c = text[value.span.offset + i];

		if (!g_ascii_isdigit(c) || number > (UINT64_MAX - 9) / 10)
			return 0;
		number = number * 10 + (uint64_t)(c - '0');
	}
	return number;
}

/* The four digits of a \u escape at text; false when they are not there. */
static bool hex4(const char *text, const char *end, gunichar *ret_value)
{
	gunichar value = 0;

	if (end - text < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		if (!g_ascii_isxdigit(text[i]))
			return false;
		value = value << 4 | (gunichar)g_ascii_xdigit_value(text[i]);
	}
	*ret_value = value;
	return true;
}

/* After "\u": appends the character, a surrogate pair being one; returns what follows it. */
static const char *decode_unicode(const char *text, const char *end, GString *result)
{
	gunichar value, low;

	if (!hex4(text, end, &value)) {
		g_string_append_unichar(result, 0xfffd);
		return text;
	}
	text += 4;
	if (value >= 0xd800 && value < 0xdc00 && end - text >= 6 && text[0] == '\\' &&
	    text[1] == 'u' && hex4(text + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
		value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
		text += 6;
	}
	g_string_append_unichar(result,
				value == 0 || (value >= 0xd800 && value < 0xe000) ? 0xfffd : value);
	return text;
}

const char *ss_json_decode(wmem_allocator_t *scope, const char *text, struct ss_json_span string)
{
	static const char escaped[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	g_autoptr(GString) result = g_string_sized_new(string.length);
	const char *end = text + string.offset + string.length;

	for (const char *p = text + string.offset; p < end;) {
		const char *found;

		if (*p != '\\' || end - p < 2) {
			/* A string ends at its first NUL: keep what follows visible. */
			g_string_append_c(result, *p ? *p : '?');
			p++;
		} else if (p[1] == 'u') {
			p = decode_unicode(p + 2, end, result);
		} else {
			found = (const char *)memchr(escaped, p[1], sizeof(escaped) - 1);
			g_string_append_c(result, found ? meant[found - escaped] : '?');
			p += 2;
		}
	}
	return ss_text(scope, result->str, result->len);
}
