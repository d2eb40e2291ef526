/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a pcap-filter does not compile. libpcap says what is wrong and not where. The parser stops at
 * the first token that cannot follow what it has seen, without looking at the next one. So a
 * beginning of the expression is followed by a number that the scanner refuses with a message of
 * its own: when that message comes, the beginning was fine so far. Of what is understood and does
 * not exist ("type mgt") it complains there, or at the next token, which can't be part of it.
 */
#include "explain.h"

#include <string.h>

#include <glib.h>

#include "language.h"
#include "token.h"

#define BROADCAST         "'ip broadcast' not supported"
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
		if (strstr(complaint, SS_SYNTAX_ERROR))
			return start;
		if (!strstr(complaint, UNREADABLE_NUMBER))
			return NULL;
	}
}

/* Whether the token only ends what stands before it. */
static bool is_end(const char *token)
{
	static const char *const ends[] = {"and", "or", "&&", "||", ")",  "]",  ":", "=",
					   "==",  "!=", "<",  ">",  "<=", ">=", NULL};

	return g_strv_contains(ends, token);
}

/* The last token of the first thing that libpcap complains about; NULL: not known. */
static const char *find_thing(const char *text, ss_filter_probe probe)
{
	const char *position = text, *start, *found = NULL;

	for (;;) {
		g_autofree char *token = ss_token_next(&position, &start);
		g_autofree char *beginning = NULL, *complaint = NULL;

		if (!token)
			return found;
		if (!is_end(token))
			found = start;
		beginning =
			g_strdup_printf("%.*s " UNREADABLE_NUMBER, (int)(position - text), text);
		complaint = probe(beginning);
		if (!complaint)
			return NULL;
		if (!strstr(complaint, UNREADABLE_NUMBER))
			return found;
	}
}

/* The word, if there is only one such in text; else NULL. */
static const char *find_word(const char *text, const char *word)
{
	const char *found = NULL, *start;

	for (;;) {
		g_autofree char *token = ss_token_next(&text, &start);

		if (!token)
			return found;
		if (!g_str_equal(token, word))
			continue;
		if (found)
			return NULL;
		found = start;
	}
}

/* What libpcap's message quotes: 'db', "10.0.0.1/8". Or NULL. */
static char *quoted(const char *message)
{
	static const char *const marks[] = {"'", "\""};

	for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
		g_auto(GStrv) parts = g_strsplit(message, marks[i], 3);

		if (g_strv_length(parts) == 3)
			return g_strdup(parts[1]);
	}
	return NULL;
}

/* The word that libpcap's message is about: the one that it quotes, or a number that it names. */
static const char *find_culprit(const char *text, const char *message)
{
	g_autofree char *name = quoted(message);
	g_auto(GStrv) words = g_strsplit(message, " ", -1);
	const char *found = name ? find_word(text, name) : NULL;

	if (name && !found) { /* several words, as of a network; once */
		found = strstr(text, name);
		if (found && strstr(found + 1, name))
			return NULL;
	}
	for (int i = 0; !name && !found && words[i]; i++)
		if (g_ascii_isdigit(words[i][0]))
			found = find_word(text, words[i]);
	return found;
}

/* What may help, or "". g_free(). */
static char *hint(const char *text, const char *message, ss_filter_probe probe)
{
	g_autofree char *name = quoted(message), *lower = g_ascii_strdown(text, -1);
	g_autofree char *complaint = NULL, *mark = NULL;

	if (name && ss_language_is_display_word(name))
		return g_strdup_printf("; as a word of display filters '%s' is not mixed with "
				       "pcap-filter syntax: say the rest as tcp.port == 80, "
				       "ip.addr == 10.0.0.1",
				       name);
	if (strstr(message, BROADCAST))
		return g_strdup("; each pod may have another: say 'ether broadcast', or the "
				"address: dst host 10.1.255.255");
	if (g_str_equal(lower, text) || !strstr(message, SS_SYNTAX_ERROR))
		return g_strdup("");
	mark = ss_language_display_mark(lower);
	complaint = mark ? NULL : probe(lower);
	return g_strdup(complaint ? "" : "; names are written in lower case");
}

char *ss_filter_explain(const char *text, const char *message, bool probing, ss_filter_probe probe)
{
	g_autofree char *help = probing ? hint(text, message, probe) : g_strdup("");
	g_autofree char *sentence = g_strconcat(message, help, NULL);
	const char *culprit = NULL;

	if (strstr(message, SS_SYNTAX_ERROR))
		culprit = probing ? find_error(text, probe) : NULL;
	else
		culprit = find_culprit(text, message);
	if (!culprit && probing && !strstr(message, SS_SYNTAX_ERROR) &&
	    !strstr(message, SS_NEVER_TRUE))
		culprit = find_thing(text, probe);
	return ss_filter_sentence("capture", text, sentence,
				  culprit ? (size_t)(culprit - text) : SS_TOKEN_NOWHERE);
}
