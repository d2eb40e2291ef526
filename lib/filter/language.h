/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside lib/filter: in which language is a filter written? */
#ifndef SS_FILTER_LANGUAGE_H
#define SS_FILTER_LANGUAGE_H

#include <glib.h>

/*
 * What in the text only a display filter has, in words ("the field tcp.port"); NULL: nothing, it is
 * taken for a pcap-filter. g_free(). Does not ask libpcap, which would look for hosts of these
 * names.
 */
char *ss_language_display_mark(const char *text);

#endif
