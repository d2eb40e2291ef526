/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Literals: the rules are those of wireshark-filter(4), tried with Wireshark 4.0.17. */
#include "value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static int parse_number(const char *word, unsigned bits, uint64_t *ret)
{
	unsigned base = 10;
	uint64_t value;
	char *end;

	if (g_ascii_strncasecmp(word, "0x", 2) == 0) {
		base = 16;
		word += 2;
	} else if (g_ascii_strncasecmp(word, "0b", 2) == 0) {
		base = 2;
		word += 2;
	} else if (word[0] == '0') {
		base = 8;
	}
	if (!g_ascii_isxdigit(*word)) /* neither blanks nor signs */
		return -EINVAL;
	errno = 0;
	value = g_ascii_strtoull(word, &end, base);
	if (*end)
		return -EINVAL;
	if (errno || (bits < 64 && value >> bits))
		return -ERANGE;
	*ret = value;
	return 0;
}

static int parse_boolean(const char *word, uint64_t *ret)
{
	uint64_t value;

	if (g_ascii_strcasecmp(word, "true") == 0)
		value = 1;
	else if (g_ascii_strcasecmp(word, "false") == 0)
		value = 0;
	else if (parse_number(word, 64, &value) < 0)
		return -EINVAL;
	*ret = value != 0;
	return 0;
}

/* "10.0.0.0/8", "2001:db8::/32" */
static int parse_address(const char *word, int family, unsigned bits, struct ss_value *ret)
{
	g_auto(GStrv) parts = g_strsplit(word, "/", 2);
	uint64_t prefix = bits;

	if (!parts[0] || inet_pton(family, parts[0], ret->bytes) != 1)
		return -EINVAL;
	if (parts[1] && !g_ascii_string_to_unsigned(parts[1], 10, 0, bits, &prefix, NULL))
		return -EINVAL;
	ret->prefix = (unsigned)prefix;
	return 0;
}

GBytes *ss_value_bytes(const char *word)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	for (;;) {
		int high = g_ascii_xdigit_value(word[0]);
		int low = high < 0 ? -1 : g_ascii_xdigit_value(word[1]);
		guint8 byte;

		if (low < 0)
			return NULL;
		byte = (guint8)(high << 4 | low);
		g_byte_array_append(bytes, &byte, 1);
		word += 2;
		if (*word == '\0')
			return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
		if (strchr(":-.", *word))
			word++;
	}
}

static int parse_ether(const char *word, struct ss_value *ret)
{
	g_autoptr(GBytes) bytes = ss_value_bytes(word);

	if (!bytes || g_bytes_get_size(bytes) != 6)
		return -EINVAL;
	memcpy(ret->bytes, g_bytes_get_data(bytes, NULL), 6);
	ret->prefix = 48;
	return 0;
}

bool ss_value_named(const char *word, const struct ss_field *field, struct ss_value *ret)
{
	for (const struct ss_value_name *row = field->names; row && row->name; row++) {
		if (g_ascii_strcasecmp(row->name, word) == 0) {
			ret->number = row->number;
			return true;
		}
	}
	return false;
}

int ss_value_parse(const char *word, const struct ss_field *field, struct ss_value *ret)
{
	switch (field->type) {
	case SS_FIELD_NUMBER:
		if (ss_value_named(word, field, ret))
			return 0;
		return parse_number(word, field->bits, &ret->number);
	case SS_FIELD_BOOL:
		return parse_boolean(word, &ret->number);
	case SS_FIELD_IPV4:
		return parse_address(word, AF_INET, 32, ret);
	case SS_FIELD_IPV6:
		return parse_address(word, AF_INET6, 128, ret);
	case SS_FIELD_ETHER:
		return parse_ether(word, ret);
	case SS_FIELD_STRING:
		ret->string = g_bytes_new(word, strlen(word));
		return 0;
	default:
		ret->string = ss_value_bytes(word);
		return ret->string ? 0 : -EINVAL;
	}
}

/* The digits of \x and \NNN: at most so many. */
static bool take_digits(const char **text, const char *end, unsigned base, unsigned most,
			guint8 *ret)
{
	unsigned value = 0, digits = 0;

	while (*text < end && digits < most) {
		int digit = g_ascii_xdigit_value(**text);

		if (digit < 0 || (unsigned)digit >= base)
			break;
		value = value * base + (unsigned)digit;
		digits++;
		(*text)++;
	}
	*ret = (guint8)value;
	return digits > 0 && value < 256;
}

/* The byte at *text, which may be an escape; false: a wrong one. */
static bool take_byte(const char **text, const char *end, guint8 *ret)
{
	static const char letters[] = "abfnrtv", bytes[] = "\a\b\f\n\r\t\v";
	const char *letter;
	char c = *(*text)++;

	*ret = (guint8)c;
	if (c != '\\')
		return true;
	if (*text == end || !**text)
		return false;
	c = *(*text)++;
	if (c == 'x')
		return take_digits(text, end, 16, 2, ret);
	if (c >= '0' && c <= '7') {
		(*text)--;
		return take_digits(text, end, 8, 3, ret);
	}
	letter = strchr(letters, c);
	*ret = letter ? (guint8)bytes[letter - letters] : (guint8)c;
	return letter || strchr("\\'\"", c); /* \u, too, is refused: rare, and tshark's */
}

GBytes *ss_value_unescape(const char *text, size_t length)
{
	g_autoptr(GByteArray) result = g_byte_array_new();
	const char *end = text + length;
	guint8 byte;

	while (text < end) {
		if (!take_byte(&text, end, &byte))
			return NULL;
		g_byte_array_append(result, &byte, 1);
	}
	return g_byte_array_free_to_bytes(g_steal_pointer(&result));
}

size_t ss_value_escaped(const char *text, size_t bytes)
{
	const char *at = text, *end = text + strlen(text);
	guint8 byte;

	while (bytes-- && at < end)
		take_byte(&at, end, &byte);
	return (size_t)(at - text);
}

char *ss_value_quote(const char *text)
{
	GString *quoted = g_string_new("\"");

	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			g_string_append_c(quoted, '\\');
		g_string_append_c(quoted, *text);
	}
	g_string_append_c(quoted, '"');
	return g_string_free(quoted, FALSE);
}
