/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why an expression does not compile. libpcap says "syntax error" and not where; and many people
 * write Wireshark's display filters here.
 *
 * Where: the parser stops at the first token that cannot follow what it has seen, without looking
 * at the next one. So a beginning of the expression is followed by a number that the scanner
 * refuses with a message of its own: when that message comes, the beginning was fine so far.
 */
#include "explain.h"

#include <string.h>

#include <glib.h>

#define SHOWN_MAX         100 /* characters of the expression in a sentence */
#define SYNTAX_ERROR      "syntax error"
#define UNREADABLE_NUMBER "99999999999" /* "number 99999999999 overflows 32 bits" */

/* Display filter fields with an equal in pcap-filter; network: when the value is a.b.c.d/n. */
static const struct {
	const char *field, *primitive, *network;
} conversions[] = {
	{"eth.addr", "ether host", NULL},      {"eth.dst", "ether dst", NULL},
	{"eth.src", "ether src", NULL},        {"ip.addr", "host", "net"},
	{"ip.dst", "dst host", "dst net"},     {"ip.proto", "ip proto", NULL},
	{"ip.src", "src host", "src net"},     {"ipv6.addr", "host", "net"},
	{"ipv6.dst", "dst host", "dst net"},   {"ipv6.src", "src host", "src net"},
	{"sctp.port", "sctp port", NULL},      {"tcp.dstport", "tcp dst port", NULL},
	{"tcp.port", "tcp port", NULL},        {"tcp.srcport", "tcp src port", NULL},
	{"udp.dstport", "udp dst port", NULL}, {"udp.port", "udp port", NULL},
	{"udp.srcport", "udp src port", NULL}, {"vlan.id", "vlan", NULL},
};

/* Words that mean the same in both languages, and the display filter's operators. */
static const struct {
	const char *display, *capture;
} words[] = {
	{"!", "not"},     {"&&", "and"},   {"(", "("},       {")", ")"},
	{"and", "and"},   {"arp", "arp"},  {"icmp", "icmp"}, {"icmpv6", "icmp6"},
	{"ip", "ip"},     {"ipv6", "ip6"}, {"not", "not"},   {"or", "or"},
	{"sctp", "sctp"}, {"tcp", "tcp"},  {"udp", "udp"},   {"||", "or"},
};

/* Protocols whose fields are display filters even without a comparison. */
static const char *const protocols[] = {
	"arp",  "data",   "dns",         "eth",  "frame", "grpc",  "http",  "http2",     "http3",
	"icmp", "icmpv6", "ip",          "ipv6", "kafka", "mysql", "pgsql", "quic",      "redis",
	"sctp", "ssl",    "stratoshark", "tcp",  "tls",   "udp",   "vlan",  "websocket", NULL,
};

static const char *const comparisons[] = {
	"==", "!=", "===", "!==", "~=", ">",        "<",       ">=", "<=", "=",  "eq",
	"ne", "gt", "lt",  "ge",  "le", "contains", "matches", "~",  "in", NULL,
};

static const char *const operators[] = {
	"===", "!==", "==", "!=", ">=", "<=", "&&", "||", "<<", ">>", "~=", NULL,
};

static bool is_word_byte(char c)
{
	return g_ascii_isalnum(c) || strchr("._:-\\$@#?'\",;{}`", c) || (c & 0x80);
}

/* The token at *position, which moves behind it; NULL at the end. Free with g_free(). */
static char *next_token(const char **position, const char **ret_start)
{
	const char *start = *position, *end;

	while (g_ascii_isspace(*start))
		start++;
	if (!*start)
		return NULL;
	end = start;
	while (*end && is_word_byte(*end))
		end++;
	for (size_t i = 0; end == start && operators[i]; i++)
		if (g_str_has_prefix(start, operators[i]))
			end = start + strlen(operators[i]);
	if (end == start)
		end++;
	*ret_start = start;
	*position = end;
	return g_strndup(start, (gsize)(end - start));
}

/* "tcp.port": starts with a letter, dots inside. */
static bool is_field(const char *token)
{
	const char *dot = strchr(token, '.');

	if (!dot || !g_ascii_islower(token[0]) || token[strlen(token) - 1] == '.')
		return false;
	for (const char *p = token; *p; p++)
		if (!g_ascii_isalnum(*p) && *p != '.' && *p != '_' && *p != '-')
			return false;
	return true;
}

static bool is_known_field(const char *token)
{
	g_auto(GStrv) parts = NULL;

	if (!is_field(token))
		return false;
	parts = g_strsplit(token, ".", 2);
	return g_strv_contains(protocols, parts[0]);
}

bool ss_filter_is_display_filter(const char *text)
{
	g_autofree char *previous = NULL, *token = NULL;
	const char *start;

	while ((token = next_token(&text, &start))) {
		if (previous && is_field(previous) && g_strv_contains(comparisons, token))
			return true;
		g_free(previous);
		previous = g_steal_pointer(&token);
	}
	return false;
}

static bool mentions_field(const char *text)
{
	const char *start;

	for (;;) {
		g_autofree char *token = next_token(&text, &start);

		if (!token)
			return false;
		if (is_known_field(token))
			return true;
	}
}

static void append_word(GString *result, const char *word)
{
	if (result->len > 0 && result->str[result->len - 1] != '(' && word[0] != ')')
		g_string_append_c(result, ' ');
	g_string_append(result, word);
}

/* "FIELD == VALUE", of which field is read already. */
static bool convert_comparison(const char **position, const char *field, GString *result)
{
	g_autofree char *comparison = NULL, *value = NULL, *length = NULL;
	const char *primitive = NULL, *network = NULL, *start;

	for (size_t i = 0; i < G_N_ELEMENTS(conversions); i++) {
		if (g_str_equal(conversions[i].field, field)) {
			primitive = conversions[i].primitive;
			network = conversions[i].network;
		}
	}
	comparison = next_token(position, &start);
	value = comparison ? next_token(position, &start) : NULL;
	if (!primitive || !value || !is_word_byte(value[0]))
		return false;
	if (!g_str_equal(comparison, "==") && !g_str_equal(comparison, "eq"))
		return false;
	if (**position != '/') {
		append_word(result, primitive);
		append_word(result, value);
		return true;
	}
	(*position)++;
	length = next_token(position, &start);
	if (!network || !length)
		return false;
	append_word(result, network);
	append_word(result, value);
	g_string_append_printf(result, "/%s", length);
	return true;
}

/* The same in pcap-filter, when every part of it has an equal; else NULL. */
static char *convert(const char *text, ss_filter_probe probe)
{
	g_autoptr(GString) result = g_string_new(NULL);
	g_autofree char *complaint = NULL;
	bool has_and = false, has_or = false;
	const char *start;

	for (;;) {
		g_autofree char *token = next_token(&text, &start);
		const char *word = NULL;

		if (!token)
			break;
		for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
			if (g_str_equal(words[i].display, token))
				word = words[i].capture;
		if (word)
			append_word(result, word);
		else if (!convert_comparison(&text, token, result))
			return NULL;
		has_and |= word && g_str_equal(word, "and");
		has_or |= word && g_str_equal(word, "or");
	}
	/* Of equal precedence in pcap-filter, but not in a display filter. */
	if ((has_and && has_or) || result->len > SHOWN_MAX)
		return NULL;
	complaint = probe(result->str);
	return complaint ? NULL : g_strdup(result->str);
}

/* Where the parser stops, the end of text when it wants more; NULL when that is not known. */
static const char *find_error(const char *text, ss_filter_probe probe)
{
	const char *position = text, *start;

	for (;;) {
		g_autofree char *token = next_token(&position, &start);
		g_autofree char *beginning = NULL, *complaint = NULL;

		if (!token)
			return position;
		beginning =
			g_strdup_printf("%.*s " UNREADABLE_NUMBER, (int)(position - text), text);
		complaint = probe(beginning);
		if (!complaint)
			return NULL;
		if (strstr(complaint, SYNTAX_ERROR))
			return start;
		if (!strstr(complaint, UNREADABLE_NUMBER))
			return NULL;
	}
}

/* The word that libpcap's message quotes, if there is only one such in text; else NULL. */
static const char *find_quoted(const char *text, const char *message)
{
	g_auto(GStrv) parts = g_strsplit(message, "'", 3);
	const char *found = NULL, *start;

	if (g_strv_length(parts) != 3)
		return NULL;
	for (;;) {
		g_autofree char *token = next_token(&text, &start);

		if (!token)
			return found;
		if (!g_str_equal(token, parts[1]))
			continue;
		if (found)
			return NULL;
		found = start;
	}
}

/* One line for a message: no control characters, nothing that a terminal would act on. */
static char *printable(const char *text)
{
	char *line = g_utf8_make_valid(text, -1);

	for (char *p = line; *p; p++)
		if (g_ascii_iscntrl(*p))
			*p = ' ';
	return line;
}

/* The part of the expression around the error, and a caret under it. */
static void append_caret(GString *result, const char *line, size_t column)
{
	size_t length = strlen(line), from, to;

	if (!g_str_is_ascii(line)) /* columns would be a guess */
		return;
	from = column > SHOWN_MAX / 2 ? column - SHOWN_MAX / 2 : 0;
	to = MIN(from + SHOWN_MAX, length);
	g_string_append_printf(result, "\n  %.*s\n  %*s", (int)(to - from), line + from,
			       (int)(column - from) + 1, "^");
}

char *ss_filter_explain(const char *text, const char *message, bool probing, ss_filter_probe probe)
{
	g_autofree char *line = printable(text), *example = NULL;
	GString *result = g_string_new(NULL);
	const char *culprit = NULL;
	bool display = ss_filter_is_display_filter(text) || mentions_field(text);

	if (g_utf8_strlen(line, -1) <= SHOWN_MAX) {
		g_string_printf(result, "cannot parse capture filter '%s': %s", line, message);
	} else {
		g_autofree char *shown = g_utf8_substring(line, 0, SHOWN_MAX);

		g_string_printf(result, "cannot parse capture filter '%s...': %s", shown, message);
	}
	if (display) {
		example = convert(text, probe);
		g_string_append(result, "; this looks like a Wireshark display filter, but capture "
					"filters are written in pcap-filter syntax");
		if (example)
			g_string_append_printf(result, ": %s", example);
		else
			g_string_append(result, " (man pcap-filter)");
		return g_string_free(result, FALSE);
	}
	if (!strstr(message, SYNTAX_ERROR))
		culprit = find_quoted(text, message);
	else if (probing)
		culprit = find_error(text, probe);
	if (culprit)
		append_caret(result, line, (size_t)(culprit - text));
	return g_string_free(result, FALSE);
}
