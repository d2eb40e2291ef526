/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last line of a log is the reason, but for what is beside it. */
#include "verifier.h"

#include <stdbool.h>
#include <string.h>

#include <glib.h>

#include "log.h"

#define SHOWN 900 /* bytes */

/* Statistics, and the states of an endless loop. */
static bool is_beside(const char *line)
{
	static const char *const prefixes[] = {"processed ",   "verification time ", "stack depth ",
					       "peak_states ", "cur state:",         "old state:"};

	for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++)
		if (g_str_has_prefix(line, prefixes[i]))
			return true;
	return !*line;
}

char *ss_verifier_reason(const char *log)
{
	g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
	guint count = g_strv_length(lines);

	while (count && is_beside(lines[count - 1]))
		count--;
	return g_strdup(count ? lines[count - 1] : "");
}

void ss_verifier_log(const char *log)
{
	size_t length = strlen(log);

	if (length)
		ss_log(SS_LOG_DEBUG, "verifier: ...%s", log + MAX(length, SHOWN) - SHOWN);
}
