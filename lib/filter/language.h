/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: in which language is a filter written? */
#ifndef SS_FILTER_LANGUAGE_H
#define SS_FILTER_LANGUAGE_H

#include <stdbool.h>

#include <glib.h>

/*
 * What in the text only a display filter has, in words ("the field tcp.port"); NULL: nothing, it is
 * taken for a pcap-filter. g_free(). Does not ask libpcap, which would look for hosts of these
 * names.
 */
char *ss_language_display_mark(const char *text);
/* A field or protocol that pcap-filter has not. */
bool ss_language_is_display_word(const char *token);
/* Behind it pcap-filter expects a name or a number: host, port ... */
bool ss_language_is_capture_word(const char *token);

#endif
