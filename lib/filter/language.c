/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule: a text with a mark of a display filter is one; every other text is a pcap-filter.
 * Marks are
 *	a field that is compared			ip.addr == ...
 *	a field or protocol that pcap-filter has not	http.request, dns, ipv6
 *	an operator that pcap-filter has not		contains, matches, in {...}, "...", len(...)
 * Names of hosts look like fields ("host dns.example"): behind a word such as host or port the
 * second does not count.
 */
#include "language.h"

#include <string.h>

#include "field.h"
#include "token.h"

static const char *const comparisons[] = {
	"==", "!=", "===", "!==", "~=", ">",        "<",       ">=", "<=", "=",  "eq",
	"ne", "gt", "lt",  "ge",  "le", "contains", "matches", "~",  "in", NULL,
};

/* Behind these pcap-filter expects a name or a number, and so on behind "or". */
static const char *const qualifiers[] = {
	"host",   "net",   "port",       "portrange", "src",  "dst", "gateway", "proto",
	"ether",  "less",  "greater",    "mask",      "ra",   "ta",  "addr1",   "addr2",
	"addr3",  "addr4", "protochain", "lane",      "link", "tr",  "fddi",    "wlan",
	"ifname", "on",    "rnr",        "ruleset",   "rset", NULL,
};

/* Protocols that only Wireshark has, whose fields a filter may begin with. Others are known by
 * their comparisons. */
static const char *const protocols[] = {
	"amqp",   "data",  "dhcp",   "dns",   "eth",       "frame", "ftp",  "grpc",  "gquic",
	"http",   "http2", "http3",  "https", "icmpv6",    "ipv6",  "json", "kafka", "ldap",
	"mdns",   "mongo", "mqtt",   "mysql", "ntp",       "pgsql", "quic", "rdp",   "redis",
	"rtp",    "sip",   "smb2",   "smtp",  "snmp",      "ssdp",  "ssh",  "ssl",   "stratoshark",
	"syslog", "tds",   "telnet", "tls",   "websocket", NULL,
};

static const char *const functions[] = {
	"upper", "lower", "len", "count", "string", "max", "min", "abs", NULL,
};

bool ss_language_is_display_word(const char *token)
{
	g_auto(GStrv) parts = NULL;

	if (g_strv_contains(protocols, token))
		return true;
	if (!ss_token_is_field(token))
		return false;
	if (ss_field_find(token, NULL))
		return true;
	parts = g_strsplit(token, ".", 2);
	return g_strv_contains(protocols, parts[0]) || ss_field_find(parts[0], NULL);
}

bool ss_language_is_capture_word(const char *token)
{
	return g_strv_contains(qualifiers, token);
}

/* A host's name may stand here. */
static bool expects_name(const char *previous, bool qualified)
{
	static const char *const joints[] = {"and", "or", "not", "&&", "||", "!", "(", NULL};

	if (!previous)
		return false;
	if (g_strv_contains(qualifiers, previous))
		return true;
	return qualified && g_strv_contains(joints, previous);
}

char *ss_language_display_mark(const char *text)
{
	g_autofree char *previous = NULL, *token = NULL;
	bool qualified = false;
	const char *start;

	while ((token = ss_token_next(&text, &start))) {
		if (token[0] == '"' || g_str_has_prefix(token, "r\""))
			return g_strdup("a string in quotes");
		if (previous && ss_token_is_field(previous) && g_strv_contains(comparisons, token))
			return g_strdup_printf("the comparison of %s", previous);
		if (previous && (g_str_equal(token, "contains") || g_str_equal(token, "matches")))
			return g_strdup_printf("the operator %s", token);
		if (previous && g_str_equal(previous, "in") && token[0] == '{')
			return g_strdup("a set in braces");
		if (previous && token[0] == '(' && g_strv_contains(functions, previous))
			return g_strdup_printf("the function %s()", previous);
		if (ss_language_is_display_word(token) && !expects_name(previous, qualified))
			return g_strdup_printf(
				"%s %s", strchr(token, '.') ? "the field" : "the protocol", token);
		qualified |= g_strv_contains(qualifiers, token);
		g_free(previous);
		previous = g_steal_pointer(&token);
	}
	return NULL;
}
