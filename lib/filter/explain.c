/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a pcap-filter does not compile. libpcap says "syntax error" and not where. The parser stops
 * at the first token that cannot follow what it has seen, without looking at the next one. So a
 * beginning of the expression is followed by a number that the scanner refuses with a message of
 * its own: when that message comes, the beginning was fine so far.
 */
#include "explain.h"

#include <string.h>

#include <glib.h>

#include "token.h"

#define SYNTAX_ERROR      "syntax error"
#define UNREADABLE_NUMBER "99999999999" /* "number 99999999999 overflows 32 bits" */

/* Where the parser stops, the end of text when it wants more; NULL when that is not known. */
static const char *find_error(const char *text, ss_filter_probe probe)
{
	const char *position = text, *start;

	for (;;) {
		g_autofree char *token = ss_token_next(&position, &start);
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
		g_autofree char *token = ss_token_next(&text, &start);

		if (!token)
			return found;
		if (!g_str_equal(token, parts[1]))
			continue;
		if (found)
			return NULL;
		found = start;
	}
}

char *ss_filter_explain(const char *text, const char *message, bool probing, ss_filter_probe probe)
{
	const char *culprit = NULL;

	if (!strstr(message, SYNTAX_ERROR))
		culprit = find_quoted(text, message);
	else if (probing)
		culprit = find_error(text, probe);
	return ss_filter_sentence("capture", text, message,
				  culprit ? (size_t)(culprit - text) : SS_TOKEN_NOWHERE);
}
